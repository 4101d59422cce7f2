// Game pads as a radio: rumble. A level is an effect that ends by itself, and is begun anew while it
// holds: a page that hangs or dies leaves no pad rumbling for as long as a lease. The same times as
// relay/radio/gamepad/radio.py.

import { clock, now, within } from './clock.js';
import { RadioError } from './radio.js';

// relay/link/stand_ins.py makes these of `gamepad`; a test compares them.
export const SERVICE = '705f2d22-68d6-5b31-a275-e00044ea451a';
export const TX_UUID = '357290c2-2806-59a3-b6b7-7a058b879de4';
export const RX_UUID = '081e8736-ad66-515b-bf5f-ac2c3c8b8407';
const TX = 1;
const RX = 2;
const MTU = 23;
const TOP = 0xffff;
const EFFECT_MS = 800;
const RENEW_S = 0.25;
const OPERATION_MS = 2000;
const EFFECT = 'dual-rumble';
const NAME_MOST = 128;

const LOST = 'it was unplugged, or switched off';

export const canRumble = scope => 'vibrationActuator' in (scope.Gamepad?.prototype ?? {});

export class PadRadio {
  service = SERVICE;
  #pads;
  #target;
  #devices = new Map(); // index → device
  #connections = new Map(); // index → connection

  // `pads` has getGamepads(), `target` tells of pads that come and go.
  constructor(pads, target) {
    this.#pads = pads;
    this.#target = target;
    target.addEventListener('gamepaddisconnected', ({ gamepad }) => {
      this.#devices.delete(gamepad.index);
      this.#connections.get(gamepad.index)?.lost();
    });
  }

  // `found(device)`: a pad has come.
  watch(found) {
    this.#target.addEventListener('gamepadconnected', ({ gamepad }) => {
      if (rumbles(gamepad)) found(this.#known(gamepad));
    });
  }

  // The first pad that nobody has chosen yet, or null: pages see a pad once a button was pressed on it.
  async choose() {
    const free = this.#there().find(pad => !this.#devices.get(pad.index)?.chosen);
    if (!free) return null;
    const device = this.#known(free);
    device.chosen = true;
    return device;
  }

  // None of itself: which pad a person meant, they said with a tap.
  async remembered() { return []; }

  async connect(device, timeoutMs, onGone, signal) {
    const { index } = device;
    const actuator = () => this.#there().find(pad => pad.index === index && pad.id === device.pad)?.vibrationActuator;
    if (!actuator()) throw new RadioError('not_found', 'press a button on the pad, so that this page sees it');
    if (signal?.aborted) throw new RadioError('gone', 'it was given up');
    if (this.#connections.has(index)) throw new RadioError('busy', 'this pad is connected already');
    const made = new PadConnection(actuator, left => {
      if (this.#connections.get(index) === made) this.#connections.delete(index);
      if (left !== null) onGone(left);
    });
    this.#connections.set(index, made);
    return made;
  }

  #there() { return [...this.#pads.getGamepads()].filter(pad => pad?.connected && rumbles(pad)); }

  #known(pad) {
    let device = this.#devices.get(pad.index);
    if (device?.pad !== pad.id) {
      const before = this.#there().filter(other => other.id === pad.id && other.index < pad.index).length;
      const id = `pad-${before + 1}-${pad.id}`;
      device = { id, name: pad.id.slice(0, NAME_MOST), pad: pad.id, index: pad.index, radio: this, services: [SERVICE], chosen: false };
      device.forget = async () => { device.chosen = false; };
      this.#devices.set(pad.index, device);
    }
    return device;
  }
}

const rumbles = pad => {
  const { vibrationActuator: actuator } = pad;
  return Boolean(actuator?.playEffect) && (actuator.effects?.includes(EFFECT) ?? actuator.type === EFFECT);
};

// One pad: four levels of 16 bits, low byte first; of the triggers nothing is driven.
export class PadConnection {
  services = [{
    uuid: SERVICE,
    characteristics: [
      { h: TX, uuid: TX_UUID, properties: ['write', 'write-without-response'] },
      { h: RX, uuid: RX_UUID, properties: ['read'] },
    ],
  }];
  mtu = MTU;
  #actuator;
  #left;
  #levels = [0, 0];
  #timer = null;
  #over = null;

  constructor(actuator, left) {
    this.#actuator = actuator;
    this.#left = left;
  }

  get connected() { return this.#over === null; }

  has(handle) { return handle === TX || handle === RX; }

  async write(handle, data, response, limitMs = OPERATION_MS) {
    if (handle !== TX || data.length !== 8) throw new RadioError('refused', 'this cannot be written');
    const done = this.writeNow(handle, data);
    try {
      await within(limitMs, done, () => new RadioError('timeout', 'the toy did not answer in time'));
    } catch (error) {
      if (error instanceof RadioError) throw error;
      throw new RadioError('radio', String(error?.message ?? error).slice(0, 300));
    }
  }

  // What there is to do is done in this call. The promise is that of a stop; that of an effect would
  // only settle with its end, unless the browser refuses it.
  writeNow(handle, data) {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    // From here on they are not renewed, whatever becomes of this.
    this.#levels = [0, 0];
    if (this.#over !== null) return Promise.reject(new RadioError('gone', this.#over));
    const actuator = this.#actuator();
    if (!actuator) {
      this.lost();
      return Promise.reject(new RadioError('gone', LOST));
    }
    const levels = [view.getUint16(0, true), view.getUint16(2, true)];
    if (!levels.some(Boolean)) return Promise.resolve(actuator.reset());
    const playing = this.#play(actuator, levels);
    this.#levels = levels;
    this.#again();
    return Promise.race([playing, new Promise(resolve => { setTimeout(resolve); })]);
  }

  async read() { throw new RadioError('refused', 'it tells no battery level'); }
  async subscribe() { throw new RadioError('refused', 'there is nothing to listen to'); }
  async unsubscribe() { throw new RadioError('refused', 'there is nothing to listen to'); }

  // Let the pad go, at rest.
  disconnect() {
    if (this.#over === null) this.#actuator()?.reset().catch(() => {});
    this.#end('it was let go', null);
  }

  lost() { this.#end(LOST, LOST); }

  #end(text, left) {
    if (this.#over !== null) return;
    this.#over = text;
    this.#levels = [0, 0];
    clock.cancel(this.#timer);
    this.#left(left);
  }

  #play(actuator, [low, high]) {
    return actuator.playEffect(EFFECT, {
      startDelay: 0, duration: EFFECT_MS, strongMagnitude: low / TOP, weakMagnitude: high / TOP,
    });
  }

  #again() {
    clock.cancel(this.#timer);
    this.#timer = clock.set(now() + RENEW_S, () => {
      const actuator = this.#actuator();
      if (this.#over !== null || !this.#levels.some(Boolean)) return;
      if (!actuator) {
        this.lost();
        return;
      }
      this.#play(actuator, this.#levels).catch(() => {}); // a stop comes by the lease
      this.#again();
    });
  }
}
