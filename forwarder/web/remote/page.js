// Puts the remote page together: the link, the key, the guest, and what is shown.

import { Controls } from './controls.js';
import { Guest } from './guest.js';
import { CannotKeep, Keep } from './keep.js';
import { BadLink, takeLink, readLink } from './places.js';
import { Dials } from './pipe.js';
import { Player, TICK_MS } from './player.js';
import { card as words, left, over as overWords, problem } from './texts.js';
import { heard, start as startWords, t } from './words.js';
import { browserName, elsewhere, insideApp } from './visitor.js';
import { concat, sha256 } from './noise.js';

const $ = id => document.getElementById(id);
const show = (node, on) => { if (node.hidden === on) node.hidden = !on; };
const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
// The link before it was taken: not in the address, and gone with the tab.
const PENDING = 'forwarder-share';
// The token of whoever signed in on the dashboard as a guest; as long as the tab.
const TOKEN = 'forwarder-guest';
const NEWS_MS = 8000;

const now = () => performance.now();
let keep = null;
let pending = null; // { secret, places, link } of a link that this browser has not taken
let chosen = null; // the share that Start opens
let guest = null;
let newsTimer = 0;

const player = new Player((control, value, duration) => guest?.output(control, value, duration));
const controls = new Controls($('devices'), player, now);

// --- cards --------------------------------------------------------------------------------------

// One card: what is said, and which buttons there are.
function card(name, buttons, more = []) {
  const [title, said] = Array.isArray(name) ? name : words(name);
  text($('card-title'), title);
  const shown = [...said, ...more].join('\n');
  if ($('card-text').dataset.shown !== shown) {
    $('card-text').dataset.shown = shown;
    $('card-text').replaceChildren(...[...said, ...more].map(line => {
      const paragraph = document.createElement('p');
      paragraph.textContent = line;
      return paragraph;
    }));
  }
  for (const id of ['start', 'outside', 'copy', 'anyway', 'again', 'forget']) show($(id), buttons.includes(id));
  show($('kept'), buttons.includes('kept'));
  show($('card'), true);
  show($('board'), false);
  show($('bar'), false);
}

function ready() {
  if (chosen) {
    card(chosen.hubKey ? 'again' : 'start', ['start'], chosen.owner ? [t('remote.of', { owner: chosen.owner })] : []);
    return;
  }
  card('none', []);
}

async function choose() {
  const kept = await keep.all();
  if (pending) {
    const psk = await sha256(concat(new TextEncoder().encode('bpforward share'), pending.secret));
    const id = Array.from((await sha256(psk)).slice(0, 8), byte => byte.toString(16).padStart(2, '0')).join('');
    const old = kept.find(share => share.id === id);
    chosen = old ? { ...old, places: pending.places } : { id, psk, places: pending.places, key: null, hubKey: null, owner: '' };
  } else if (kept.length === 1) [chosen] = kept;
  else if (kept.length) {
    $('kept').replaceChildren(...kept.map(share => {
      const row = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'main big';
      button.textContent = share.owner || t('remote.share');
      button.onclick = () => { chosen = share; start(); };
      row.append(button);
      return row;
    }));
    card('again', ['kept']);
    return;
  }
  ready();
}

// --- start --------------------------------------------------------------------------------------

// Whoever signed in has chosen already, and may sign out at any time.
function signedIn(token) {
  const here = new URL('../api/v1/guest', location.href);
  here.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  chosen = { token, places: [here.href] };
  show($('signed-in'), true);
  start();
}

async function load() {
  const owner = document.querySelector('meta[name=served-by]').content;
  text($('host'), t(owner ? 'remote.served' : 'remote.from', { host: location.host || t('remote.file'), owner }));
  try {
    const link = takeLinkOnce();
    if (link) pending = link;
  } catch (error) {
    if (!(error instanceof BadLink)) throw error;
    card('broken', []);
    return;
  }
  const token = sessionStorage.getItem(TOKEN);
  if (token && !pending) {
    signedIn(token);
    return;
  }
  const app = insideApp(navigator.userAgent);
  if (app !== null && pending) {
    const outside = elsewhere(navigator.userAgent, pending.link);
    if (outside) $('outside').href = outside;
    card('inside', [...(outside ? ['outside'] : []), 'copy', 'anyway'], app ? [t('remote.app', { app })] : []);
    return;
  }
  await go();
}

function takeLinkOnce() {
  const link = location.href;
  const taken = takeLink();
  if (taken) {
    // Until it is taken, a page that is loaded again must not lose it.
    sessionStorage.setItem(PENDING, link);
    return { ...taken, link };
  }
  const kept = sessionStorage.getItem(PENDING);
  return kept ? { ...readLink(kept), link: kept } : null;
}

async function go() {
  try {
    keep = await Keep.open();
    await Keep.able();
    await choose();
  } catch (error) {
    if (!(error instanceof CannotKeep)) throw error;
    card(error.reason, []);
  }
}

async function start() {
  $('start').disabled = true;
  try {
    if (!chosen.key && !chosen.token) {
      // Before anything is dialed: a link must not be taken by a key that is lost.
      chosen = await keep.take(chosen);
    }
  } catch (error) {
    if (!(error instanceof CannotKeep)) throw error;
    card(error.reason, []);
    return;
  } finally {
    $('start').disabled = false;
  }
  guest?.leave();
  guest = new Guest({ ...chosen, browser: browserName(navigator.userAgent) }, {
    now,
    dial,
    later(ms, action) {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
  }, { changed: draw, bound, gone: names => news(t('remote.gone', { names: names.join(', ') })), stopped });
  guest.seen(!document.hidden);
  guest.start();
}

async function dial(places) {
  const dials = new Dials(places);
  let last = new Error('unreachable');
  for await (const { pipe, error } of dials.answers()) {
    if (pipe) {
      dials.stop();
      return pipe;
    }
    last = error;
  }
  throw last;
}

function bound({ hubKey, owner }) {
  if (chosen.token) return;
  sessionStorage.removeItem(PENDING);
  pending = null;
  chosen = { ...chosen, hubKey, owner: owner || chosen.owner };
  keep.put(chosen).catch(() => {}); // the key is kept already
}

// --- what is shown ------------------------------------------------------------------------------

function news(words) {
  if (!words) return;
  text($('news-text'), words);
  show($('news'), true);
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => show($('news'), false), NEWS_MS);
}

// The hub, or a loss, has stopped what this page drove: nothing goes on by itself.
function stopped(words) {
  const on = [...player.settings.values()].filter(({ control, playing, part }) => control.kind !== 'position' && (playing || part !== 0));
  const was = player.playing || on.length > 0;
  player.rest();
  // What the hub did not stop itself, or what began behind its stop, must not go on under an "off".
  for (const setting of on) player.tell(setting, now());
  controls.tick();
  if (words) news(heard(words));
  else if (was) news(t('remote.stopped'));
}

const DOTS = { open: 'good', asked: 'wait', dialing: 'wait', waiting: 'bad' };

function draw() {
  const { state } = guest;
  const { phase, share } = state;
  if (share?.owner) {
    text($('owner'), t('remote.toys', { owner: share.owner }));
    document.title = `${share.owner} – ${t('remote')}`;
  }
  const bad = phase === 'waiting' || state.silent;
  show($('link'), phase in DOTS);
  $('dot').className = state.silent ? 'bad' : DOTS[phase] ?? '';
  $('link').className = bad ? 'bad' : '';
  text($('link-text'), state.silent ? t('remote.silent') : phase === 'open' ? (share ? t('remote.with', { name: share.name }) : t('connected')) : phase === 'waiting' ? problem(state.problem) : t(phase === 'asked' ? 'remote.asking' : 'connecting'));
  player.follow(state.devices);
  switch (phase) {
    case 'open': board(); return;
    case 'asked': card('asked', []); return;
    case 'dialing': card('dialing', []); return;
    case 'waiting': card('waiting', ['again'], [problem(state.problem)]); return;
    case 'over': over(); return;
    default: ready();
  }
}

function over() {
  const { problem: why, text: said } = guest.state;
  const again = why === 'elsewhere' || why === 'version';
  card(overWords(why, said), again ? ['again'] : chosen.token ? [] : ['forget']);
  $('card-title').tabIndex = -1;
  $('card-title').focus();
}

function board() {
  const { devices, notes, held, share } = guest.state;
  show($('card'), false);
  show($('board'), true);
  show($('bar'), true);
  text($('level'), share && share.percent < 100 ? t('remote.upto', { percent: share.percent }) : t('remote.all'));
  time();
  show($('note'), held !== null);
  text($('note-text'), heard(held ?? ''));
  show($('empty'), devices.size === 0);
  controls.draw(devices, notes);
  $('devices').inert = held !== null || guest.state.silent;
}

function time() {
  const until = guest?.state.share?.until ?? null;
  text($('left'), until === null ? '' : `${left(until - now())}.`);
}

// --- stop, keys, being seen ---------------------------------------------------------------------

function stop() {
  player.rest();
  controls.tick();
  guest?.stop();
  guest?.rest();
}

$('stop').onclick = stop;
const SPACE_IS_TAKEN = 'button, a, input:not([type=range])';
addEventListener('keydown', event => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const space = event.key === ' ' && !event.target.closest?.(SPACE_IS_TAKEN);
  if (event.key !== 'Escape' && !space) return;
  if ($('bar').hidden) return;
  event.preventDefault();
  stop();
}, { capture: true });

function seen() {
  const yes = !document.hidden;
  if (!yes && guest?.state.phase === 'open') {
    const drove = player.playing || [...player.settings.values()].some(setting => setting.part !== 0 && setting.control.kind !== 'position');
    player.rest();
    controls.tick();
    if (drove) news(t('remote.hidden'));
  }
  guest?.seen(yes);
}
document.addEventListener('visibilitychange', seen);
document.addEventListener('freeze', () => { player.rest(); guest?.seen(false); });
document.addEventListener('resume', seen);
addEventListener('pagehide', () => { player.rest(); guest?.rest(); });

$('start').onclick = start;
$('again').onclick = start;
$('anyway').onclick = go;
$('news-close').onclick = () => show($('news'), false);
$('forget').onclick = async () => {
  await keep.forget(chosen.id);
  chosen = pending = guest = null;
  sessionStorage.removeItem(PENDING);
  text($('owner'), t('remote'));
  await choose();
};
$('sign-out').onclick = () => {
  guest.leave();
  sessionStorage.removeItem(TOKEN);
  location.replace('../');
};
$('copy').onclick = async () => {
  try {
    await navigator.clipboard.writeText(pending.link);
    text($('copy'), t('remote.copied'));
  } catch {
    text($('copy'), t('remote.uncopied'));
  }
};

setInterval(() => {
  if (document.hidden || guest?.state.phase !== 'open') return;
  player.tick(now());
  if (player.playing) controls.tick();
}, TICK_MS);
setInterval(() => { if (!document.hidden) time(); }, 1000);

startWords($('language'), () => location.reload());
load();
