/** The view that takes pictures in: dropped, pasted, chosen, photographed or drawn. */

import { getJson, postJson } from './api.js';
import { makeAnswer, settings } from './answer.js';
import { announce, byId, h, percent } from './dom.js';
import { Card } from './card.js';
import { openDrawing } from './drawing.js';
import { attempt } from './notices.js';
import { fillPicture } from './testset.js';
import { pngAddress } from './pictures.js';

const MOST = 32;
const SAMPLES = 8;

const cards = new Set();

/**
 * Set the view up.
 * @param {() => object|null} getModel gives the model's card, once it is there
 */
export function startAsk(getModel) {
  const choose = byId('choose');
  for (const input of [choose, byId('photograph')]) {
    input.addEventListener('change', () => {
      addPictures([...input.files]);
      input.value = '';
    });
  }
  const drawing = byId('drawing');
  byId('draw').addEventListener('click', () => {
    openDrawing(drawing, getModel()?.input, (file) => addPictures([file], { invert: 'false' }));
    update();
  });
  byId('ask-all').addEventListener('click', () =>
    askAbout(
      [...cards].filter((card) => card.isReady),
      byId('intake-notices'),
    ),
  );
  listenForDrops();
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) addPictures(files);
  });
}

function listenForDrops() {
  const intake = byId('intake');
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    intake.classList.add('over');
  });
  document.addEventListener('dragleave', (event) => event.relatedTarget ?? intake.classList.remove('over'));
  document.addEventListener('drop', (event) => {
    intake.classList.remove('over');
    if (!holdsFiles(event)) return;
    event.preventDefault();
    addPictures([...event.dataTransfer.files]);
  });
}

/** Show some test pictures to start from, where there is a test set. */
export async function showSamples() {
  try {
    const { items } = await getJson(`api/v1/test-images?limit=${SAMPLES}`);
    const thumbs = items.map(({ index, label }) => {
      const image = h('img', { class: 'pixels', alt: label, width: 28, height: 28 });
      fillPicture(image, index);
      return h('li', {}, h('a', { href: `#test/${index}` }, image));
    });
    byId('samples')
      .querySelector('ul')
      .replaceChildren(...thumbs);
    byId('samples').hidden = false;
  } catch {
    byId('samples').hidden = true; // the view does all else without it
  }
}

function addPictures(files, options = {}) {
  if (location.hash && location.hash !== '#ask') location.hash = '#ask';
  const taken = files.slice(0, MOST - cards.size);
  const added = taken.map((file) => {
    const card = new Card(file, {
      ...options,
      onAsk: (asked) => askAbout([asked], asked.askNotices),
      onChange: (removed) => update(removed),
    });
    cards.add(card);
    byId('pictures').append(card.element);
    return card;
  });
  update();
  const isMore = taken.length < files.length ? ` The page takes ${MOST} at once; the others were left out.` : '';
  const words = `${added.length === 1 ? added[0].name + ' was' : `${added.length} pictures were`} added.${isMore}`;
  announce(words);
  byId('intake-notices').replaceChildren(...(isMore ? [h('p', { class: 'notice' }, words)] : []));
  added[0]?.prepared.then(() => added[0].showWhole());
}

function update(removed) {
  if (removed && cards.delete(removed)) byId('ask-heading').focus();
  const ready = [...cards].filter((card) => card.isReady).length;
  byId('ask-all').hidden = ready < 2;
  byId('ask-all').textContent = `Ask about all ${ready}`;
  byId('intake').classList.toggle('compact', cards.size > 0 || !byId('drawing').hidden);
  byId('samples').classList.toggle('aside', cards.size > 0);
}

/** Ask the model about pictures, in one request. */
function askAbout(asked, place) {
  const action = async () => {
    asked = asked.filter((card) => card.image !== null); // when it is asked again, some may have been changed
    if (!asked.length) return;
    const images = asked.map((card) => card.image);
    const { coverage } = settings;
    const path = `api/v1/predictions?coverage=${coverage}`;
    const started = performance.now();
    asked.forEach((card) => card.showAsking(true));
    const answer = await postJson(path, { images }).finally(() => asked.forEach((card) => card.showAsking(false)));
    const tookMs = performance.now() - started;
    asked.forEach((card, i) => {
      if (card.image !== images[i]) return; // it was changed in the meantime
      const request = { path, body: { images: [images[i]] } };
      const prediction = answer.predictions[i];
      card.showAnswer(
        makeAnswer({
          prediction,
          coverage,
          request,
          tookMs,
          asked: asked.length,
          model: answer.model,
          image: images[i],
          response: { model: answer.model, predictions: [prediction] },
          picture: pngAddress(images[i]),
          onCoverage: () => askAbout([card], card.askNotices),
        }),
      );
    });
    announce(asked.map((card, i) => `${card.name}: ${sum(answer.predictions[i])}`).join(' '));
    asked[0].reveal();
  };
  return attempt(place, action);
}

const sum = ({ label, probability, accepted }) =>
  accepted === false ? `not recognised, perhaps ${label}.` : `${label}, ${percent(probability)}.`;
