// Composition root of the relay page: finds out whether it can run, then joins store, radio, relay
// and what people see, and stops everything when the page is hidden, frozen or left.

import { Awake } from './awake.js';
import { BadLink, takeLink } from './places.js';
import { WebRadio } from './radio.js';
import { Relay } from './relay.js';
import { Store } from './store.js';
import { BAD_LINK, RELOADED } from './texts.js';
import { Ui } from './ui.js';

const TAB_LOCK = 'forwarder-relay';
const RELOAD_MARK = 'forwarder-relay-reloaded';
const TAKE_MARK = 'forwarder-relay-take';

function unsupportedReason() {
  if (!isSecureContext) return 'insecure';
  if (!navigator.bluetooth) return /iPhone|iPad/.test(navigator.userAgent) ? 'ios' : 'bluetooth';
  return null;
}

// { name, platform } of this phone, as the hub shows it.
async function identity() {
  const agent = navigator.userAgentData;
  const brand = agent?.brands?.find(({ brand: name }) => /Chrome|Edge|Chromium|Opera/.test(name));
  const browser = brand ? `${brand.brand} ${brand.version}` : 'Browser';
  let model = '';
  try {
    model = (await agent?.getHighEntropyValues?.(['model']))?.model ?? '';
  } catch { /* the browser keeps its model to itself */ }
  const platform = agent?.platform || 'unknown system';
  return { name: model || `${platform} phone`, platform: `${platform}, ${browser}` };
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

function readAddress(ui) {
  try {
    return takeLink();
  } catch (error) {
    if (!(error instanceof BadLink)) throw error;
    ui.complain(BAD_LINK);
    return null;
  }
}

async function main() {
  const ui = new Ui(() => {
    sessionStorage.setItem(TAKE_MARK, '1');
    location.reload();
  });
  const pairing = readAddress(ui);
  const reason = unsupportedReason();
  if (reason) {
    ui.unsupported(reason);
    return;
  }
  let store;
  let key;
  try {
    store = await Store.open();
    key = await store.key();
  } catch (error) {
    ui.unsupported(error.name === 'NotSupportedError' ? 'old' : 'storage');
    return;
  }
  let relay = null;
  const elsewhere = async () => {
    await relay?.leave('the relay runs in another tab');
    ui.elsewhere();
  };
  // A person who scans a code, or says so, means this tab.
  const take = sessionStorage.getItem(TAKE_MARK);
  sessionStorage.removeItem(TAKE_MARK);
  if (!await onlyTab(Boolean(pairing || take), elsewhere)) {
    ui.elsewhere();
    return;
  }
  const radio = new WebRadio(navigator.bluetooth, () => {
    sessionStorage.setItem(RELOAD_MARK, '1');
    relay.leavePage();
    location.reload();
  });
  relay = new Relay({
    store, key, radio, choices: await store.choices(), identity: await identity(), changed: () => ui.changed(),
  });
  const awake = new Awake(() => relay.link.open, () => ui.changed());
  ui.start(relay, awake);
  if (sessionStorage.getItem(RELOAD_MARK)) {
    sessionStorage.removeItem(RELOAD_MARK);
    ui.tell(RELOADED);
  }
  watchPage(relay);
  await relay.start(pairing);
}

function watchPage(relay) {
  const lookAround = () => {
    const hidden = document.visibilityState === 'hidden';
    const away = hidden && relay.choices.leaveStops;
    if (away !== relay.wearer.away) relay.want({ away });
    if (!hidden) relay.link.retry();
  };
  document.addEventListener('visibilitychange', lookAround);
  // From here on no script runs, perhaps for ever.
  document.addEventListener('freeze', () => relay.leavePage());
  addEventListener('pagehide', () => relay.leavePage());
  addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
  addEventListener('online', () => relay.link.retry());
  lookAround();
}

main().catch(error => {
  console.error(error);
  new Ui(() => location.reload()).unsupported('broken');
});
