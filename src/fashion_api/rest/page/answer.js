/** An answer of the model: what it sees, how sure it is, whether it knows such pictures, and how to ask the same. */

import { postJson } from './api.js';
import { announce, h, list, percent, segmented, takeFocus } from './dom.js';
import { drawHeatMap } from './heatmap.js';
import { attempt } from './notices.js';
import { makeTakeaway } from './takeaway.js';

/** What the person chose, for all answers to come, and what the model's card says. */
export const settings = { coverage: '0.95', coverages: [], words: {}, isGrey: true };

let announceCard;
/** Is kept when the model's card has come: what is said of a picture depends on it, and a picture may be there before. */
export const cardHasCome = new Promise((resolve) => (announceCard = resolve));

/** Take over from the model's card for which coverages it has prediction sets, and what its pictures are. */
export function takeCard({ calibration, input, words }) {
  settings.coverages = Object.keys(calibration?.prediction_sets.thresholds ?? {}).sort();
  settings.words = words;
  settings.isGrey = input.channels === 1;
  document.body.classList.toggle('in-colour', !settings.isGrey);
  announceCard();
}

/** What a person can do about each flaw of a picture that is not accepted. */
const ADVICE = {
  turned: () => `Turn it, so that ${settings.words.subject} is upright.`,
  'low-contrast': () => `Take a picture with more contrast between ${settings.words.subject} and what is behind it.`,
  'too-small': () => `Crop closer to ${settings.words.subject}.`,
  'at-edge': () => `Crop it so that ${settings.words.subject} is in the middle.`,
  'too-dark': () =>
    settings.isGrey
      ? `Check that ${settings.words.subject} is light on black, and invert it if not.`
      : 'Take a picture with more light.',
};

/**
 * Show an answer.
 * @param {{prediction: object, coverage: string, request: object, response: object, model: object, tookMs: number,
 *   asked?: number, image: string, picture: string, actual?: string, onCoverage: () => void}} answer `coverage` is that
 *   of the request, `image` what the model got, in base64, and `picture` its address
 */
export function makeAnswer(answer) {
  const { prediction, model, tookMs, asked = 1, actual } = answer;
  dispatchEvent(new CustomEvent('answered', { detail: model }));
  return h(
    'div',
    { class: 'answer' },
    makeLabel(prediction),
    actual === undefined ? null : makeTruth(prediction.label, actual),
    makeAcceptance(prediction, { isOwn: actual === undefined }),
    makeBars(prediction),
    prediction.prediction_set && makeSet(prediction, answer),
    prediction.novelty === null ? null : makeNovelty(prediction.novelty),
    makeHeat(answer),
    h(
      'p',
      { class: 'facts' },
      `${asked > 1 ? `${asked} pictures` : 'Answered'} in ${formatTime(tookMs)}, from here to the service and back, by `,
      h('b', {}, model.name),
      ` (version ${model.version}).`,
    ),
    makeTakeaway(answer.request, answer.response),
  );
}

const formatTime = (ms) =>
  ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

function makeTruth(label, actual) {
  const isRight = label === actual;
  const words = isRight ? 'Right: that is what the picture shows.' : `Wrong: the picture shows ${actual}.`;
  return h('p', { class: isRight ? 'verdict good' : 'verdict bad' }, words);
}

function makeLabel({ label, probability, accepted }) {
  if (accepted === false) return h('p', { class: 'label guess' }, `Perhaps ${label}`);
  return h('p', { class: 'label' }, label, h('span', { class: 'sure' }, percent(probability)));
}

/** Whether the model knows such pictures; where it does not, what to do with one of the person's own. */
function makeAcceptance({ accepted, reasons }, { isOwn }) {
  if (accepted === null)
    return h('p', { class: 'hint' }, 'This model does not judge whether a picture is like those it knows.');
  if (accepted) return h('p', { class: 'verdict good' }, `Accepted: it looks like ${settings.words.known} that the model knows.`);
  const advice = isOwn ? reasons.map((code) => ADVICE[code]?.()).filter(Boolean) : [];
  return h(
    'div',
    { class: 'verdict bad' },
    h('p', {}, 'The model does not recognise this picture.', isOwn ? null : ' Its answer is a guess.'),
    isOwn ? h('p', {}, settings.words.limits) : null,
    advice.length ? h('ul', {}, ...advice.map((words) => h('li', {}, words))) : null,
  );
}

function makeBars({ probabilities, prediction_set: set }) {
  const sorted = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const rows = sorted.map(([label, probability]) => {
    const bar = h('i', {});
    bar.style.width = `${100 * probability}%`;
    return h(
      'tr',
      { class: set?.includes(label) ? 'in-set' : null },
      h('th', { scope: 'row' }, label),
      h('td', { 'aria-hidden': 'true' }, h('div', { class: 'bar' }, bar)),
      h('td', { class: 'number' }, percent(probability)),
    );
  });
  return h(
    'table',
    { class: 'bars' },
    h('caption', { class: 'unseen' }, 'Probability of each class'),
    h('tbody', {}, ...rows),
  );
}

function makeSet({ prediction_set: set, accepted }, { coverage, onCoverage }) {
  const options = settings.coverages.map((choice) => [choice, `${100 * choice} %`]);
  const choose = async (choice) => {
    const view = place.closest('article, [data-view]');
    settings.coverage = choice;
    await onCoverage();
    view.querySelector('.set :checked')?.focus({ preventScroll: true }); // that of the new answer
  };
  const words = set.length ? list(set, 'disjunction') : 'No class is left';
  const promise = `${100 * coverage} of 100`;
  const place = h(
    'div',
    { class: 'set' },
    segmented('What it can be, at a coverage of', options, coverage, choose),
    h(
      'p',
      {},
      h(accepted === false ? 'span' : 'b', {}, words),
      h(
        'small',
        {},
        accepted === false
          ? `This picture is unlike the test set’s, so the promise of ${promise} does not hold for it.`
          : `${promise} such sets hold the right class, for pictures like those of the test set.`,
      ),
    ),
  );
  return place;
}

/** Where a novelty stands on the scale, 0 to 1: the threshold is in the middle, and there is no end. */
const placeNovelty = (novelty) => (novelty <= 1 ? novelty / 2 : 1 - 1 / (2 * novelty));

function makeNovelty(novelty) {
  const mark = h('i', { class: 'mark' });
  mark.style.left = `${100 * placeNovelty(novelty)}%`;
  const words = novelty <= 1 ? 'as familiar as what the model was trained on' : 'unlike what the model was trained on';
  const written = novelty < 10 ? novelty.toFixed(2) : Math.round(novelty);
  return h(
    'div',
    { class: novelty > 1 ? 'novelty over' : 'novelty' },
    h('p', {}, h('b', {}, `Novelty ${written}`), `: ${words}; the limit is 1.`),
    h('div', { class: 'scale', 'aria-hidden': 'true' }, mark),
    h(
      'div',
      { class: 'ticks', 'aria-hidden': 'true' },
      ...[
        ['0', 0],
        ['½', 0.5],
        ['1', 1],
        ['2', 2],
        ['5', 5],
      ].map(([tick, value]) => {
        const shown = h('span', {}, tick);
        shown.style.left = `${100 * placeNovelty(value)}%`;
        return shown;
      }),
    ),
  );
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
        h(
          'div',
          { class: 'heat-words', tabindex: -1 },
          h('p', {}, `What mattered for ${label}: ${words}`),
          h('p', { class: 'key-for' }, `covering it makes ${label} less probable${byUpTo(Math.max(...heat.flat()))}`),
          h(
            'p',
            { class: 'key-against' },
            `covering it makes ${label} more probable${byUpTo(-Math.min(...heat.flat()))}`,
          ),
        ),
      );
      takeFocus(place.lastChild);
      announce(words);
    });
  place.append(button);
  return h('div', {}, notices, place);
}
