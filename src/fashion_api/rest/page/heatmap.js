/** What mattered in a picture, as colours over it. */

import { h } from './dom.js';

const FOR = [255, 122, 26];
const AGAINST = [64, 156, 255];
const WHITE = 255;
const FAINTEST = 0.05;

/**
 * Draw a heat map over its picture.
 * @param {number[][]} heat rows of columns, −1 to 1
 * @param {string} picture the address of the picture, of the same size
 * @returns {Promise<[HTMLElement, string]>} the drawing, and what it shows in words
 */
export async function drawHeatMap(heat, picture) {
  const [height, width] = [heat.length, heat[0].length];
  const canvas = h('canvas', { class: 'pixels', role: 'img', width, height });
  const context = canvas.getContext('2d');
  const image = new Image();
  image.src = picture;
  await image.decode();
  context.drawImage(image, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height);
  const most = Math.max(...heat.flat().map(Math.abs), FAINTEST);
  heat.flat().forEach((value, i) => {
    const strength = Math.abs(value) / most;
    const colour = value > 0 ? FOR : AGAINST;
    for (let channel = 0; channel < 3; channel++) {
      const grey = pixels.data[4 * i + channel] * 0.6;
      pixels.data[4 * i + channel] = grey + (colour[channel] - grey) * strength * 0.85;
    }
    pixels.data[4 * i + 3] = WHITE;
  });
  context.putImageData(pixels, 0, 0);
  const words = describe(heat);
  canvas.setAttribute('aria-label', `Heat map: ${words}`);
  return [h('div', { class: 'well' }, canvas), words];
}

/** Say in which part of the picture most of what mattered lies. */
function describe(heat) {
  let [sum, sumX, sumY] = [0, 0, 0];
  heat.forEach((row, y) =>
    row.forEach((value, x) => {
      const weight = Math.max(value, 0);
      sum += weight;
      sumX += weight * ((x + 0.5) / row.length);
      sumY += weight * ((y + 0.5) / heat.length);
    }),
  );
  if (Math.max(...heat.flat()) < FAINTEST) return 'no part alone; with any one covered, the label stays.';
  const third = (part, names) => names[part < 0.4 ? 0 : part > 0.6 ? 2 : 1];
  const down = third(sumY / sum, ['upper', 'middle', 'lower']);
  const across = third(sumX / sum, ['left', 'middle', 'right']);
  const where = down === across ? 'middle' : [down, across].filter((word) => word !== 'middle').join(' ');
  return `most of it is in the ${where || 'middle'} part.`;
}
