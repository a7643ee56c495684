/** The confusion matrix of the test set; each cell leads to its pictures. */

import { getJson } from './api.js';
import { byId, count, h } from './dom.js';
import { attempt } from './notices.js';

/**
 * Show the matrix.
 * @param {AbortSignal} signal ends it when another view is shown
 */
export function showConfusion(signal) {
  return attempt(byId('confusion-notices'), async () => {
    const found = await getJson('api/v1/confusion-matrix', { signal });
    byId('confusion-matrix').replaceChildren(makeSummary(found), makeTable(found));
  });
}

function makeSummary({ matrix, labels, refused, total }) {
  const right = matrix.reduce((sum, row, i) => sum + row[i], 0);
  const all = refused?.reduce((sum, number) => sum + number, 0);
  const [actual, predicted, most] = matrix
    .flatMap((row, i) => row.map((number, j) => [i, j, i === j ? -1 : number]))
    .reduce((a, b) => (b[2] > a[2] ? b : a));
  return h(
    'p',
    { class: 'summary' },
    h('b', {}, `${((100 * right) / total).toFixed(2)} % right`),
    ` of ${count(total)}. `,
    ...(most > 0
      ? [
          'Most often mistaken: ',
          h(
            'a',
            { href: lead({ label: labels[actual], predicted: labels[predicted] }) },
            `${labels[actual]} for ${labels[predicted]}, ${most === 1 ? 'once' : `${count(most)} times`}`,
          ),
          '. ',
        ]
      : []),
    ...(refused ? [h('a', { href: lead({ accepted: 'false' }) }, `${count(all)} ${all === 1 ? 'is' : 'are'} refused`), '.'] : []),
  );
}

const lead = (filters) => `#browse?${new URLSearchParams(filters)}`;

function makeTable({ matrix, labels, refused }) {
  const most = Math.max(...matrix.flatMap((row, i) => row.filter((_, j) => j !== i)), 1);
  const head = h(
    'tr',
    {},
    h('td', {}),
    ...(refused ? [...labels, 'Refused'] : labels).map((label) => h('th', { scope: 'col' }, h('span', {}, label))),
  );
  const rows = matrix.map((row, i) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, labels[i]),
      ...row.map((number, j) => {
        const shade = i === j ? 'right' : Math.log1p(number) / Math.log1p(most);
        return makeCell(number, { label: labels[i], predicted: labels[j] }, shade);
      }),
      ...(refused ? [makeCell(refused[i], { label: labels[i], accepted: 'false' }, 'refused')] : []),
    ),
  );
  return h(
    'div',
    { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Confusion matrix' },
    h('table', { class: 'matrix' }, h('thead', {}, head), h('tbody', {}, ...rows)),
  );
}

/** A number that leads to its pictures; errors are coloured on a logarithmic scale, so that the rare ones show. */
function makeCell(number, filters, shade) {
  if (!number) return h('td', {}, h('span', { class: 'none' }, '·'));
  const words = filters.predicted ? `${filters.label} seen as ${filters.predicted}` : `${filters.label}, refused`;
  const cell = h(
    'td',
    { class: typeof shade === 'string' ? shade : 'wrong' },
    h('a', { href: lead(filters), 'aria-label': `${words}: ${number}` }, String(number)),
  );
  if (typeof shade === 'number') cell.style.setProperty('--shade', shade.toFixed(3));
  return cell;
}
