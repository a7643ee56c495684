/** A request as a person would send it from elsewhere, and its answer. */

import { base, hasKey } from './api.js';
import { announce, h, segmented } from './dom.js';

const quoteForShell = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
const JSON_TYPE = 'Content-Type: application/json';

/** The request for curl; a key is taken from the environment, never written out. */
function writeCurl({ path, body }) {
  const parts = [`curl ${quoteForShell(new URL(path, base).href)}`];
  if (hasKey()) parts.push('-H "X-API-Key: $FASHION_API_KEY"');
  if (body) parts.push(`-H ${quoteForShell(JSON_TYPE)}`, `-d ${quoteForShell(JSON.stringify(body))}`);
  return parts.join(' \\\n  ');
}

/** The request for Python 3, with nothing to install. */
function writePython({ path, body }) {
  const headers = [];
  if (hasKey()) headers.push('"X-API-Key": os.environ["FASHION_API_KEY"]');
  if (body) headers.push('"Content-Type": "application/json"');
  const request = [`    ${JSON.stringify(new URL(path, base).href)},`];
  if (body) request.push(`    data=json.dumps(${JSON.stringify(body)}).encode(),`);
  if (headers.length) request.push(`    headers={${headers.join(', ')}},`);
  return [
    'import json',
    ...(hasKey() ? ['import os'] : []),
    'from urllib.request import Request, urlopen',
    '',
    'request = Request(',
    ...request,
    ')',
    'with urlopen(request) as response:',
    '    print(json.load(response))',
  ].join('\n');
}

/** The request for JavaScript: a browser's console, or a module in Node.js. */
function writeJavaScript({ path, body }) {
  const headers = [];
  if (hasKey()) headers.push("'X-API-Key': process.env.FASHION_API_KEY");
  if (body) headers.push("'Content-Type': 'application/json'");
  const options = [];
  if (body) options.push("  method: 'POST',");
  if (headers.length) options.push(`  headers: { ${headers.join(', ')} },`);
  if (body) options.push(`  body: JSON.stringify(${JSON.stringify(body)}),`);
  return [
    `const response = await fetch(${JSON.stringify(new URL(path, base).href)}${options.length ? ', {' : ');'}`,
    ...options,
    ...(options.length ? ['});'] : []),
    'console.log(await response.json());',
  ].join('\n');
}

/**
 * Show a request and its answer, to be copied.
 * @param {{path: string, body?: object}} request with a body it is a POST
 * @param {object} response
 */
export function makeTakeaway(request, response) {
  const texts = {
    curl: ['curl', () => writeCurl(request)],
    python: ['Python', () => writePython(request)],
    javascript: ['JavaScript', () => writeJavaScript(request)],
    json: ['The answer', () => JSON.stringify(response, null, 2)],
  };
  const shown = h('pre', { tabindex: 0, role: 'region', 'aria-label': 'To copy' });
  const select = (name) => (shown.textContent = texts[name][1]());
  select('curl');
  const copyButton = h('button', { type: 'button', onclick: () => copy(shown.textContent, copyButton) }, 'Copy');
  const options = Object.entries(texts).map(([name, [words]]) => [name, words]);
  return h(
    'details',
    { class: 'takeaway' },
    h('summary', {}, 'Take it away'),
    h('div', { class: 'takeaway-bar' }, segmented('As', options, 'curl', select), copyButton),
    shown,
  );
}

/** Copy a text, and have the button say so. */
export async function copy(text, button) {
  button.dataset.words ??= button.textContent; // pressed again, it says something else
  button.textContent = (await write(text)) ? 'Copied' : 'Not copied: select it, and press Ctrl C';
  announce(button.textContent);
  setTimeout(() => (button.textContent = button.dataset.words), 2000);
}

/** Browsers give the clipboard to pages of HTTPS and of this machine only; for others there is an older way. */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'unseen' });
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand('copy');
    area.remove();
    return isCopied;
  }
}
