// The relay itself: what the hub's messages do to the toys of this phone, and what the wearer wants.
// Owns the peripherals; knows nothing of how the page looks.

import { clock, now } from './clock.js';
import { Block } from './gate.js';
import { Violation, clean } from './handshake.js';
import { Link, VERSION } from './link.js';
import { movedPlaces, nearFirst } from './places.js';
import { HOLD_S, MOST_PERIPHERALS, Toys } from './toys.js';

// How often to look for a radio that is not there (s).
const RADIO_S = 5;

export class Relay {
  interests = null;
  wearer = { paused: false, stopped: false, away: false };
  radioOn = true;
  hub = null; // a hub of the store, or a pairing link on its way to become one
  known = []; // the hubs of the store
  guests = []; // who is here by a link to these toys, as the hub says
  newerPage = false; // the hub has another page than this one
  going = false; // it lets everything go, for another hub, another tab, or for good
  #status = new Map(); // p → Driven
  #block = new Block();
  #toldOn = null; // whether the hub was told that there is a radio
  #session = null; // where answers go; those of an old link never reach the next one

  // `changed()` is called often; `identity`: { name, platform } of this phone, and which `build` of the
  // page this is.
  constructor({ store, key, radio, choices, identity, changed }) {
    Object.assign(this, { store, key, radio, choices, identity, changed });
    this.wearer.paused = choices.paused ?? false;
    this.wearer.stopped = choices.stopped ?? false;
    this.#applyBlock();
    this.table = new Toys({
      store, radio, key, block: this.#block, maxRunS: () => this.choices.maxRunS ?? 0, changed,
      debtsChanged: () => this.#sendDebts(),
    });
    store.changed = changed;
    this.link = new Link(key, {
      name: () => identity.name,
      hello: () => this.#hello(),
      paired: hub => this.#paired(hub),
      opened: welcome => this.#opened(welcome),
      message: message => this.#message(message),
      closed: () => this.#closed(),
      changed,
    });
  }

  // Find out what there is, and stop what may still run; then go to the hub, if one is known.
  async start(pairing) {
    this.radio.watch(on => this.#radioChanged(on));
    this.radio.watchDevices(device => this.table.chosen.returned(device).then(() => this.#tellRadio()));
    this.#askRadio();
    await this.table.chosen.load();
    this.known = await this.store.hubs();
    const target = pairing ?? this.known[0];
    if (target) this.use(target);
    this.changed();
  }

  // Forget the hub of the moment; go back to another one if there is any. What it drives is stopped
  // first, and stays named until it is.
  async forgetHub() {
    const { hub } = this;
    await this.leave('the wearer forgot this hub');
    if (hub?.key) await this.store.forgetHub(hub);
    this.known = await this.store.hubs();
    this.hub = null;
    this.interests = null;
    this.#going(false);
    if (this.known.length) this.use(this.known[0]);
    this.changed();
  }

  // Forget everything, this phone's own key included, but not what may be running.
  async forgetAll() {
    await this.leave('the wearer forgot everything');
    await this.store.forgetAll();
  }

  use(hub) {
    this.hub = hub;
    this.link.use(hub);
  }

  // --- toys --------------------------------------------------------------------------------------

  get toys() { return this.table.all; }

  // What may be running and is not connected.
  get owed() { return this.table.owed; }

  // Nothing runs: the page can be loaded again.
  get idle() { return !this.owed.length && !this.table.peripherals.some(one => one.mayRun); }

  // `kind`: one of the radio's kinds; null: Bluetooth.
  async choose(all, kind = null) {
    const toy = await this.table.chosen.choose(this.interests, all, kind);
    // What was offered before the hub knew of a radio, it may have passed over.
    if (this.#tellRadio()) this.table.offerAll();
    return toy;
  }

  // Let the person choose a toy that may be running, and that the browser has forgotten.
  seek(toy) { return this.table.chosen.seek(toy, this.interests); }

  remove(toy) { return this.table.remove(toy); }
  retry(toy) { this.table.retry(toy); }

  // A person has looked: it is off.
  forgive(toy) { this.table.forgive(toy); }

  // --- the link ----------------------------------------------------------------------------------

  #hello() {
    const held = this.table.held.map(({ address }) => ({ address }));
    return {
      t: 'Hello', version: VERSION, name: this.identity.name, software: `relay page ${this.identity.build}`.trim(), platform: this.identity.platform,
      capabilities: ['chooser', 'status', 'places', 'guests', 'timed'], radio: this.#radioInfo(), held, max_peripherals: MOST_PERIPHERALS,
      grace_ms: HOLD_S * 1000,
    };
  }

  // No free slots: browsers do not tell.
  #radioInfo() {
    this.#toldOn = this.anyRadio;
    return { kind: 'web', name: 'Web Bluetooth', on: this.#toldOn };
  }

  // Without Bluetooth there may still be a toy on a cable, or a pad.
  get anyRadio() { return this.radioOn || [...this.toys.values()].some(toy => toy.device?.radio); }

  // Whether there was news.
  #tellRadio() {
    if (this.anyRadio === this.#toldOn) return false;
    this.link.send({ t: 'RadioState', radio: this.#radioInfo() });
    return true;
  }

  async #paired(hub) {
    this.hub = { ...hub, used: Date.now() };
    await this.store.keepHub(this.hub);
    this.known = await this.store.hubs();
  }

  #opened(welcome) {
    const session = {
      activeS: (welcome.active_ms ?? 900) / 1000, idleS: (welcome.idle_ms ?? 10000) / 1000,
      send: message => { if (this.#session === session) this.link.send(message); },
    };
    this.#session = session;
    this.#status.clear();
    const { build } = this.identity;
    this.newerPage = Boolean(build && welcome.page) && welcome.page !== build;
    const places = nearFirst(this.hub.places, this.link.state.place);
    this.hub = { ...this.hub, name: clean(welcome.hub ?? '') || this.hub.name, places, used: Date.now() };
    this.store.keepHub(this.hub).catch(error => console.warn(error));
    this.#sendWearer();
    if (this.table.owed.length) this.#sendDebts();
    this.table.opened(session);
  }

  // The hub says where it is to be found from now on.
  #moved({ own = [], meetings = [] }) {
    const places = movedPlaces(this.hub.places, own, meetings, this.link.state.place);
    if (places.join() === this.hub.places.join()) return;
    this.hub = { ...this.hub, places };
    this.link.moved(places);
    this.store.keepHub(this.hub).catch(error => console.warn(error));
  }

  #closed() {
    this.#session = null;
    this.#status.clear();
    this.guests = [];
    this.table.closed();
    this.changed();
  }

  #message(message) {
    const { table } = this;
    switch (message.t) {
      case 'Beat': for (const [p, ms] of message.leases) table.find(p)?.lease(ms); return;
      case 'Places': this.#moved(message); break;
      case 'Interests': this.interests = message; break;
      case 'Scan': if (message.on) table.offerAll(); break;
      case 'Status': this.#showStatus(message); break;
      case 'GuestList': this.guests = (message.items ?? []).map(guest => ({ ...guest, share: clean(guest.share), named: guest.share, browser: clean(guest.browser ?? '') })); break;
      case 'Connect': table.connect(message); break;
      case 'StopAll': this.#stopAll(message.id); break;
      case 'Forget':
        table.forgive(this.toys.get(message.address));
        this.link.send({ t: 'Done', id: message.id });
        break;
      case 'Arm': case 'Write': case 'Output': case 'Stop': case 'Disconnect':
      case 'Read': case 'Subscribe': case 'Unsubscribe': {
        if (message.t === 'Disconnect' && table.disconnect(message)) break;
        const peripheral = table.find(message.p);
        if (peripheral) peripheral.handle(message);
        else this.link.send({ t: 'Failed', id: message.id, code: 'gone', text: 'that toy is not connected' });
        return;
      }
      default: throw new Violation(`the hub sent ${message.t}`);
    }
    this.changed();
  }

  #showStatus({ items = [], rtt_us: roundTrip = 0 }) {
    this.#status = new Map(items.map(item => [item.p, item]));
    if (roundTrip) this.link.state.roundTripMs = roundTrip / 1000;
  }

  // The wearer's word about a guest that the hub has named: it may drive, or its part ends for good.
  answer({ named, guest }, allow) { this.link.send({ t: 'GuestAnswer', share: named, guest, allow }); }

  // What the hub says about a toy: { level, clients, battery } or null; its name becomes `shown`.
  driven(toy) {
    const item = toy.peripheral && this.#status.get(toy.peripheral.p);
    if (!item) return null;
    const clients = (item.clients ?? []).map(name => clean(name));
    toy.shown = clean(item.name ?? '') || toy.shown;
    return { level: item.level ?? 0, clients, battery: item.battery ?? null };
  }

  async #stopAll(id) {
    const session = this.#session;
    const errors = await Promise.all(this.table.peripherals.map(peripheral => peripheral.strike(null)));
    const error = errors.find(Boolean);
    session.send(error ? { t: 'Failed', id, code: error.code ?? 'radio', text: error.message } : { t: 'Done', id });
  }

  // --- the wearer --------------------------------------------------------------------------------

  // Change { paused, stopped, away }: stops first, tells afterwards. Stopping what is stopped makes
  // what may be running and is not connected be looked for at once.
  want(changes) {
    const before = this.#block.cause;
    Object.assign(this.wearer, changes);
    const cause = this.#applyBlock();
    if (cause) for (const peripheral of this.table.peripherals) peripheral.strike(cause);
    if (changes.stopped) this.table.urge();
    const { paused, stopped } = this.wearer;
    this.#choose({ paused, stopped });
    this.#sendWearer();
    // What had to be let go, or was refused meanwhile.
    if (before === 'emergency' && cause !== 'emergency') this.table.offerAll();
  }

  resume() { this.want({ paused: false, stopped: false }); }

  // Change { leaveStops, limit, maxRunS }.
  set(choices) {
    this.#choose(choices);
    for (const { gate } of this.table.peripherals) gate.maxRunS = this.choices.maxRunS ?? 0;
    this.#sendWearer();
  }

  // The page is about to stop running, perhaps for ever: stop everything in this moment.
  leavePage() {
    this.table.sleep();
    this.link.hangUp();
  }

  // It has been frozen, and goes on.
  comeBack() {
    this.table.wake();
    this.link.retry();
  }

  // Stop everything, let it go, and stay away from the hub.
  async leave(text) {
    this.#going(true);
    await this.table.leaveAll(text);
    this.link.stop(text);
  }

  #going(going) {
    this.going = going;
    this.#applyBlock();
    this.changed();
  }

  #applyBlock() {
    const { paused, stopped, away } = this.wearer;
    this.#block.cause = stopped ? 'emergency' : this.going ? 'shutdown' : paused || away ? 'pause' : null;
    return this.#block.cause;
  }

  #choose(choices) {
    this.choices = { ...this.choices, ...choices };
    this.store.choose(this.choices).catch(error => console.warn(error)); // the page says what that means
    this.changed();
  }

  #sendWearer() {
    const { paused, stopped, away } = this.wearer;
    const { limit = 1, maxRunS = 0 } = this.choices;
    const ceilings = limit < 1 ? [{ level: limit }] : [];
    this.link.send({ t: 'Wearer', paused: paused || away, stopped, ceilings, max_run_s: maxRunS });
  }

  #sendDebts() { this.link.send({ t: 'Debts', items: this.table.debts() }); }

  // Not every browser tells when a radio comes.
  async #askRadio() {
    const on = await this.radio.on().catch(() => false);
    this.#radioChanged(on);
    if (!on) clock.set(now() + RADIO_S, () => this.#askRadio());
  }

  #radioChanged(on) {
    if (on === this.radioOn) return;
    this.radioOn = on;
    this.#tellRadio();
    if (on) {
      this.table.urge();
      this.table.offerAll();
    }
    this.changed();
  }
}
