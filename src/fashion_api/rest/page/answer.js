/** An answer of the model: what it sees, how sure it is, whether it knows such pictures, and how to ask the same. */

import { postJson } from './api.js';
import { announce, h, list, percent, segmented } from './dom.js';
import { drawHeatMap } from './heatmap.js';
import { attempt } from './notices.js';
import { makeTakeaway } from './takeaway.js';

/** What the person chose, for all answers to come. */
export const settings = { coverage: '0.95' };

const COVERAGES = ['0.9', '0.95', '0.99'];

/** What a person can do about each reason for which a picture is not accepted. */
const ADVICE = {
  turned: 'Turn it, so that the article is upright.',
  'low-contrast': 'Take a picture with more contrast between the article and what is behind it.',
  'too-small': 'Crop closer to the article.',
  'at-edge': 'Crop it so that the article is in the middle.',
  'too-dark': 'Check that the article is light on black, and invert it if not.',
};

/**
 * Show an answer.
 * @param {{prediction: object, request: object, response: object, model: object, tookMs: number, asked?: number,
 *   image: string, picture: string, actual?: string, onCoverage: () => void}} answer `image` is what the model got, in
 *   base64, and `picture` its address
 */
export function makeAnswer(answer) {
  const { prediction, model, tookMs, asked = 1, actual } = answer;
  return h('div', { class: 'answer' },
    h('p', { class: 'label' }, prediction.label, h('span', { class: 'sure' }, percent(prediction.probability))),
    actual === undefined ? null : makeTruth(prediction.label, actual),
    makeAcceptance(prediction),
    makeBars(prediction),
    prediction.prediction_set && makeSet(prediction, answer.onCoverage),
    prediction.novelty === null ? null : makeNovelty(prediction.novelty),
    makeHeat(answer),
    h('p', { class: 'facts' },
      `${asked > 1 ? `${asked} pictures` : 'Answered'} in ${formatTime(tookMs)}, from here to the service and back, by `,
      h('b', {}, model.name), ` (version ${model.version}).`),
    makeTakeaway(answer.request, answer.response));
}

const formatTime = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function makeTruth(label, actual) {
  const isRight = label === actual;
  const words = isRight ? 'Right: that is what the picture shows.' : `Wrong: the picture shows ${actual}.`;
  return h('p', { class: isRight ? 'verdict good' : 'verdict bad' }, words);
}

function makeAcceptance({ accepted, reason, reasons }) {
  if (accepted === null) return null;
  if (accepted) return h('p', { class: 'verdict good' }, 'Accepted: it looks like the articles that the model knows.');
  const advice = reasons.map((code) => ADVICE[code]).filter(Boolean);
  return h('div', { class: 'verdict bad' },
    h('p', {}, `Not accepted: ${reason}.`),
    advice.length ? h('ul', {}, ...advice.map((words) => h('li', {}, words))) : null);
}

function makeBars({ probabilities, prediction_set: set }) {
  const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const rows = sorted.map(([label, probability]) => {
    const bar = h('i', {});
    bar.style.width = `${100 * probability}%`;
    return h('tr', { class: set?.includes(label) ? 'in-set' : null },
      h('th', { scope: 'row' }, label), h('td', { 'aria-hidden': 'true' }, h('div', { class: 'bar' }, bar)),
      h('td', { class: 'number' }, percent(probability)));
  });
  return h('table', { class: 'bars' }, h('caption', { class: 'unseen' }, 'Probability of each class'), h('tbody', {}, ...rows));
}

function makeSet({ prediction_set: set }, onCoverage) {
  const options = COVERAGES.map((coverage) => [coverage, `${100 * coverage} %`]);
  const choose = (coverage) => {
    settings.coverage = coverage;
    onCoverage();
  };
  const words = set.length ? list(set, 'disjunction') : 'No class is left';
  return h('div', { class: 'set' },
    segmented('What it can be, at a coverage of', options, settings.coverage, choose),
    h('p', {}, h('b', {}, words),
      h('small', {}, `${100 * settings.coverage} of 100 such sets hold the right class, for pictures like those of the test set.`)));
}

/** Where a novelty stands on the scale, 0 to 1: the threshold is in the middle, and there is no end. */
const placeNovelty = (novelty) => (novelty <= 1 ? novelty / 2 : 1 - 1 / (2 * novelty));

function makeNovelty(novelty) {
  const mark = h('i', { class: 'mark' });
  mark.style.left = `${100 * placeNovelty(novelty)}%`;
  const words = novelty <= 1 ? 'as familiar as what the model was trained on' : 'unlike what the model was trained on';
  const written = novelty < 10 ? novelty.toFixed(2) : Math.round(novelty);
  return h('div', { class: novelty > 1 ? 'novelty over' : 'novelty' },
    h('p', {}, h('b', {}, `Novelty ${written}`), `: ${words}; the limit is 1.`),
    h('div', { class: 'scale', 'aria-hidden': 'true' }, mark),
    h('div', { class: 'ticks', 'aria-hidden': 'true' },
      ...[['0', 0], ['½', 0.5], ['1', 1], ['2', 2], ['5', 5]].map(([tick, value]) => {
        const shown = h('span', {}, tick);
        shown.style.left = `${100 * placeNovelty(value)}%`;
        return shown;
      })));
}

function makeHeat({ image, picture }) {
  const place = h('div', { class: 'heat' });
  const notices = h('div', { role: 'status' });
  const button = h('button', { type: 'button' }, 'Show what mattered');
  button.onclick = () =>
    attempt(notices, async () => {
      const { explanations } = await postJson('api/v1/explanations', { images: [image] });
      const { label, heat_map: heat } = explanations[0];
      const [shown, words] = await drawHeatMap(heat, picture);
      const byUpTo = (most) => (most > 0 ? `, by up to ${(100 * most).toFixed(1)} points` : '');
      place.replaceChildren(
        shown,
        h('div', { class: 'heat-words' },
          h('p', {}, `What mattered for ${label}: ${words}`),
          h('p', { class: 'key-for' }, `covering it makes ${label} less probable${byUpTo(Math.max(...heat.flat()))}`),
          h('p', { class: 'key-against' }, `covering it makes ${label} more probable${byUpTo(-Math.min(...heat.flat()))}`)));
      announce(words);
    });
  place.append(button);
  return h('div', {}, notices, place);
}
