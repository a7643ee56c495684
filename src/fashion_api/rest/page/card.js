/** One picture of the person's: as it is, as the model gets it, and the answer. */

import { ask } from './api.js';
import { announce, h, segmented } from './dom.js';
import { makeCrop, turnBox, WHOLE } from './crop.js';
import { attempt } from './notices.js';
import { drawTurned, pngAddress, readPicture, shrinkPicture } from './pictures.js';

const PAUSE_MS = 120;
const SMALL_PX = 100; // its pixels are shown

const INVERT = [['auto', 'Auto'], ['true', 'Invert'], ['false', 'Keep']];
const FIT = [['contain', 'Whole'], ['cover', 'Fill'], ['stretch', 'Stretch']];
const FIT_WORDS = {
  contain: 'fitted whole, with black beside it',
  cover: 'made to fill the square',
  stretch: 'stretched to the square',
};

export class Card {
  /**
   * @param {File} file
   * @param {{onAsk: (card: Card) => void, onChange: () => void, invert?: string}} options `onChange` is called when
   *   the card is prepared, answered or removed
   */
  constructor(file, { onAsk, onChange, invert = 'auto' }) {
    this.name = file.name || 'Pasted picture';
    this.image = null; // base64, as the model gets it
    this.isAnswered = false;
    this._file = file;
    this._onChange = onChange;
    this._options = { turn: 0, crop: WHOLE, invert, fit: 'contain' };
    this._isSmaller = false;
    this._bitmap = null;
    this._build(onAsk);
    this._start();
  }

  _build(onAsk) {
    const id = `picture-${Math.random().toString(36).slice(2)}`;
    this._canvas = h('canvas', { role: 'img', 'aria-label': `${this.name}, as it is` });
    this._frame = h('div', { class: 'frame' }, this._canvas);
    this._crop = makeCrop(this._frame, (box) => this._set({ crop: box }));
    this._preview = h('img', { class: 'pixels', alt: `${this.name}, as the model gets it` });
    this._words = h('p', { class: 'steps' });
    this._askButton = h('button', { type: 'button', class: 'primary', onclick: () => onAsk(this) }, 'Ask the model');
    this._askButton.disabled = true;
    this.notices = h('div', { class: 'notices', role: 'status' });
    this.answer = h('div', { class: 'answer-place' });
    this.element = h('article', { class: 'picture', 'aria-labelledby': id },
      h('header', {},
        h('h2', { id, tabindex: -1 }, this.name),
        h('button', { type: 'button', class: 'plain', 'aria-label': `Remove ${this.name}`, onclick: () => this.remove() },
          'Remove')),
      this.notices,
      this._stages = h('div', { class: 'stages' },
        h('section', { class: 'original' }, h('h3', {}, 'Your picture'), this._frame, this._makeControls()),
        h('section', { class: 'given' }, h('h3', {}, 'What the model gets'),
          h('div', { class: 'well' }, this._preview), this._words, this._askButton),
        h('section', { class: 'answered' }, h('h3', {}, 'Its answer'), this.answer)));
    this.clearAnswer();
  }

  _makeControls() {
    return h('div', { class: 'controls' },
      h('div', { class: 'buttons' },
        h('button', { type: 'button', onclick: () => this._turn() }, 'Turn right'),
        h('button', { type: 'button', onclick: () => this._uncrop() }, 'Uncrop')),
      segmented('Light and dark', INVERT, this._options.invert, (invert) => this._set({ invert })),
      segmented('Fit', FIT, this._options.fit, (fit) => this._set({ fit })),
      this._crop.numbers,
      h('p', { class: 'hint' }, 'Drag on the picture to crop it.'));
  }

  async _start() {
    this._bitmap = await readPicture(this._file);
    if (this._bitmap) drawTurned(this._canvas, this._bitmap, 0);
    this._canvas.classList.toggle('pixels', this._bitmap?.width < SMALL_PX);
    this._frame.classList.toggle('blank', !this._bitmap);
    this._prepare();
  }

  _turn() {
    const turn = (this._options.turn + 90) % 360;
    if (this._bitmap) drawTurned(this._canvas, this._bitmap, turn);
    const crop = this._options.crop === WHOLE ? WHOLE : turnBox(this._options.crop);
    this._crop.set(crop);
    this._set({ turn, crop });
  }

  _uncrop() {
    this._crop.set(WHOLE);
    this._set({ crop: WHOLE });
  }

  _set(changes) {
    Object.assign(this._options, changes);
    this.image = null;
    this._askButton.disabled = true;
    this.clearAnswer();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._prepare(), PAUSE_MS);
  }

  /** Have the service prepare the picture, and show what it made of it. */
  _prepare() {
    this._aborter?.abort();
    this._aborter = new AbortController();
    const { signal } = this._aborter;
    return attempt(this.notices, async () => {
      const prepared = await this._requestPreparation(signal);
      this.image = prepared.image;
      this._preview.src = pngAddress(prepared.image);
      this._words.textContent = this._describe(prepared);
      this._stages.hidden = false;
      this._askButton.disabled = false;
      this._onChange();
    }).then(() => (this._stages.hidden = this.image === null && !this._bitmap));
  }

  async _requestPreparation(signal) {
    const { crop, ...options } = this._options;
    const query = new URLSearchParams({ ...options, crop: crop.map((part) => part.toFixed(4)).join() });
    const send = () =>
      ask(`api/v1/preparations?${query}`, {
        method: 'POST', body: this._file, signal, headers: { 'Content-Type': 'application/octet-stream' },
      });
    try {
      return await (await send()).json();
    } catch (problem) {
      const smaller = problem.kind === 'too-large' && !this._isSmaller ? await shrinkPicture(this._file) : null;
      if (smaller === null) throw problem;
      this._file = smaller;
      this._isSmaller = true;
      return (await send()).json();
    }
  }

  _describe({ steps, source }) {
    const done = [];
    if (this._isSmaller) done.push('made smaller to send it');
    if (steps.upright) done.push('set upright');
    if (steps.turn) done.push(`turned by ${steps.turn}°`);
    if (steps.crop.some((part, i) => Math.abs(part - WHOLE[i]) > 1e-3)) done.push('cropped');
    if (steps.inverted) done.push('inverted, so that the article is light on black');
    if (source.width !== source.height || steps.fit !== 'contain') done.push(FIT_WORDS[steps.fit]);
    const size = `${this._preview.naturalWidth || 28} × ${this._preview.naturalHeight || 28} pixels, grey`;
    return `${size}: ${done.length ? done.join(', ') : 'nothing else was changed'}.`;
  }

  /** Take the answer away, as it is for another picture than the one that is shown now. */
  clearAnswer() {
    this.isAnswered = false;
    this.answer.replaceChildren(h('p', { class: 'waiting' }, 'Not asked yet.'));
    this._askButton.hidden = false;
    this._onChange();
  }

  /** Show an answer. */
  showAnswer(element) {
    this.isAnswered = true;
    this.answer.replaceChildren(element);
    this._askButton.hidden = true;
    this._onChange();
  }

  /** Whether there is something to ask about. */
  get isReady() {
    return this.image !== null && !this.isAnswered;
  }

  remove() {
    this._aborter?.abort();
    clearTimeout(this._timer);
    this._bitmap?.close();
    this.element.remove();
    announce(`${this.name} was removed.`);
    this._onChange(this);
  }
}
