/** The page: its views, by the fragment of its address. */

import { getJson } from './api.js';
import { takeCard } from './answer.js';
import { showSamples, startAsk } from './ask.js';
import { showConfusion } from './confusion.js';
import { byId, h } from './dom.js';
import { attempt } from './notices.js';
import { showTestPicture, showTestSet } from './testset.js';

const TITLES = { ask: 'What is this?', browse: 'The test set', confusion: 'Confusions', test: 'Test picture' };

let model = null;
let leaving = new AbortController();

/** Read a fragment: `#browse?label=Bag`, `#test/42`. */
function readFragment() {
  const [path, query] = location.hash.slice(1).split('?');
  const [view, argument] = path.split('/');
  if (view === 'test' && /^\d+$/.test(argument ?? '')) return { view, index: Number(argument) };
  return { view: Object.hasOwn(TITLES, view) && view !== 'test' ? view : 'ask', query: new URLSearchParams(query) };
}

function showView({ isFirst = false } = {}) {
  if (location.hash === '#content') return; // the way past the navigation
  leaving.abort();
  leaving = new AbortController();
  const { view, query, index } = readFragment();
  for (const section of document.querySelectorAll('[data-view]')) section.hidden = section.dataset.view !== view;
  for (const link of document.querySelectorAll('.top nav a')) {
    const isHere = link.hash.slice(1) === (view === 'test' ? 'browse' : view);
    if (isHere) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${TITLES[view]}${index === undefined ? '' : ` ${index}`} · fashion-api`;
  if (view === 'browse') showTestSet(query, model, leaving.signal);
  if (view === 'confusion') showConfusion(leaving.signal);
  if (view === 'test') showTestPicture(index, leaving.signal);
  if (!isFirst) {
    byId(`${view}-heading`).focus({ preventScroll: true });
    scrollTo({ top: 0, behavior: 'instant' });
  }
}

function showFoot() {
  const accuracy = model.evaluation?.accuracy;
  byId('foot').replaceChildren(
    h(
      'p',
      {},
      'Model ',
      h('b', {}, model.name),
      `, version ${model.version}`,
      accuracy ? `; ${(100 * accuracy).toFixed(2)} % of its test set are right.` : '.',
    ),
    h(
      'p',
      {},
      'Pictures are sent to this service, and are not kept. ',
      h('a', { href: 'docs' }, 'Its API'),
      ' · ',
      h('a', { href: 'api/v1/model' }, 'The model’s figures (JSON)'),
    ),
  );
}

async function takeModel() {
  model = await getJson('api/v1/model');
  takeCard(model);
  TITLES.ask = model.words.question;
  byId('ask-heading').textContent = model.words.question;
  byId('intake-advice').textContent = model.words.advice;
  showFoot();
}

// The service changes its model while it runs: an answer of another version says so.
addEventListener('answered', ({ detail }) => {
  if (model !== null && detail.version !== model.version) attempt(byId('model-notices'), takeModel);
});

startAsk(() => model);
attempt(byId('model-notices'), async () => {
  await takeModel();
  showView({ isFirst: true });
  addEventListener('hashchange', () => showView());
  showSamples();
});
