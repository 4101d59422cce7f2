// Composition root of the relay page: finds out whether it can run, then joins store, radio, relay
// and what people see, and stops everything when the page is hidden, frozen or left.

import { Awake } from './awake.js';
import { isApple } from './elsewhere.js';
import { BadLink, takeLink } from './places.js';
import { PadRadio, canRumble } from './pads.js';
import { WebRadio } from './radio.js';
import { Radios } from './radios.js';
import { Relay } from './relay.js';
import { SerialRadio } from './serial.js';
import { Store, StoreError } from './store.js';
import { reloaded } from './texts.js';
import { Ui } from './ui.js';
import { start as startWords, t } from './words.js';

const TAB_LOCK = 'forwarder-relay';
// Held by the same tab until it has let every toy go, also after another one took the first lock.
const TOYS_LOCK = 'forwarder-relay-toys';
// So long (ms) a tab that takes over waits for that: 3 s of an emergency stop, and letting go. A tab
// that is frozen does nothing any more; what it leaves behind is written down.
const TAKE_OVER_MS = 6000;
const RELOAD_MARK = 'forwarder-relay-reloaded';
const TAKE_MARK = 'forwarder-relay-take';

function unsupportedReason() {
  if (!isSecureContext) return 'insecure';
  if (!navigator.bluetooth) return isApple(navigator.userAgent, navigator.maxTouchPoints) ? 'ios' : 'bluetooth';
  return null;
}

// { name, platform, build } of this phone and page, as the hub shows it.
async function identity() {
  const agent = navigator.userAgentData;
  const brand = agent?.brands?.find(({ brand: name }) => /Chrome|Edge|Chromium|Opera/.test(name));
  const browser = brand ? `${brand.brand} ${brand.version}` : 'Browser';
  let model = '';
  try {
    model = (await agent?.getHighEntropyValues?.(['model']))?.model ?? '';
  } catch { /* the browser keeps its model to itself */ }
  const platform = agent?.platform || 'unknown system';
  return { name: model || `${platform} phone`, platform: `${platform}, ${browser}`, build: document.querySelector('meta[name=build]').content };
}

// Holds the right to be this phone's relay until another tab takes it; calls `lost` then.
function onlyTab(steal, lost) {
  return new Promise(resolve => {
    navigator.locks.request(TAB_LOCK, steal ? { steal: true } : { ifAvailable: true }, lock => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    }).catch(lost); // rejects when another tab steals the lock
  });
}

// Wait until the tab that was the relay has let its toys go. Returns what says the same of this one.
function toysOfLastTab() {
  return new Promise(resolve => {
    const signal = AbortSignal.timeout(TAKE_OVER_MS);
    navigator.locks.request(TOYS_LOCK, { signal }, () => new Promise(release => { resolve(release); }))
      .catch(() => resolve(() => {})); // it hangs
  });
}

// Who serves this page, where that is not the person's own hub: they could change it.
function sayWhoServes() {
  const who = document.querySelector('meta[name=served-by]').content;
  const line = document.getElementById('served-by');
  line.hidden = !who;
  if (who) line.textContent = t('served.by', { host: location.host, who });
}

function readAddress(ui) {
  try {
    return takeLink();
  } catch (error) {
    if (!(error instanceof BadLink)) throw error;
    ui.complain(t('bad.link'));
    return null;
  }
}

async function main() {
  const ui = new Ui(() => {
    sessionStorage.setItem(TAKE_MARK, '1');
    location.reload();
  });
  startWords(document.getElementById('language'), () => { sayWhoServes(); ui.spoken(); });
  sayWhoServes();
  const link = location.hash.length > 1 ? location.href : null;
  const pairing = readAddress(ui);
  const reason = unsupportedReason();
  if (reason) {
    // The code is not spent: another browser of this phone can have it, also after this page was
    // loaded again.
    if (pairing) history.replaceState(null, '', link);
    ui.unsupported(reason, pairing && link);
    return;
  }
  let store;
  let key;
  try {
    store = await Store.open();
    key = await store.key();
  } catch (error) {
    ui.unsupported(error.name === 'NotSupportedError' ? 'old' : error instanceof StoreError ? error.message : 'storage');
    return;
  }
  let relay = null;
  let release = () => {};
  let lost = false;
  const elsewhere = async () => {
    lost = true;
    ui.elsewhere();
    await relay?.leave('the relay runs in another tab');
    release();
  };
  // A person who scans a code, or says so, means this tab.
  const take = sessionStorage.getItem(TAKE_MARK);
  sessionStorage.removeItem(TAKE_MARK);
  if (!await onlyTab(Boolean(pairing || take), elsewhere)) {
    store.close(); // an open one could not be changed by a newer page
    ui.elsewhere();
    return;
  }
  ui.say(t('phone.taking'));
  release = await toysOfLastTab();
  const bluetooth = new WebRadio(navigator.bluetooth, () => {
    sessionStorage.setItem(RELOAD_MARK, '1');
    relay.leavePage();
    location.reload();
  });
  const radio = new Radios(bluetooth, {
    serial: navigator.serial ? new SerialRadio(navigator.serial) : null,
    pad: canRumble(window) ? new PadRadio(navigator, window) : null,
  });
  const [choices, who] = [await store.choices(), await identity()];
  if (lost) return;
  relay = new Relay({ store, key, radio, choices, identity: who, changed: () => ui.changed() });
  const awake = new Awake(() => relay.link.open, () => ui.changed());
  ui.start(relay, awake);
  if (sessionStorage.getItem(RELOAD_MARK)) {
    sessionStorage.removeItem(RELOAD_MARK);
    ui.tell(reloaded());
  }
  watchPage(relay);
  await relay.start(pairing);
}

function watchPage(relay) {
  const lookAround = () => {
    const hidden = document.visibilityState === 'hidden';
    const away = hidden && relay.choices.leaveStops;
    if (away !== relay.wearer.away) relay.want({ away });
    if (!hidden) relay.link.doubt();
  };
  document.addEventListener('visibilitychange', lookAround);
  // From here on no script runs, perhaps for ever.
  document.addEventListener('freeze', () => relay.leavePage());
  document.addEventListener('resume', () => relay.comeBack());
  addEventListener('pagehide', () => relay.leavePage());
  addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
  for (const change of ['online', 'offline']) addEventListener(change, () => relay.link.doubt());
  navigator.connection?.addEventListener?.('change', () => relay.link.doubt());
  lookAround();
}

main().catch(error => {
  console.error(error);
  new Ui(() => location.reload()).unsupported('broken');
});
