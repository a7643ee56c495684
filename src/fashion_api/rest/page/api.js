/** Requests to the service, and what goes wrong with them. */

import { byId } from './dom.js';

/** Where the page is served: the service's address, with its path prefix. */
export const base = new URL('.', location.href);

const STORED = 'fashion-api-key';

/** Why a request has no answer; `kind` is the service's name for it, `offline` or `unreadable`. */
export class Problem extends Error {
  constructor(kind, detail, { retryAfter = 0 } = {}) {
    super(detail);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** Whether requests are sent with a key. */
export const hasKey = () => sessionStorage.getItem(STORED) !== null;

/**
 * Ask the service; where it needs a key, ask the person for one and try again.
 * @param {string} path relative to the page
 * @param {RequestInit} [options] fetch's own
 * @throws {Problem}
 */
export async function ask(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(STORED);
    const response = await send(path, options, key);
    if (response.ok) return response;
    const problem = await readProblem(response);
    if (problem.kind !== 'unauthorized') throw problem;
    if (key === sessionStorage.getItem(STORED)) await askForKey(key !== null);
  }
}

/** Ask for JSON. */
export const getJson = async (path, options) => (await ask(path, options)).json();

/** Send JSON, and get JSON. */
export const postJson = (path, body, options = {}) =>
  getJson(path, {
    ...options,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });

async function send(path, options, key) {
  const headers = new Headers(options.headers);
  if (key !== null) headers.set('X-API-Key', key);
  try {
    return await fetch(new URL(path, base), { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (options.body instanceof Blob && !(await isReadable(options.body)))
      throw new Problem('unreadable', 'The browser cannot read the file.');
    throw new Problem('offline', 'The service does not answer.');
  }
}

/** Whether a file is still there as it was chosen; a folder never is. */
const isReadable = (file) => {
  const first = file.slice(0, 1).arrayBuffer();
  return first.then(
    () => true,
    () => false,
  );
};

async function readProblem(response) {
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  try {
    const { type, detail } = await response.json();
    return new Problem(type.split('#').pop(), detail, { retryAfter });
  } catch {
    // A proxy in between has answered, not the service.
    const kind = [502, 503, 504].includes(response.status) ? 'offline' : `status ${response.status}`;
    return new Problem(kind, `Status ${response.status}.`, { retryAfter });
  }
}

let asking = null;

/** Ask the person for a key; requests that need one at the same time share the question. */
function askForKey(wasRefused) {
  asking ??= showKeyForm(wasRefused).finally(() => (asking = null));
  return asking;
}

function showKeyForm(wasRefused) {
  const dialog = byId('key');
  const input = byId('key-input');
  byId('key-refused').textContent = wasRefused ? 'The service does not know that key.' : '';
  input.value = '';
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.querySelector('form').onsubmit = () => {
      sessionStorage.setItem(STORED, input.value.trim());
      resolve();
    };
    byId('key-cancel').onclick = () => dialog.close();
    dialog.onclose = () => reject(new Problem('unauthorized', 'The service asks for a key.')); // after a submit, nothing
  });
}
