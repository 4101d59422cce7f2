// Puts the page together: the feed, what draws it, and the keys that stop everything.

import { atHome, call, forgetToken, keepToken, signedInAsGuest, toRemote, token } from './api.js';
import { Around } from './around.js';
import { Devices } from './devices.js';
import { $, attribute, klass, later, say, show, text, warn } from './dom.js';
import { Feed, UNKNOWN_TOKEN } from './feed.js';
import { Hold } from './hold.js';
import { LogTools } from './logtools.js';
import { Plumbing } from './plumbing.js';
import { Accepted } from './accepted.js';
import { Shares } from './shares.js';
import { Toasts } from './toasts.js';
import { heard, language, start, t } from './words.js';

const SCAN_S = 30;
// A page that loads itself again because its token was not known does so once in a while only.
const RELOADED = 'forwarder-reloaded';
const RELOAD_MS = 10_000;

let waiting = false;
let lost = false;
let changes = {};

start($('language'), () => location.reload());

const feed = new Feed(changed, link, silent, toRemote);
const playing = later(() => import('./playing.js').then(({ Playing }) => new Playing(feed)));
const plumbing = new Plumbing();
const devices = new Devices(feed, device => playing.open(device), plumbing);
const hold = new Hold(() => {
  feed.release();
  devices.rest();
  together.here?.rest();
  playing.here?.rest();
});
const around = new Around(plumbing);
const pairing = later(() => import('./pairing.js').then(({ Pairing }) => new Pairing(feed.state.hub, () => Object.keys(feed.state.devices).length > 0)));
const shares = new Shares();
const accepted = new Accepted();
const toasts = new Toasts();
// One toy has a control of its own.
const together = later(() => import('./together.js').then(({ Together }) => new Together(feed, words => toasts.show(words))));
const seen = later(() => import('./seen.js').then(({ Seen }) => new Seen()));
const setup = later(() => import('./setup.js').then(({ Setup }) => new Setup(() => feed.state.devices)));
const doctor = later(() => import('./doctor.js').then(({ Doctor }) => new Doctor()));
for (const [part, ids] of [[pairing, ['pair', 'pair-here']], [setup, ['setup-open', 'setup-here']], [doctor, ['doctor-open', 'doctor-here']]]) {
  for (const id of ids) $(id).onclick = () => part.open();
}
$('seen').addEventListener('toggle', () => seen.open());
const logTools = new LogTools();

// Changes come ten times a second at most; drawing waits for the browser to be ready for it.
function changed(state, change) {
  Object.assign(changes, change);
  for (const trouble of change.trouble ?? []) warn(heard(trouble));
  if (waiting) return;
  waiting = true;
  // A hidden page is not drawn; it catches up when it is seen.
  requestAnimationFrame(() => {
    waiting = false;
    const all = changes;
    changes = {};
    draw(state, all);
  });
}

function draw(state, change) {
  if (change.hub) hub(state.hub);
  if (change.hold) hold.draw(state.hold);
  if (change.devices || change.live || change.relays || change.hold || change.whole) devices.draw(state);
  if ((change.devices || change.whole) && (together.here || Object.keys(state.devices).length > 1)) together.open(state);
  if (change.hold && state.hold && state.hold.mode !== 'free') together.here?.rest();
  if (change.devices || change.whole) playing.here?.draw(state);
  toasts.draw(state, change);
  around.draw(state, change);
  if (change.log) logTools.filter();
  shares.draw(state, change);
  accepted.draw(state, change);
  // The hub was started anew to pair somebody.
  if (change.whole && sessionStorage.getItem('forwarder-pair')) pairing.open();
}

const met = point => t(point.registered ? 'met.here' : 'met.trouble', { url: point.url, trouble: heard(point.trouble) });

const direct = paths => (paths
  ? [t(paths.trouble ? 'direct.trouble' : 'direct.here', { trouble: heard(paths.trouble), relays: paths.relays.map(relay => ` · ${relay}`).join('') })] : []);

function hub(hub) {
  if (!hub) return;
  text($('hub'), hub.name === 'hub' ? 'Buttplug Forwarder' : hub.name);
  document.title = `${hub.name} – Buttplug Forwarder`;
  text($('client-url'), hub.client_url);
  text($('link-text'), t('apps.connect', { url: hub.client_url }));
  text($('about'), [t('version', { version: hub.version }), ...hub.meetings.map(met), ...direct(hub.direct)].join(' · '));
  pairing.here?.elsewhere(hub);
  attribute($('scan'), 'aria-pressed', `${hub.scanning}`);
  text($('scan'), t(hub.scanning ? 'scanning' : 'scan'));
  $('scan-here').disabled = hub.scanning;
  text($('scan-here'), t(hub.scanning ? 'scanning' : 'scan.devices'));
}

function link(up, code, reason) {
  $('dot').className = up ? 'good' : 'bad';
  klass($('link'), 'bad', !up);
  // What is shown is not so any more; Stop stays in reach.
  $('board').inert = !up;
  show($('board'), up || !$('board').hidden);
  show($('sign-in'), false);
  if (up) {
    if (lost) say(t('hub.back'));
    lost = false;
    hold.heard();
    return;
  }
  if (code === UNKNOWN_TOKEN) {
    unknown(reason);
    return;
  }
  text($('link-text'), t('hub.lost'));
  lost = true;
}

// The socket is open, but nobody is there: what is shown may be old, and a stop may not arrive.
function silent(ms) {
  const hangs = ms > 0;
  $('dot').className = hangs ? 'bad' : 'good';
  klass($('link'), 'bad', hangs);
  $('board').inert = hangs;
  if (!hangs) {
    hub(feed.state.hub);
    say(t('hub.heard'));
    hold.heard();
    return;
  }
  const since = new Date(Date.now() - ms).toLocaleTimeString(language, { hour12: false });
  text($('link-text'), t('hub.silent', { since }));
}

function unknown(reason) {
  const had = token() !== '';
  if (forgetToken()) {
    // The hub was started again, and may bring another version of this page.
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
    sessionStorage.setItem(RELOADED, `${Date.now()}`);
    if (Date.now() - last > RELOAD_MS) location.reload();
    else feed.open();
    return;
  }
  if (had || atHome) $('sign-in-error').textContent = heard(reason);
  show($('board'), false);
  show($('sign-in'), true);
  show($('sign-in-plain'), !isSecureContext);
  text($('link-text'), t('signin.not'));
  $('token').focus();
}

$('sign-in-form').onsubmit = event => {
  event.preventDefault();
  keepToken($('token').value.trim());
  $('token').value = '';
  $('sign-in-error').textContent = '';
  text($('link-text'), t('connecting'));
  feed.open();
};

// --- scan, keys ---------------------------------------------------------------------------------

async function scan() {
  try {
    if (feed.state.hub?.scanning) await call('DELETE', '/scan');
    else await call('POST', '/scan', { for_s: SCAN_S });
  } catch (error) {
    warn(error.message);
  }
}
$('scan').onclick = $('scan-here').onclick = scan;

// Space belongs to what has the focus where that uses it; a slider does not.
const SPACE_IS_TAKEN = 'button, summary, select, textarea, a, input:not([type=range])';
addEventListener('keydown', event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const space = event.key === ' ' && !event.target.closest?.(SPACE_IS_TAKEN);
  if (event.key !== 'Escape' && !space) return;
  if (space) event.preventDefault();
  // Before there is anything to see, Space may be meant otherwise; Escape never is.
  if (space && $('board').hidden) return;
  hold.stop();
}, { capture: true });

setInterval(() => { if (!document.hidden) plumbing.sample(feed.state); }, 1000);

$('notice-close').onclick = () => show($('notice'), false);

if (signedInAsGuest()) toRemote();
else feed.open();
