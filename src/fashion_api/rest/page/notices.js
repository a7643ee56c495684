/** What went wrong, in plain words, and what to do about it. */

import { h } from './dom.js';
import { Problem } from './api.js';

const SOON_S = 2;

/** For each kind: its title, and what to do. */
const WORDS = {
  offline: [
    'The service does not answer',
    'Check your connection, and that the service runs. The page asks again by itself when it is back.',
  ],
  'not-ready': ['The service is starting or stopping', 'That takes some seconds. The page asks again by itself.'],
  'not-predicted-yet': [
    'The model is looking at the whole test set',
    'It does so once, while nobody asks it anything else. The page asks again by itself.',
  ],
  overloaded: ['The service is busy', 'It has more requests than it can take. Wait a moment, and ask again.'],
  'rate-limited': [
    'You have asked for many pictures in a short time',
    'The service answers so many a second for each who asks. Wait a moment, and ask again.',
  ],
  'deadline-exceeded': ['That took too long', 'The service is busy. Wait a moment, and ask again.'],
  unauthorized: ['The service asks for a key', 'Ask whoever runs it for one, and enter it.'],
  'no-test-set': [
    'This service has no test set',
    'It answers for pictures of yours all the same. Whoever runs it sets FASHION_DATA_DIR to the model’s data set, or gets the usual one with “fashion-api data fetch”.',
  ],
  'unsupported-media-type': [
    'This file is not a picture that the service reads',
    'Choose a PNG, JPEG, GIF, BMP or WebP file. Phones that take HEIC photos can share them as JPEG.',
  ],
  unreadable: ['This file cannot be read', 'It was changed, moved or deleted, or is a folder: choose the picture again.'],
  'invalid-request': ['The service cannot use this', 'Choose another picture, or save it anew with another program.'],
  'too-large': ['This file is too large', 'Save the picture smaller, and choose it again.'],
  'too-slow': ['The picture did not arrive in time', 'The connection is slow: save the picture smaller, or try again.'],
  'not-found': ['There is no such picture', 'Choose another one in the test set.'],
};

/** Those that end by themselves: the page tries again without being asked. */
const PASSING = new Set(['offline', 'not-ready', 'not-predicted-yet']);
/** Those of which the service knows more than the words here. */
const DETAILED = new Set(['too-large', 'invalid-request']);
/** Those that the same request will meet again. */
const LASTING = new Set([
  'no-test-set',
  'unsupported-media-type',
  'too-large',
  'unreadable',
  'invalid-request',
  'not-found',
]);

/**
 * Run an action; while it fails, say why in `place`, and run it again when that may help.
 * @param {HTMLElement} place what is there already is replaced
 * @param {() => Promise<void>} action
 */
export async function attempt(place, action) {
  try {
    await action();
    place.replaceChildren();
  } catch (error) {
    if (error.name === 'AbortError') return;
    const problem = error instanceof Problem ? error : new Problem('page', String(error));
    if (!(error instanceof Problem)) console.error(error);
    show(place, problem, () => attempt(place, action));
  }
}

function show(place, problem, retry) {
  const shown = place.firstElementChild;
  const isPassing = PASSING.has(problem.kind);
  if (isPassing && shown?.dataset.kind === problem.kind) {
    shown.replaceChildren(...describe(problem, retry)); // a screen reader does not hear the title again
    wait(shown, problem, retry);
    return;
  }
  const notice = h('div', { class: 'notice', 'data-kind': problem.kind }, ...describe(problem, retry));
  place.replaceChildren(notice);
  if (isPassing) wait(notice, problem, retry);
}

function wait(notice, problem, retry) {
  setTimeout(() => notice.isConnected && retry(), 1000 * (problem.retryAfter || SOON_S));
}

function describe(problem, retry) {
  const [title, advice] = WORDS[problem.kind] ?? ['That did not work', ''];
  const words = [h('strong', {}, title), advice && h('span', {}, advice)];
  if (!WORDS[problem.kind] || DETAILED.has(problem.kind))
    words.push(h('small', {}, `The service says: ${problem.message}`));
  const done = problem.kind === 'not-predicted-yet' && problem.message.match(/(\d+) of (\d+)/);
  if (done) words.push(h('progress', { value: done[1], max: done[2], 'aria-label': 'Pictures looked at' }));
  const again = problem.kind === 'unauthorized' ? 'Enter a key' : 'Try again';
  const button = LASTING.has(problem.kind) || done ? null : h('button', { type: 'button', onclick: retry }, again);
  return [h('p', {}, ...words.filter(Boolean)), button].filter(Boolean);
}
