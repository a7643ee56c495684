/** The crop of a picture: a box to drag on it, and the same in numbers for the keyboard. */

import { h } from './dom.js';

export const WHOLE = [0, 0, 1, 1];
const LEAST = 0.02;
const NAMES = ['Left', 'Top', 'Right', 'Bottom'];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Say whether nothing is cropped. */
export const isWhole = (box) => box.every((value, i) => value === WHOLE[i]);

/** Turn a box by 90° clockwise, with the picture. */
export const turnBox = ([x, y, width, height]) => [1 - y - height, x, height, width];

/**
 * Put a crop box onto a picture.
 * @param {HTMLElement} frame holds the picture, and has its size
 * @param {(box: number[]) => void} onChange gets x, y, width and height, as parts of the picture
 * @returns {{numbers: HTMLElement, set: (box: number[]) => void}} the controls for the keyboard, and a way to set it
 */
export function makeCrop(frame, onChange) {
  let box = WHOLE;
  const handles = ['nw', 'ne', 'sw', 'se'].map((corner) => h('i', { 'data-corner': corner }));
  const shown = h('div', { class: 'crop', 'aria-hidden': 'true' }, ...handles);
  frame.append(shown);

  const [numbers, showNumbers] = makeNumbers(() => box, change);

  function set(next) {
    box = next;
    ['left', 'top', 'width', 'height'].forEach((side, i) => (shown.style[side] = `${100 * box[i]}%`));
    shown.classList.toggle('whole', isWhole(box));
    showNumbers();
  }

  function change(next) {
    set(next);
    onChange(box);
  }

  frame.addEventListener('pointerdown', (event) => startDrag(frame, event, box, change));
  set(WHOLE);
  return { numbers, set };
}

/** Four sliders, one for each edge. */
function makeNumbers(getBox, change) {
  const inputs = ['left', 'top', 'right', 'bottom'].map((edge) =>
    h('input', {
      type: 'range',
      min: 0,
      max: 100,
      oninput: (event) => change(moveEdge(getBox(), edge, Number(event.target.value) / 100)),
    }),
  );
  const rows = inputs.map((input, i) => h('label', {}, h('span', {}, NAMES[i]), input));
  const details = h('details', { class: 'crop-numbers' }, h('summary', {}, 'Crop by its edges'), ...rows);
  const show = () => {
    const [x, y, width, height] = getBox();
    [x, y, x + width, y + height].forEach((edge, i) => (inputs[i].value = Math.round(100 * edge)));
  };
  return [details, show];
}

function moveEdge([x, y, width, height], edge, to) {
  const [right, bottom] = [x + width, y + height];
  if (edge === 'left') return [Math.min(to, right - LEAST), y, right - Math.min(to, right - LEAST), height];
  if (edge === 'top') return [x, Math.min(to, bottom - LEAST), width, bottom - Math.min(to, bottom - LEAST)];
  if (edge === 'right') return [x, y, Math.max(to - x, LEAST), height];
  return [x, y, width, Math.max(to - y, LEAST)];
}

/** Follow the pointer: a corner moves alone, the inside moves the box, and outside of it a new one begins. */
function startDrag(frame, event, box, change) {
  const corner = event.target.dataset.corner;
  const isInside = event.target.classList.contains('crop') && !event.target.classList.contains('whole');
  if (event.button !== 0 || (event.pointerType !== 'mouse' && !corner && !isInside)) return; // a finger scrolls there
  event.preventDefault();
  frame.setPointerCapture(event.pointerId);
  const area = frame.getBoundingClientRect();
  const at = ({ clientX, clientY }) => [
    clamp((clientX - area.left) / area.width, 0, 1),
    clamp((clientY - area.top) / area.height, 0, 1),
  ];
  const start = at(event);
  const follow = (move) => {
    const [x, y] = at(move);
    if (corner) change(spanBox([x, y], findOpposite(box, corner)));
    else if (isInside) change(shiftBox(box, x - start[0], y - start[1]));
    else if (Math.hypot(x - start[0], y - start[1]) > LEAST) change(spanBox([x, y], start));
  };
  const stop = () => {
    frame.removeEventListener('pointermove', follow);
    frame.removeEventListener('pointerup', stop);
    frame.removeEventListener('pointercancel', stop);
  };
  frame.addEventListener('pointermove', follow);
  frame.addEventListener('pointerup', stop);
  frame.addEventListener('pointercancel', stop);
}

const findOpposite = ([x, y, width, height], corner) => [
  corner.endsWith('w') ? x + width : x,
  corner.startsWith('n') ? y + height : y,
];

function spanBox([x1, y1], [x2, y2]) {
  const width = Math.max(Math.abs(x1 - x2), LEAST);
  const height = Math.max(Math.abs(y1 - y2), LEAST);
  return [Math.min(x1, x2, 1 - width), Math.min(y1, y2, 1 - height), width, height];
}

const shiftBox = ([x, y, width, height], right, down) => [
  clamp(x + right, 0, 1 - width),
  clamp(y + down, 0, 1 - height),
  width,
  height,
];
