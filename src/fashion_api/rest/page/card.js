/** One picture of the person's: as it is, as the model gets it, and the answer. */

import { cardHasCome, settings } from './answer.js';
import { ask } from './api.js';
import { announce, h, segmented, takeFocus } from './dom.js';
import { isWhole, makeCrop, turnBox, WHOLE } from './crop.js';
import { attempt } from './notices.js';
import { drawTurned, pngAddress, readPicture, shrinkPicture } from './pictures.js';

const PAUSE_MS = 120;
const WIDE = '(min-width: 40rem)'; // as in the style: the columns are beside each other
const SMALL_PX = 100; // its pixels are shown
const ROUNDING = 0.01;

const INVERT = [
  ['auto', 'Auto'],
  ['true', 'Invert'],
  ['false', 'Keep'],
];
const FIT = [
  ['contain', 'Whole'],
  ['cover', 'Fill'],
  ['stretch', 'Stretch'],
];
const FIT_WORDS = {
  contain: () => 'fitted whole, with black beside it',
  cover: (shape) => `made to fill the ${shape}`,
  stretch: (shape) => `stretched to the ${shape}`,
};

const WHY_INVERTED = '(the edges looked lighter than the middle; press Keep if that is wrong)';

/** Rounded to the nearest, a crop could reach beyond the picture. */
const roundDown = (part) => Math.max(0, Math.floor(part * 1e6) / 1e6);

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
    /** Settled once the picture has been prepared for the first time, or cannot be. */
    this.prepared = this._start();
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
    this._notices = h('div', { class: 'notices', role: 'status' });
    this.askNotices = h('div', { class: 'notices', role: 'status' });
    this._answer = h('div');
    this._heading = h('h3', { tabindex: -1 }, 'Its answer');
    this._answered = h('section', { class: 'answered' }, this._heading, this.askNotices, this._answer);
    this._stages = h(
      'div',
      { class: 'stages' },
      h('section', { class: 'original' }, h('h3', {}, 'Your picture'), this._frame, ...this._makeControls()),
      h(
        'section',
        { class: 'given' },
        h('h3', {}, 'What the model gets'),
        h('div', { class: 'well' }, this._preview),
        this._words,
        this._askButton,
      ),
      this._answered,
    );
    this.element = h(
      'article',
      { class: 'picture', 'aria-labelledby': id },
      h(
        'header',
        {},
        h('h2', { id, tabindex: -1 }, this.name),
        h(
          'button',
          { type: 'button', class: 'plain', 'aria-label': `Remove ${this.name}`, onclick: () => this.remove() },
          'Remove',
        ),
      ),
      this._notices,
      this._stages,
    );
    this.clearAnswer();
  }

  _makeControls() {
    this._turnButton = h('button', { type: 'button', onclick: () => this._turn() }, 'Turn right');
    this._uncropButton = h('button', { type: 'button', onclick: () => this._uncrop(), disabled: true }, 'Uncrop');
    return [
      h(
        'p',
        { class: 'hint' },
        h('span', { class: 'with-a-mouse' }, 'Drag on the picture to crop it.'),
        h('span', { class: 'with-a-finger' }, 'Drag a corner of the picture to crop it.'),
      ),
      h(
        'details',
        { class: 'adjust', open: matchMedia(WIDE).matches },
        h('summary', {}, 'Adjust'),
        h(
          'div',
          { class: 'controls' },
          h('div', { class: 'buttons' }, this._turnButton, this._uncropButton),
          h(
            'div',
            { class: 'for-grey' },
            segmented('Light and dark', INVERT, this._options.invert, (invert) => this._set({ invert })),
          ),
          segmented('Fit', FIT, this._options.fit, (fit) => this._set({ fit })),
          this._crop.numbers,
        ),
      ),
    ];
  }

  async _start() {
    this._bitmap = await readPicture(this._file);
    if (this._bitmap) drawTurned(this._canvas, this._bitmap, 0);
    this._canvas.classList.toggle('pixels', this._bitmap?.width < SMALL_PX);
    this._frame.classList.toggle('blank', !this._bitmap);
    await this._prepare();
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
    this._turnButton.focus(); // as there is nothing left to uncrop
  }

  _set(changes) {
    Object.assign(this._options, changes);
    this._uncropButton.disabled = isWhole(this._options.crop);
    this.image = null;
    this._askButton.disabled = true;
    this.clearAnswer();
    this._aborter?.abort();
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._prepare(), PAUSE_MS);
  }

  /** Have the service prepare the picture, and show what it made of it. */
  _prepare() {
    this._aborter?.abort();
    this._aborter = new AbortController();
    const { signal } = this._aborter;
    return attempt(this._notices, async () => {
      await cardHasCome;
      signal.throwIfAborted(); // the notices are those of the preparation that has taken its place
      const prepared = await this._requestPreparation(signal);
      this._preview.src = pngAddress(prepared.image);
      await this._preview.decode().catch(() => {}); // another one has come
      signal.throwIfAborted();
      this.image = prepared.image;
      this._words.textContent = this._describe(prepared);
      this._stages.hidden = false;
      this._askButton.disabled = false;
      this._onChange();
    }).then(() => (this._stages.hidden = this.image === null && !this._bitmap));
  }

  async _requestPreparation(signal) {
    const { crop, ...options } = this._options;
    const query = new URLSearchParams({ ...options, crop: crop.map(roundDown).join() });
    const send = () =>
      ask(`api/v1/preparations?${query}`, {
        method: 'POST',
        body: this._file,
        signal,
        headers: { 'Content-Type': 'application/octet-stream' },
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
    if (steps.crop.some((part, i) => Math.abs(part - WHOLE[i]) > ROUNDING)) done.push('cropped');
    if (steps.inverted) done.push(this._options.invert === 'auto' ? `inverted ${WHY_INVERTED}` : 'inverted');
    const { naturalWidth: width, naturalHeight: height } = this._preview;
    const aspect = (source.width * steps.crop[2] * height) / (source.height * steps.crop[3] * width);
    const shape = width === height ? 'square' : 'rectangle';
    const isFilled = Math.abs(aspect - 1) * Math.max(width, height) < 1; // to less than a pixel
    if (!isFilled || steps.fit === 'stretch') done.push(FIT_WORDS[steps.fit](shape));
    const size = `${width} × ${height} pixels, ${settings.isGrey ? 'grey' : 'in colour'}`;
    return `${size}: ${done.length ? done.join(', ') : 'nothing else was changed'}.`;
  }

  /** Take the answer away, as it is for another picture than the one that is shown now. */
  clearAnswer() {
    this.isAnswered = false;
    this._answer.replaceChildren(h('p', { class: 'waiting' }, 'Not asked yet.'));
    this.askNotices.replaceChildren();
    this._askButton.hidden = false;
    this._onChange();
  }

  /** Show an answer. */
  showAnswer(element) {
    this.isAnswered = true;
    this._answer.replaceChildren(element);
    this._askButton.hidden = true;
    this._onChange();
  }

  /** Show that the model is being asked; an earlier answer, as for another coverage, stays until there is a new one. */
  showAsking(isAsking) {
    if (this.image !== null) this._askButton.disabled = isAsking;
    if (!isAsking) takeFocus(this._askButton); // it had it before it was disabled
    if (!this.isAnswered) this._answer.firstChild.textContent = isAsking ? 'Asking …' : 'No answer yet.';
  }

  /** Scroll to the picture, if there is more of it, down to the button, than can be seen. */
  showWhole() {
    if (this._askButton.getBoundingClientRect().bottom > innerHeight) this.element.scrollIntoView();
  }

  /** Lead to the answer: by keyboard, and if it is far down, as it is on small screens, by scrolling. */
  reveal() {
    takeFocus(this._heading);
    if (this._answered.getBoundingClientRect().top > innerHeight / 2) this._answered.scrollIntoView();
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
