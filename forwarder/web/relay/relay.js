// The relay itself: what the hub's messages do to the toys of this phone, and what the wearer wants.
// Owns the peripherals; knows nothing of how the page looks.

import { clock, now } from './clock.js';
import { Block } from './gate.js';
import { Violation, clean } from './handshake.js';
import { Link, VERSION } from './link.js';
import { concat, sha256 } from './noise.js';
import { Peripheral } from './peripheral.js';
import { RadioError } from './radio.js';

const SOFTWARE = 'relay page 1';
// Android's stack takes about seven connections; a toy more than that fails in odd ways.
const MOST_PERIPHERALS = 7;
// A toy that went away is offered to the hub again after these pauses (s), doubled: a battery change
// takes seconds, a toy in a drawer must not keep the radio busy.
const RETURN_FIRST_S = 2;
const RETURN_MOST_S = 60;
// How long toys stay connected (and stopped) while the hub is away (s): a router's restart.
const HOLD_S = 180;
// How often to look for a radio that is not there (s).
const RADIO_S = 5;

export class Relay {
  toys = new Map(); // address → toy, see #adopt
  interests = null;
  wearer = { paused: false, stopped: false, away: false };
  radioOn = true;
  hub = null; // a hub of the store, or a pairing link on its way to become one
  known = []; // the hubs of the store
  #byNumber = new Map(); // p → peripheral
  #status = new Map(); // p → Driven
  #block = new Block();
  #welcome = { activeS: 0.9, idleS: 10 };
  #holdTimer = null;

  // `changed()` is called often; `identity`: { name, platform } of this phone.
  constructor({ store, key, radio, choices, identity, changed }) {
    Object.assign(this, { store, key, radio, choices, identity, changed });
    this.wearer.paused = choices.paused ?? false;
    this.wearer.stopped = choices.stopped ?? false;
    this.#applyBlock();
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

  // Find out what there is; then go to the hub, if one is known.
  async start(pairing) {
    this.radio.watch(on => this.#radioChanged(on));
    this.#askRadio();
    for (const toy of await this.store.toys()) this.#remember(toy);
    for (const device of await this.radio.remembered()) await this.adopt(device);
    this.known = await this.store.hubs();
    const target = pairing ?? this.known[0];
    if (target) this.use(target);
    this.changed();
  }

  // Forget the hub of the moment; go back to another one if there is any.
  async forgetHub() {
    const { hub } = this;
    for (const peripheral of this.#peripherals()) peripheral.leave('the wearer left the hub');
    this.link.stop('the wearer forgot this hub');
    if (hub?.key) await this.store.forgetHub(hub);
    this.known = await this.store.hubs();
    this.hub = null;
    this.interests = null;
    if (this.known.length) this.use(this.known[0]);
    this.changed();
  }

  // Forget everything, this phone's own key included.
  async forgetAll() {
    await this.leave('the wearer forgot everything');
    await this.store.forgetAll();
  }

  use(hub) {
    this.hub = hub;
    this.link.use(hub);
  }

  // --- toys --------------------------------------------------------------------------------------

  // phase: forgotten (the browser wants it chosen again), offered, connecting, ready, lost, failed.
  // loose: it went away before it could be stopped.
  #remember({ address, id, name }) {
    const toy = { address, id, name, device: null, peripheral: null, phase: 'forgotten', text: '', failures: 0, timer: null, loose: false, armedStop: [], shown: name };
    this.toys.set(address, toy);
    return toy;
  }

  // A toy that may be used: chosen just now, or remembered by the browser.
  async adopt(device) {
    const known = [...this.toys.values()];
    const name = device.name ?? '';
    const alike = known.filter(toy => !toy.device && name && toy.name === name);
    // A browser that forgets gives the same toy another id each time. One toy of this name that is
    // missing is this one: what the hub knows about it stays right.
    let toy = known.find(other => other.id === device.id) ?? (alike.length === 1 ? alike[0] : null);
    toy ??= this.#remember({ address: await this.#address(device.id), id: device.id, name });
    const same = toy.device === device;
    Object.assign(toy, { id: device.id, name: name || toy.name, shown: toy.shown || name, device });
    // Kept before the hub hears of it: the address must be the same the next time.
    await this.store.keepToy({ address: toy.address, id: toy.id, name: toy.name, used: Date.now() })
      .catch(error => console.error(error));
    if (!same || !toy.peripheral) this.#offer(toy);
    return toy;
  }

  async choose(all) {
    const device = await this.radio.choose(this.interests, all);
    return device ? this.adopt(device) : null;
  }

  async forget(toy) {
    clearOf(toy);
    this.toys.delete(toy.address);
    if (toy.peripheral) await toy.peripheral.leave('the wearer put it away');
    await toy.device?.forget?.();
    await this.store.forgetToy(toy);
    this.changed();
  }

  async #address(id) {
    const hash = await sha256(concat(this.key.public, new TextEncoder().encode(id)));
    return `web-${[...hash.slice(0, 8)].map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
  }

  // Tell the hub that this toy is there; it connects when it wants to.
  #offer(toy) {
    clearOf(toy);
    // One that was kept while the hub was away is offered too: after a restart the hub has forgotten it.
    if (!toy.device || toy.peripheral?.bound || toy.phase === 'connecting') return;
    if (!toy.peripheral && (toy.phase !== 'lost' || !toy.text)) Object.assign(toy, { phase: 'offered', text: '' });
    this.link.send({ t: 'Advertisements', items: [{ address: toy.address, name: toy.name || undefined }] });
    this.changed();
  }

  #offerLater(toy) {
    clearOf(toy);
    const pause = Math.min(RETURN_FIRST_S * 2 ** toy.failures++, RETURN_MOST_S);
    toy.timer = clock.set(now() + pause, () => this.#offer(toy));
  }

  retry(toy) {
    toy.failures = 0;
    toy.text = '';
    this.#offer(toy);
  }

  // --- the link ----------------------------------------------------------------------------------

  #hello() {
    const held = [...this.toys.values()].filter(toy => toy.peripheral).map(({ address }) => ({ address }));
    return {
      t: 'Hello', version: VERSION, name: this.identity.name, software: SOFTWARE, platform: this.identity.platform,
      capabilities: ['chooser', 'status'], radio: this.#radioInfo(), held, max_peripherals: MOST_PERIPHERALS,
    };
  }

  // No free slots: browsers do not tell.
  #radioInfo() { return { kind: 'web', name: 'Web Bluetooth', on: this.radioOn }; }

  async #paired(hub) {
    this.hub = { ...hub, used: Date.now() };
    await this.store.keepHub(this.hub);
    this.known = await this.store.hubs();
  }

  #opened(welcome) {
    this.#welcome = { activeS: (welcome.active_ms ?? 900) / 1000, idleS: (welcome.idle_ms ?? 10000) / 1000 };
    if (this.#holdTimer !== null) clock.cancel(this.#holdTimer);
    this.#holdTimer = null;
    this.#status.clear();
    const { place } = this.link.state;
    const places = [place, ...this.hub.places.filter(other => other !== place)];
    this.hub = { ...this.hub, name: clean(welcome.hub ?? '') || this.hub.name, places, used: Date.now() };
    this.store.keepHub(this.hub).catch(error => console.error(error));
    this.#sendWearer();
    for (const toy of this.toys.values()) {
      toy.failures = 0;
      this.#offer(toy);
    }
  }

  #closed() {
    this.#byNumber.clear();
    this.#status.clear();
    let held = false;
    for (const { peripheral } of this.toys.values()) {
      peripheral?.unbind();
      held ||= Boolean(peripheral);
    }
    if (held) this.#holdTimer ??= clock.set(now() + HOLD_S, () => this.#letAllGo());
    this.changed();
  }

  #letAllGo() {
    this.#holdTimer = null;
    for (const { peripheral } of this.toys.values()) peripheral?.leave('the hub stayed away');
  }

  #message(message) {
    switch (message.t) {
      case 'Beat': this.#leases(message.leases); return;
      case 'Interests': this.interests = message; break;
      case 'Scan': if (message.on) for (const toy of this.toys.values()) this.#offer(toy); break;
      case 'Status': this.#showStatus(message); break;
      case 'Connect': this.#connect(message); break;
      case 'StopAll': this.#stopAll(message.id); break;
      case 'Forget': this.link.send({ t: 'Done', id: message.id }); break;
      case 'Arm': case 'Write': case 'Output': case 'Stop': case 'Disconnect':
      case 'Read': case 'Subscribe': case 'Unsubscribe': {
        const peripheral = this.#byNumber.get(message.p);
        if (peripheral) peripheral.handle(message);
        else this.link.send({ t: 'Failed', id: message.id, code: 'gone', text: 'that toy is not connected' });
        return;
      }
      default: throw new Violation(`the hub sent ${message.t}`);
    }
    this.changed();
  }

  #leases(leases) {
    if (!(leases instanceof Map)) return; // without entries there is nothing that makes it one
    for (const [p, ms] of leases) this.#byNumber.get(p)?.lease(ms);
  }

  #showStatus({ items = [], rtt_us: roundTrip = 0 }) {
    this.#status = new Map(items.map(item => [item.p, item]));
    if (roundTrip) this.link.state.roundTripMs = roundTrip / 1000;
  }

  // What the hub says about a toy: { level, clients, battery } or null; its name becomes `shown`.
  driven(toy) {
    const item = toy.peripheral && this.#status.get(toy.peripheral.p);
    if (!item) return null;
    const clients = (item.clients ?? []).map(name => clean(name));
    toy.shown = clean(item.name ?? '') || toy.shown;
    return { level: item.level ?? 0, clients, battery: item.battery ?? null };
  }

  async #connect({ id, p, address, timeout_ms: limit = 20000 }) {
    const send = message => this.link.send(message);
    const fail = (code, text) => send({ t: 'Failed', id, code, text: text.slice(0, 512) });
    const toy = this.toys.get(address);
    if (!toy?.device) return fail('not_found', 'this toy has to be chosen again on the phone');
    if (toy.phase === 'connecting') return fail('busy', 'the phone is connecting this toy already');
    if (toy.peripheral) return this.#bind(toy, id, p, true);
    clearOf(toy);
    toy.phase = 'connecting';
    this.changed();
    const { session } = this.link;
    let peripheral = null;
    try {
      const connection = await this.radio.connect(toy.device, limit, text => peripheral?.left(text));
      if (toy.loose) await stopAgain(connection, toy.armedStop);
      peripheral = new Peripheral({
        connection, block: this.#block, changed: this.changed,
        gone: (text, asked, loose) => this.#gone(toy, peripheral, text, asked, loose),
      });
    } catch (error) {
      if (!(error instanceof RadioError)) console.error(error); // ours, and the hub is told all the same
      Object.assign(toy, { phase: error.code === 'unsupported' ? 'failed' : 'lost', text: error.message });
      if (toy.phase === 'lost') this.#offerLater(toy);
      this.changed();
      return fail(error instanceof RadioError ? error.code : 'radio', error.message);
    }
    peripheral.gate.maxRunS = this.choices.maxRunS ?? 0;
    Object.assign(toy, { peripheral, phase: 'ready', text: '', failures: 0, loose: false });
    // The link may have gone meanwhile; the next Hello then lists this toy as held.
    if (this.link.open && session === this.link.session) this.#bind(toy, id, p, false);
    this.changed();
    return undefined;
  }

  #bind(toy, id, p, resumed) {
    const { peripheral } = toy;
    const { services, mtu } = peripheral.connection;
    this.#byNumber.delete(peripheral.p);
    this.#byNumber.set(p, peripheral);
    peripheral.bind(p, message => this.link.send(message), this.#welcome);
    this.link.send({ t: 'Connected', id, services, mtu, resumed: resumed || undefined });
    this.changed();
  }

  #gone(toy, peripheral, text, asked, loose) {
    if (toy.peripheral !== peripheral) return;
    this.#byNumber.delete(peripheral.p);
    this.#status.delete(peripheral.p);
    Object.assign(toy, { peripheral: null, phase: asked ? 'offered' : 'lost', text: asked ? '' : text, loose });
    toy.armedStop = peripheral.armedStop;
    if (!asked && this.toys.has(toy.address)) this.#offerLater(toy);
    this.changed();
  }

  async #stopAll(id) {
    const errors = await Promise.all(this.#peripherals().map(peripheral => peripheral.strike(null)));
    const error = errors.find(Boolean);
    this.link.send(error ? { t: 'Failed', id, code: error.code ?? 'radio', text: error.message } : { t: 'Done', id });
  }

  #peripherals() { return [...this.toys.values()].map(toy => toy.peripheral).filter(Boolean); }

  // --- the wearer --------------------------------------------------------------------------------

  // Change { paused, stopped, away }: stops first, tells afterwards.
  want(changes) {
    Object.assign(this.wearer, changes);
    const cause = this.#applyBlock();
    if (cause) for (const peripheral of this.#peripherals()) peripheral.strike(cause);
    const { paused, stopped } = this.wearer;
    this.#choose({ paused, stopped });
    this.#sendWearer();
  }

  resume() { this.want({ paused: false, stopped: false }); }

  // Change { leaveStops, limit, maxRunS }.
  set(choices) {
    this.#choose(choices);
    for (const { gate } of this.#peripherals()) gate.maxRunS = this.choices.maxRunS ?? 0;
    this.#sendWearer();
  }

  // The page is about to stop running, perhaps for ever: stop everything in this moment.
  leavePage() {
    for (const peripheral of this.#peripherals()) peripheral.blurt('shutdown');
    this.link.hangUp();
  }

  // Stop everything, let it go, and stay away from the hub.
  async leave(text) {
    await Promise.all(this.#peripherals().map(peripheral => peripheral.leave(text)));
    this.link.stop(text);
  }

  #applyBlock() {
    const { paused, stopped, away } = this.wearer;
    this.#block.cause = stopped ? 'emergency' : paused || away ? 'pause' : null;
    return this.#block.cause;
  }

  #choose(choices) {
    this.choices = { ...this.choices, ...choices };
    this.store.choose(this.choices).catch(error => console.error(error));
    this.changed();
  }

  #sendWearer() {
    const { paused, stopped, away } = this.wearer;
    const { limit = 1, maxRunS = 0 } = this.choices;
    const ceilings = limit < 1 ? [{ level: limit }] : [];
    this.link.send({ t: 'Wearer', paused: paused || away, stopped, ceilings, max_run_s: maxRunS });
  }

  // Not every browser tells when a radio comes.
  async #askRadio() {
    const on = await this.radio.on().catch(() => false);
    this.#radioChanged(on);
    if (!on) clock.set(now() + RADIO_S, () => this.#askRadio());
  }

  #radioChanged(on) {
    if (on === this.radioOn) return;
    this.radioOn = on;
    this.link.send({ t: 'RadioState', radio: this.#radioInfo() });
    if (on) for (const toy of this.toys.values()) this.#offer(toy);
    this.changed();
  }
}

// A toy that left while it ran may still do so: stop it before anybody else gets it.
async function stopAgain(connection, packets) {
  for (const { uuid, service, d, r } of packets) {
    const characteristics = connection.services.find(one => one.uuid === service)?.characteristics ?? [];
    const found = characteristics.find(one => one.uuid === uuid);
    if (found) await connection.write(found.h, d, r);
  }
}

function clearOf(toy) {
  if (toy.timer !== null) clock.cancel(toy.timer);
  toy.timer = null;
}
