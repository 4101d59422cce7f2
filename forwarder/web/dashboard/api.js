// The hub's HTTP API, and this page's right to use it. A page that is open on the hub's own machine
// asks for a token of its own; elsewhere the person brings one, kept until the tab is closed.

import { heard, t } from './words.js';

const KEPT = 'forwarder-token';
// Where the remote page finds the token of a guest.
const GUESTS = 'forwarder-guest';
const UNAUTHORISED = 401;
// Names that no network gives a meaning to: under any other the hub gives out no token.
export const atHome = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(location.hostname);

// This page's own token, in memory only: nothing else of this origin can read it.
let own = '';
let asking = null;

export class Refused extends Error {
  // `home`: where else this page should be.
  constructor(status, words, home = null) {
    super(words);
    this.status = status;
    this.home = home;
  }
}

export const token = () => own || sessionStorage.getItem(KEPT) || '';
export const keepToken = value => sessionStorage.setItem(KEPT, value);

// Forget the token in use. Returns whether it was this page's own.
export function forgetToken() {
  const was = own !== '';
  if (!was) sessionStorage.removeItem(KEPT);
  own = '';
  return was;
}

// The dashboard is its owner's. A guest, who came with a token for apps, has the remote page.
export function toRemote() {
  if (!signedInAsGuest()) sessionStorage.setItem(GUESTS, token());
  forgetToken();
  location.replace('remote/');
}

export const signedInAsGuest = () => sessionStorage.getItem(GUESTS) !== null;

// Get this page a token of its own, unless it has one or cannot have one. Resolves to the hub's
// words if it says no, else to ''; a hub that cannot be reached shows when it is used.
export function enter() {
  if (!atHome || token()) return Promise.resolve('');
  asking ??= alone()
    .then(yes => { if (!yes) throw new Refused(UNAUTHORISED, t('overheard')); })
    .then(() => send('POST', '/page', undefined, {}, ''))
    .then(made => { own = made.token; return ''; }, error => (error.home ? goHome(error.home) : error.status ? error.message : ''))
    .finally(() => { asking = null; });
  return asking;
}

const ALONE_MS = 1000;
const AGAIN = 'forwarder-alone';

// Whether nobody stands between this page and the hub. A service worker that another program left at
// this address would read the token: it is removed, and the page loaded again without it, once.
function alone() {
  const workers = navigator.serviceWorker;
  if (!workers) return Promise.resolve(true);
  const late = new Promise(done => setTimeout(done, ALONE_MS, false));
  return Promise.race([late, removed(workers)]);
}

async function removed(workers) {
  for (const each of await workers.getRegistrations()) await each.unregister();
  if (!workers.controller) {
    sessionStorage.removeItem(AGAIN);
    return true;
  }
  if (!sessionStorage.getItem(AGAIN)) {
    sessionStorage.setItem(AGAIN, 'yes');
    location.reload();
  }
  return false;
}

const HOME_MS = 1000;

// The hub has an address of its own, at which no other program was before. Go there, if it is this
// machine's hub: at the end of a tunnel only its other name leads to it. Resolves to words for people
// if it stays.
async function goHome(home) {
  try {
    const there = await fetch(`${home}api/v1/here`, { cache: 'no-store', signal: AbortSignal.timeout(HOME_MS) });
    if (there.ok) {
      location.replace(home + location.pathname.slice(1) + location.search + location.hash);
      return await new Promise(() => {});
    }
  } catch { /* not here */ }
  return t('home.unreachable', { home });
}

// Call the API; resolves to the decoded answer, or null. Throws Refused with words for people.
export async function call(method, path, body, more = {}) {
  const used = token();
  try {
    return await send(method, path, body, more, used);
  } catch (error) {
    // The hub may have been started again: a Stop must not fail for that.
    if (error.status !== UNAUTHORISED || used === '' || used !== own) throw error;
    own = '';
    await enter();
    return send(method, path, body, more, token());
  }
}

// The hub answers a stop within 2 seconds, however slow the radios are. Whoever waits longer for it
// should be switching the toy off.
const STOP_MS = 2000;

// Stop something, also while the page is being closed.
export const callStop = (path, body) =>
  call('POST', path, body, { keepalive: true, signal: AbortSignal.timeout(STOP_MS) });

async function send(method, path, body, more, as) {
  let answer;
  try {
    answer = await fetch(`api/v1${path}`, {
      method,
      headers: {
        ...(as ? { Authorization: `Bearer ${as}` } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
      ...more,
    });
  } catch {
    throw new Refused(0, t('hub.unreachable'));
  }
  const data = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Refused(answer.status, data?.error ? heard(data.error) : t('hub.refused', { status: answer.status }), answer.headers.get('Location'));
  return data;
}
