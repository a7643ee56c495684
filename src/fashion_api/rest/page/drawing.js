/** A grid of the model's size to draw on, with a soft brush. */

import { settings } from './answer.js';
import { announce, byId, h } from './dom.js';

const WHITE = 255;
const FADE_PX = 1.1;

let drawings = 0;

/** Brightness 0–255 of each pixel, and what is done to it. */
class Grid {
  constructor(height, width) {
    this.height = height;
    this.width = width;
    this.pixels = new Float32Array(height * width);
    this._kept = [];
  }

  /** Remember the pixels as they are, for `undo`. */
  keep() {
    this._kept.push(this.pixels.slice());
  }

  undo() {
    this.pixels = this._kept.pop() ?? this.pixels;
  }

  clear() {
    this.keep();
    this.pixels.fill(0);
  }

  /** Dab at a point; the brush fades over about a pixel at its rim. */
  dab(x, y, { radius, shade, isErasing }) {
    for (let row = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++) {
        const distance = Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const strength = Math.min(Math.max((radius + FADE_PX / 2 - distance) / FADE_PX, 0), 1);
        const at = row * this.width + column;
        if (isErasing) this.pixels[at] = Math.min(this.pixels[at], WHITE * (1 - strength));
        else if (strength > 0) this.pixels[at] += (shade - this.pixels[at]) * strength;
      }
    }
  }

  /** Draw along a line, from one point to another. */
  stroke([x1, y1], [x2, y2], brush) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x2 - x1, y2 - y1)));
    for (let i = 0; i <= steps; i++) this.dab(x1 + ((x2 - x1) * i) / steps, y1 + ((y2 - y1) * i) / steps, brush);
  }

  show(canvas) {
    const image = new ImageData(this.width, this.height);
    this.pixels.forEach((value, i) => image.data.set([value, value, value, WHITE], 4 * i));
    canvas.getContext('2d').putImageData(image, 0, 0);
  }
}

/**
 * Open the grid, or close it when it is open.
 * @param {HTMLElement} place
 * @param {{height: number, width: number}} [size] the model's
 * @param {(file: File) => void} onUse gets the drawing as a PNG file
 */
export function openDrawing(place, size = { height: 28, width: 28 }, onUse) {
  const isOpen = place.hidden;
  place.hidden = !isOpen;
  byId('draw').setAttribute('aria-expanded', String(isOpen));

  if (!isOpen) {
    byId('draw').focus();
    return;
  }
  if (!place.firstChild) place.append(...build(size, onUse));
  place.querySelector('.board').focus();
}

function build(size, onUse) {
  const grid = new Grid(size.height, size.width);
  const canvas = h('canvas', { class: 'pixels', width: size.width, height: size.height });
  const ring = h('i', { class: 'ring' });
  const board = h(
    'div',
    {
      class: 'board',
      tabindex: 0,
      role: 'application',
      'aria-label': 'Drawing grid',
      'aria-describedby': 'drawing-hint',
    },
    canvas,
    ring,
  );
  board.style.setProperty('--cell', `${100 / size.width}% ${100 / size.height}%`);
  const [brush, controls] = makeBrush();
  const show = () => grid.show(canvas);
  show();
  drawWithPointer(board, grid, brush, show);
  drawWithKeys(board, grid, { brush, ring, show });
  const change = (words, action) =>
    h(
      'button',
      {
        type: 'button',
        onclick: () => {
          action();
          show();
          announce(words);
        },
      },
      words,
    );
  const close = () => {
    grid.clear();
    show();
    byId('draw').click();
  };
  const use = async () => {
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
    onUse(new File([blob], `Drawing ${++drawings}`, { type: 'image/png' }));
    close();
  };
  return [
    board,
    h(
      'div',
      { class: 'drawing-side' },
      h('h2', { id: 'drawing-heading' }, `Draw on ${size.width} × ${size.height} pixels`),
      h(
        'p',
        { id: 'drawing-hint', class: 'hint' },
        `Fill ${settings.words.subject}, light on black. ` +
          'With the keyboard: arrows move the brush, space paints, E erases.',
      ),
      controls,
      h(
        'div',
        { class: 'buttons' },
        change('Undo', () => grid.undo()),
        change('Clear', () => grid.clear()),
        h('button', { type: 'button', class: 'primary', onclick: use }, 'Use this drawing'),
        h('button', { type: 'button', onclick: close }, 'Cancel'),
      ),
    ),
  ];
}

function makeBrush() {
  const brush = { radius: 1.6, shade: 220, isErasing: false };
  const slider = (words, name, [min, max, step]) =>
    h(
      'label',
      {},
      h('span', {}, words),
      h('input', {
        type: 'range',
        min,
        max,
        step,
        value: brush[name],
        oninput: (event) => (brush[name] = Number(event.target.value)),
      }),
    );
  const erase = h('input', { type: 'checkbox', onchange: (event) => (brush.isErasing = event.target.checked) });
  const controls = h(
    'div',
    { class: 'brush' },
    slider('Brush', 'radius', [0.6, 5, 0.2]),
    slider('Shade', 'shade', [40, WHITE, 5]),
    h('label', { class: 'check' }, erase, h('span', {}, 'Erase')),
  );
  return [brush, controls];
}

function drawWithPointer(board, grid, brush, show) {
  let last = null;
  const at = ({ clientX, clientY }) => {
    const area = board.getBoundingClientRect();
    return [((clientX - area.left) / area.width) * grid.width, ((clientY - area.top) / area.height) * grid.height];
  };
  board.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    board.setPointerCapture(event.pointerId);
    grid.keep();
    last = at(event);
    grid.stroke(last, last, brush);
    show();
  });
  board.addEventListener('pointermove', (event) => {
    if (last === null) return;
    for (const point of event.getCoalescedEvents?.() ?? [event]) {
      const next = at(point);
      grid.stroke(last, next, brush);
      last = next;
    }
    show();
  });
  for (const end of ['pointerup', 'pointercancel']) board.addEventListener(end, () => (last = null));
}

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function drawWithKeys(board, grid, { brush, ring, show }) {
  let [x, y] = [grid.width / 2, grid.height / 2];
  const place = () => {
    ring.style.left = `${(100 * x) / grid.width}%`;
    ring.style.top = `${(100 * y) / grid.height}%`;
  };
  place();
  board.addEventListener('keydown', (event) => {
    const move = MOVES[event.key];
    const isErasing = event.key.toLowerCase() === 'e';
    if (move) {
      x = Math.min(Math.max(x + move[0], 0.5), grid.width - 0.5);
      y = Math.min(Math.max(y + move[1], 0.5), grid.height - 0.5);
      place();
    } else if (event.key === ' ' || isErasing) {
      grid.keep();
      grid.dab(x, y, { ...brush, isErasing: brush.isErasing || isErasing });
      show();
    } else return;
    event.preventDefault();
  });
}
