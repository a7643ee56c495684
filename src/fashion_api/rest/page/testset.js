/** The views of the test set: its pictures, and one of them with its answer. */

import { ask, getJson } from './api.js';
import { makeAnswer, settings } from './answer.js';
import { byId, count, h, percent } from './dom.js';
import { attempt } from './notices.js';
import { toBase64 } from './pictures.js';
import { copy } from './takeaway.js';

const PAGE = 60;

/** Load a test picture into an `img`; `src` alone could not show a key. */
export async function fillPicture(image, index, { signal } = {}) {
  const blob = await (await ask(`api/v1/test-images/${index}/image`, { signal })).blob();
  const address = URL.createObjectURL(blob);
  image.onload = () => URL.revokeObjectURL(address);
  image.src = address;
  return blob;
}

const RIGHT = [
  ['', 'Any'],
  ['true', 'Right'],
  ['false', 'Wrong'],
];
const ACCEPTED = [
  ['', 'Any'],
  ['true', 'Accepted'],
  ['false', 'Refused'],
];
const SORTS = [
  ['index', 'In their order'],
  ['confidence', 'Least sure first'],
  ['-confidence', 'Surest first'],
  ['-novelty', 'Most novel first'],
  ['novelty', 'Least novel first'],
];

function fillFilters(labels, chosen) {
  const anyOf = (words) => [['', words], ...labels.map((label) => [label, label])];
  const select = (words, name, options) =>
    h(
      'label',
      {},
      h('span', {}, words),
      h(
        'select',
        { name },
        ...options.map(([value, text]) => h('option', { value, selected: value === (chosen.get(name) ?? '') }, text)),
      ),
    );
  const form = byId('filters');
  const index = h('input', {
    type: 'number',
    min: 0,
    step: 1,
    inputmode: 'numeric',
    'aria-label': 'Number of a picture',
  });
  form.replaceChildren(
    select('Shows', 'label', anyOf('Anything')),
    select('Model says', 'predicted', anyOf('Anything')),
    select('Answer', 'correct', RIGHT),
    select('Picture', 'accepted', ACCEPTED),
    select('Order', 'sort', SORTS),
    h('div', { class: 'go' }, h('label', {}, h('span', {}, 'Number'), index), h('button', { type: 'submit' }, 'Show')),
  );
  form.onchange = (event) => event.target.name && (location.hash = writeHash(new FormData(form)));
  form.onsubmit = (event) => {
    event.preventDefault();
    if (index.value) location.hash = `#test/${Number(index.value)}`;
  };
}

function writeHash(fields, offset = 0) {
  const chosen = [...fields].filter(
    ([name, value]) => value && name !== 'offset' && `${name}=${value}` !== 'sort=index',
  );
  if (offset) chosen.push(['offset', offset]);
  const query = new URLSearchParams(chosen).toString();
  return query ? `#browse?${query}` : '#browse';
}

/**
 * Show the pictures that a query names.
 * @param {URLSearchParams} query as in the fragment
 * @param {{labels: string[]}} model
 * @param {AbortSignal} signal ends it when another view is shown
 */
export function showTestSet(query, model, signal) {
  fillFilters(model.labels, query);
  const grid = byId('browse-grid');
  grid.classList.add('old');
  return attempt(byId('browse-notices'), async () => {
    const asked = new URLSearchParams({ sort: 'index', ...Object.fromEntries(query), limit: PAGE });
    const page = await getJson(`api/v1/test-images?${asked}`, { signal });
    const last = Math.min(page.offset + PAGE, page.total);
    byId('browse-count').textContent = page.items.length
      ? `${count(page.offset + 1)} to ${count(last)} of ${count(page.total)}`
      : 'None is like that.';
    grid.replaceChildren(...page.items.map((item) => makeItem(item, signal)));
    grid.classList.remove('old');
    const lead = (words, offset) => h('a', { href: writeHash(query, offset), class: 'button' }, words);
    byId('browse-pages').replaceChildren(
      ...(page.offset > 0 ? [lead('Previous', Math.max(page.offset - PAGE, 0))] : []),
      ...(last < page.total ? [lead('Next', page.offset + PAGE)] : []),
    );
  });
}

function makeItem({ index, label, predicted, correct, accepted, probability }, signal) {
  const image = h('img', { class: 'pixels', alt: '', width: 28, height: 28 });
  fillPicture(image, index, { signal }).catch(() => {}); // the words are there without it
  const marks = [correct ? null : h('span', {}, 'wrong'), accepted === false ? h('span', {}, 'refused') : null];
  return h(
    'li',
    {},
    h(
      'a',
      { href: `#test/${index}` },
      h('span', { class: 'well' }, image),
      h('span', { class: 'what' }, label),
      h('span', { class: 'said' }, correct ? percent(probability) : `said ${predicted}, ${percent(probability)}`),
      h('span', { class: 'marks' }, ...marks.filter(Boolean)),
    ),
  );
}

/**
 * Show one test picture with its answer.
 * @param {number} index
 * @param {AbortSignal} signal ends it when another view is shown
 */
export function showTestPicture(index, signal) {
  byId('test-heading').textContent = `Test picture ${count(index)}`;
  const place = byId('test-picture');
  place.replaceChildren();
  return attempt(byId('test-notices'), async () => {
    const { coverage } = settings;
    const path = `api/v1/test-images/${index}/prediction?coverage=${coverage}`;
    const started = performance.now();
    const response = await getJson(path, { signal });
    const tookMs = performance.now() - started;
    const image = h('img', {
      class: 'pixels',
      alt: `Test picture ${index}: ${response.actual}`,
      width: 28,
      height: 28,
    });
    const blob = await (await ask(`api/v1/test-images/${index}/image`, { signal })).blob();
    const base64 = await toBase64(blob);
    image.src = `data:image/png;base64,${base64}`;
    const answer = makeAnswer({
      prediction: response.prediction,
      coverage,
      actual: response.actual,
      model: response.model,
      response,
      tookMs,
      request: { path },
      image: base64,
      picture: image.src,
      onCoverage: () => showTestPicture(index, signal),
    });
    place.replaceChildren(
      h(
        'div',
        { class: 'stages two' },
        h(
          'section',
          { class: 'given' },
          h('h2', {}, `It shows: ${response.actual}`),
          h('div', { class: 'well' }, image),
          makeWays(index),
        ),
        h('section', { class: 'answered' }, h('h2', {}, 'The model’s answer'), answer),
      ),
    );
  });
}

function makeWays(index) {
  const copyButton = h('button', { type: 'button', onclick: () => copy(location.href, copyButton) }, 'Copy the link');
  return h(
    'nav',
    { class: 'buttons', 'aria-label': 'Other pictures' },
    index > 0 ? h('a', { class: 'button', href: `#test/${index - 1}` }, 'Previous') : null,
    h('a', { class: 'button', href: `#test/${index + 1}` }, 'Next'),
    copyButton,
  );
}
