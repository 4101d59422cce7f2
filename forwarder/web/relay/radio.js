// Web Bluetooth as the relay's radio. Everything above works with its three classes and never sees
// a browser's error: what goes wrong is a RadioError with a code of relay/link/messages.py.
//
// The browser promises little: operations may stay pending for ever, a second one at the same time
// is refused, and it can lose its Bluetooth service altogether, after which nothing settles until
// the page is loaded again. Hence the time limits, and `onLost`.

import { Alarm, now, sleep, within } from './clock.js';
import { Turns } from './turns.js';

const OPERATION_MS = 5000; // a peripheral at the edge of its range has been seen to take 3 s
const DISCOVERY_MS = 15000; // a dozen services at one round trip of about 100 ms per characteristic
const ALIVE_MS = 2000;
// A browser says at once that it has let a toy go; the system behind it takes longer, up to 2 s with
// BlueZ. A toy that is connected again too soon gets the connection that ends, and Chromium has then
// been seen never to answer the next connect.
const ENDING_S = 1;
// Who is being connected has this long (s) from when another waits: toys in reach take 1 to 3 s.
const CROWDED_S = 6;
// Web Bluetooth writes 512 bytes at most and does not tell the MTU; 3 bytes are the ATT header.
const MTU = 515;

// Services that the browser allows in no filter (Web Bluetooth's registry of blocked identifiers).
const BLOCKED_IN_FILTERS = new Set([
  '00001812-0000-1000-8000-00805f9b34fb', '0000fffd-0000-1000-8000-00805f9b34fb',
  '0000fff9-0000-1000-8000-00805f9b34fb', '0000fde2-0000-1000-8000-00805f9b34fb',
  '00001530-1212-efde-1523-785feabcd123', 'f000ffc0-0451-4000-b000-000000000000',
  '00060000-0000-1000-8000-00805f9b34fb',
]);

export class RadioError extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

// A browser takes no name of more bytes (Web Bluetooth, 4.3), and no list with one in it.
const MOST_NAME_BYTES = 248;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const tooLate = () => new RadioError('timeout', 'the toy did not answer in time');

// What a browser's DOMException means. The texts are those of Chromium, hence only hints.
function translated(error) {
  if (error instanceof RadioError) return error;
  const text = String(error?.message ?? error).slice(0, 300);
  if (/disconnected|no longer exists/i.test(text)) return new RadioError('gone', 'the toy is not connected');
  if (/already in progress/i.test(text)) return new RadioError('busy', 'the radio was busy with this toy');
  switch (error?.name) {
    case 'SecurityError': return new RadioError('unsupported', `the browser keeps this from pages: ${text}`);
    case 'NotFoundError': return new RadioError('not_found', text);
    case 'InvalidStateError': return new RadioError('gone', 'the toy is not connected');
    case 'NetworkError': return new RadioError(/no longer in range|attempt failed/i.test(text) ? 'not_found' : 'radio', text);
    default: return new RadioError('refused', text);
  }
}

export class WebRadio {
  #bluetooth;
  #turns = new Turns();
  #letGo = new WeakMap(); // device → when,
  #begun = now(); // and what a page before this one had

  // `onLost()`: the browser's Bluetooth no longer answers; only loading the page again helps.
  constructor(bluetooth, onLost) {
    this.#bluetooth = bluetooth;
    this.onLost = onLost;
  }

  // Whether there is a radio and it is on.
  async on() { return this.#bluetooth.getAvailability(); }

  // `changed(on)` when somebody switches the radio.
  watch(changed) {
    this.#bluetooth.addEventListener?.('availabilitychanged', event => changed(event.value));
  }

  // Let the person choose a toy; needs their tap. Null if they chose none. `interests`: the hub's
  // Interests; `all`: show everything nearby, for toys that hide their name. What the browser would
  // not take is left out, for it would refuse the rest as well.
  async choose(interests, all) {
    const services = (interests.services ?? []).filter(uuid => UUID.test(uuid));
    const filters = [
      ...(interests.names ?? []).map(nameFilter).filter(Boolean),
      ...services.filter(uuid => !BLOCKED_IN_FILTERS.has(uuid)).map(uuid => ({ services: [uuid] })),
      ...(interests.companies ?? []).map(company => ({ manufacturerData: [{ companyIdentifier: company }] })),
    ];
    const wanted = all || !filters.length ? { acceptAllDevices: true } : { filters };
    try {
      return await this.#bluetooth.requestDevice({ ...wanted, optionalServices: services });
    } catch (error) {
      if (error.name === 'NotFoundError' && /cancel/i.test(error.message)) return null;
      throw translated(error);
    }
  }

  // Toys that may be used without asking again; none in browsers that forget them.
  async remembered() {
    if (!this.#bluetooth.getDevices) return [];
    return within(ALIVE_MS, this.#bluetooth.getDevices(), tooLate).catch(() => []);
  }

  get remembers() { return Boolean(this.#bluetooth.getDevices); }

  // Connect and discover. `onGone(text)` is called once if the toy goes away by itself afterwards;
  // `signal` gives it up. One connect at a time: Android's stack fails the second. The time limit
  // includes the wait for the others.
  async connect(device, timeoutMs, onGone, signal) {
    const limit = new Limit(now() + timeoutMs / 1000, signal);
    try {
      return await limit.race(this.#turns.mine(
        device, () => limit.crowd(now() + CROWDED_S), () => this.#connect(device, limit, onGone),
      ));
    } finally {
      limit.close();
    }
  }

  async #connect(device, limit, onGone) {
    if (limit.error) throw limit.error;
    const watching = new AbortController();
    try {
      for (let attempt = 0; ; attempt++) {
        try {
          return await this.#made(device, limit, onGone);
        } catch (error) {
          const failed = translated(error);
          // A disconnection that is still under way cancels a connect, or ends what it has made.
          const ended = (error.name === 'AbortError' || failed.code === 'gone') && attempt < 2;
          // Known from earlier, not seen since the browser started: look for it while trying.
          const unseen = failed.code === 'not_found' && device.watchAdvertisements && limit.leftS > 2;
          if (limit.error || !(ended || unseen)) throw failed;
          if (unseen) await limit.race(this.#look(device, watching.signal));
          else this.letGo(device);
        }
      }
    } catch (error) {
      this.letGo(device);
      const failed = translated(error);
      if (failed.code === 'timeout') this.checkAlive();
      throw failed;
    } finally {
      watching.abort();
    }
  }

  // End its connection, or the try to make one.
  letGo(device) {
    this.#letGo.set(device, now());
    device.gatt.disconnect();
  }

  async #made(device, limit, onGone) {
    const wait = (this.#letGo.get(device) ?? this.#begun) + ENDING_S - now();
    if (wait > 0) await limit.race(sleep(wait * 1000));
    await limit.race(device.gatt.connect());
    limit.relax(); // what is connected needs no turn of its own to be discovered
    let whole = false;
    const connection = new Connection(device, this, text => { if (whole) onGone(text); });
    await limit.race(within(DISCOVERY_MS, connection.discover(), tooLate));
    if (!connection.connected) throw new RadioError('gone', 'the toy is not connected');
    whole = true;
    return connection;
  }

  async #look(device, signal) {
    const seen = new Promise(resolve => {
      device.addEventListener('advertisementreceived', resolve, { once: true, signal });
    });
    // Some stacks scan for this but report nothing; connecting again every two seconds covers them.
    const watch = device.watchAdvertisements({ signal }).catch(() => {});
    await watch;
    await Promise.race([seen, sleep(2000)]);
  }

  // After a time limit: is it the toy that does not answer, or the browser?
  async checkAlive() {
    try {
      await within(ALIVE_MS, this.on(), tooLate);
    } catch (error) {
      if (error.code === 'timeout') this.onLost();
    }
  }
}

// Null for a name that the browser would not take.
function nameFilter(name) {
  const prefix = name.endsWith('*') && name.length > 1;
  const wanted = prefix ? name.slice(0, -1) : name;
  if (!wanted || new TextEncoder().encode(wanted).length > MOST_NAME_BYTES) return null;
  return prefix ? { namePrefix: wanted } : { name: wanted };
}

// A time limit that comes sooner when others wait, and ends at once with `signal`.
class Limit {
  error = null;
  #ends;
  #crowded = Infinity;
  #alarm = new Alarm(() => this.#look());

  constructor(ends, signal) {
    this.#ends = ends;
    this.over = new Promise((_, reject) => { this.reject = reject; });
    this.over.catch(() => {}); // whoever races it is told
    signal?.addEventListener('abort', () => this.#end(new RadioError('gone', 'it was given up')), { once: true });
    this.#look();
  }

  get leftS() { return Math.min(this.#ends, this.#crowded) - now(); }

  crowd(at) {
    this.#crowded = Math.min(this.#crowded, at);
    this.#look();
  }

  // Others wait no longer.
  relax() { this.#crowded = Infinity; }

  race(promise) { return Promise.race([promise, this.over]); }

  close() { this.#alarm.stop(); }

  #look() {
    if (this.leftS <= 0) this.#end(tooLate());
    else if (!this.error) this.#alarm.by(now() + this.leftS);
  }

  #end(error) {
    this.error ??= error;
    this.reject(this.error);
  }
}

// One connected toy. One operation at a time; the caller (Peripheral) sees to that.
export class Connection {
  #device;
  #radio;
  #onGone;
  #characteristics = new Map(); // handle → characteristic
  #listeners = new Map(); // handle → listener
  #abort = null;
  #reading = null;
  services = [];
  mtu = MTU;

  constructor(device, radio, onGone) {
    this.#device = device;
    this.#radio = radio;
    this.#onGone = onGone;
    device.addEventListener('gattserverdisconnected', this.#disconnected);
  }

  get connected() { return Boolean(this.#onGone); }

  async discover() {
    let services;
    try {
      services = await this.#device.gatt.getPrimaryServices();
    } catch (error) {
      if (error.name !== 'NotFoundError') throw error;
      throw new RadioError('unsupported', 'this device has no service that the hub knows');
    }
    for (const service of services) {
      const found = await service.getCharacteristics().catch(error => {
        // A service may hold nothing that pages are allowed to see.
        if (error.name === 'NotFoundError' || error.name === 'SecurityError') return [];
        throw error;
      });
      this.services.push({ uuid: service.uuid, characteristics: found.map(c => this.#known(c)) });
    }
  }

  #known(characteristic) {
    const h = this.#characteristics.size + 1;
    this.#characteristics.set(h, characteristic);
    const has = characteristic.properties;
    const properties = [
      has.read && 'read', has.write && 'write', has.writeWithoutResponse && 'write-without-response',
      has.notify && 'notify', has.indicate && 'indicate',
    ].filter(Boolean);
    return { h, uuid: characteristic.uuid, properties };
  }

  has(handle) { return this.#characteristics.has(handle); }

  // Resolves once the radio (or, with `response`, the toy) has taken the bytes.
  write(handle, data, response, limitMs = OPERATION_MS) {
    return this.#operate(limitMs, () => this.writeNow(handle, data, response));
  }

  // The same without any limit and without waiting for anything: for a page that is going away.
  writeNow(handle, data, response) {
    const characteristic = this.#characteristics.get(handle);
    const has = characteristic.properties;
    const answered = response ? has.write || !has.writeWithoutResponse : !has.writeWithoutResponse;
    return answered ? characteristic.writeValueWithResponse(data) : characteristic.writeValueWithoutResponse(data);
  }

  async read(handle) {
    const characteristic = this.#characteristics.get(handle);
    // readValue() also fires the event of a notification, with the very value it resolves to:
    // hold back what arrives meanwhile, and pass on all but that one.
    const held = [];
    this.#reading = { handle, held };
    let value = null;
    try {
      value = await this.#operate(OPERATION_MS, () => characteristic.readValue());
      return bytes(value);
    } finally {
      this.#reading = null;
      for (const [item, pass] of held) if (item !== value) pass(bytes(item));
    }
  }

  async subscribe(handle, onValue) {
    const characteristic = this.#characteristics.get(handle);
    if (!this.#listeners.has(handle)) {
      const listener = () => {
        const { value } = characteristic;
        if (this.#reading?.handle === handle) this.#reading.held.push([value, onValue]);
        else onValue(bytes(value));
      };
      this.#listeners.set(handle, listener);
      // Before startNotifications, or the first ones are lost.
      characteristic.addEventListener('characteristicvaluechanged', listener);
    }
    try {
      await this.#operate(OPERATION_MS, () => characteristic.startNotifications());
    } catch (error) {
      this.#deafen(handle);
      throw error;
    }
  }

  async unsubscribe(handle) {
    this.#deafen(handle);
    await this.#operate(OPERATION_MS, () => this.#characteristics.get(handle).stopNotifications());
  }

  #deafen(handle) {
    const listener = this.#listeners.get(handle);
    this.#characteristics.get(handle).removeEventListener('characteristicvaluechanged', listener);
    this.#listeners.delete(handle);
  }

  // Let the toy go. onGone is not called for it.
  disconnect() {
    this.#end();
    this.#radio.letGo(this.#device);
  }

  #disconnected = () => {
    const onGone = this.#onGone;
    this.#end();
    onGone?.('it is out of reach or switched off, or Bluetooth is');
  };

  // Every object of this connection is dead now; a new connection discovers again.
  #end() {
    this.#onGone = null;
    this.#device.removeEventListener('gattserverdisconnected', this.#disconnected);
    for (const handle of [...this.#listeners.keys()]) this.#deafen(handle);
    this.#abort?.(new RadioError('gone', 'the toy is not connected'));
  }

  // Chromium may never settle what is pending when the toy goes: `#abort` does.
  async #operate(limitMs, start) {
    if (!this.#onGone) throw new RadioError('gone', 'the toy is not connected');
    const aborted = new Promise((_, reject) => { this.#abort = reject; });
    try {
      return await within(limitMs, Promise.race([start(), aborted]), tooLate);
    } catch (error) {
      const failed = translated(error);
      if (failed.code === 'timeout') this.#stuck();
      throw failed;
    }
  }

  // The browser goes on waiting and would refuse everything else for this toy: letting go is the
  // only way out.
  #stuck() {
    this.#radio.checkAlive();
    const onGone = this.#onGone;
    if (!onGone) return;
    this.disconnect();
    onGone('the toy did not answer and was let go');
  }
}

const bytes = view => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
