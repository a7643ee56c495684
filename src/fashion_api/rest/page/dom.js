/** Building blocks of the page's document. */

/**
 * Make an element; `on…` attributes are listeners, `null` and `false` leave an attribute out.
 * @param {string} tag
 * @param {Object<string, unknown>} [attributes]
 * @param {...(Node|string|null)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Give the element with an id. */
export const byId = (id) => document.getElementById(id);

/** Have a screen reader say something. */
export function announce(words) {
  byId('announcer').textContent = words;
}

/** Give an element the focus, where what had it is gone: the keyboard would begin anew at the top of the page. */
export function takeFocus(element) {
  const { activeElement: active, body } = document;
  if (active === body || !active.checkVisibility()) element.focus({ preventScroll: true });
}

let groups = 0;

/**
 * Make a group of radio buttons that looks like one control.
 * @param {string} legend its name
 * @param {Array<[string, string]>} options value and words of each
 * @param {string} value the one that is chosen
 * @param {(value: string) => void} onChange
 */
export function segmented(legend, options, value, onChange) {
  const name = `group-${++groups}`;
  const labels = options.map(([option, words]) => {
    const input = h('input', { type: 'radio', name, value: option, onchange: () => onChange(option) });
    input.checked = option === value;
    return h('label', {}, input, h('span', {}, words));
  });
  return h('fieldset', { class: 'segmented' }, h('legend', {}, legend), h('div', {}, ...labels));
}

/** Write a probability as a person reads it. */
export function percent(probability) {
  if (probability > 0.999 && probability < 1) return 'over 99.9\u00a0%';
  if (probability > 0 && probability < 0.001) return 'under 0.1\u00a0%';
  return `${(100 * probability).toFixed(1)}\u00a0%`;
}

/** Write a whole number with its thousands apart. */
export const count = (number) => number.toLocaleString('en');

/** Put words in a row: one, two or three. */
export const list = (words, joint) => new Intl.ListFormat('en', { type: joint }).format(words);
