// Web Serial as a radio: T-Code machines on a cable. The same conversation, byte for byte, as the
// relay's own (relay/radio/wired/radio.py and connection.py, where the times' reasons stand).

import { now, sleep, within } from './clock.js';
import { RadioError } from './radio.js';
import { AXES, LineSplitter, WHO, axis, isVersion, nameOf } from './tcode.js';

// relay/link/stand_ins.py makes these of `serial/tcode-v03`; a test compares them.
export const SERVICE = 'c5bd2aa1-cb55-5a6f-8443-d323e30389b4';
export const TX_UUID = '1106ff1b-b744-59df-a5da-7aaa9a018cfb';
export const RX_UUID = 'f9da8fff-a4e3-5795-b765-0c473166e13d';
const TX = 1;
const RX = 2;
const OPTIONS = { baudRate: 115200, dataBits: 8, parity: 'none', stopBits: 1, flowControl: 'none' };
const VALUE_MOST = 512;
const MTU = 515;
const ANSWER_S = 4;
const ASK_MS = 250;
const QUIET_MS = 200;
const AXES_S = 1;
const OPERATION_MS = 5000;
// What was written last has this long (ms) to leave before the port is closed.
const CLOSE_MS = 1000;

const bytes = text => new TextEncoder().encode(text);
const gone = text => new RadioError('gone', text);
const tooLate = () => new RadioError('timeout', 'the toy did not answer in time');
const GIVEN_UP = 'it was given up';

export class SerialRadio {
  service = SERVICE;
  #serial;
  #devices = new Map(); // port → device

  constructor(serial) { this.#serial = serial; }

  // `found(device)`: a port that may be used was plugged in.
  watch(found) {
    this.#serial.addEventListener('connect', async () => {
      for (const device of await this.remembered()) found(device);
    });
  }

  // Let the person choose a port, and ask what is there; needs their tap. Null if they chose none.
  async choose() {
    let port;
    try {
      port = await this.#serial.requestPort();
    } catch (error) {
      if (error.name === 'NotFoundError') return null;
      throw translated(error);
    }
    await this.remembered(); // numbers it
    const device = this.#known(port);
    device.name = await this.#ask(device);
    return device;
  }

  async remembered() {
    const ports = await this.#serial.getPorts().catch(() => []);
    const alike = new Map();
    return ports.map(port => this.#known(port, alike));
  }

  // Open it and make sure who is there. As WebRadio.connect().
  async connect(device, timeoutMs, onGone, signal) {
    let lost = null;
    const talk = new Talk();
    const ends = now() + timeoutMs / 1000;
    const connection = new SerialConnection(device, data => talk.feed(data), text => {
      lost = text;
      talk.lost();
      if (connection.whole) onGone(text);
    });
    const given = new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(gone(GIVEN_UP)), { once: true });
    });
    try {
      await Promise.race([given, within(timeoutMs, connection.open(), tooLate)]);
      await Promise.race([given, who(connection, talk, ends)]);
      if (signal?.aborted) throw gone(GIVEN_UP);
      if (lost !== null) throw gone(lost);
    } catch (error) {
      connection.disconnect();
      throw translated(error);
    }
    connection.whole = true;
    talk.then = data => connection.heard(data);
    return connection;
  }

  // A port has no number of its own; of several of one kind the order tells them apart.
  #known(port, alike = new Map()) {
    const { usbVendorId: vendor, usbProductId: product } = port.getInfo();
    const kind = vendor === undefined ? 'port' : `${hex(vendor)}-${hex(product)}`;
    const number = (alike.get(kind) ?? 0) + 1;
    alike.set(kind, number);
    let device = this.#devices.get(port);
    if (!device) {
      device = { id: `serial-${kind}-${number}`, name: '', port, radio: this, services: [SERVICE], closed: null };
      device.forget = async () => port.forget?.();
      this.#devices.set(port, device);
    }
    return device;
  }

  async #ask(device) {
    const talk = new Talk();
    const connection = new SerialConnection(device, data => talk.feed(data), () => talk.lost());
    try {
      await within(OPERATION_MS, connection.open(), tooLate);
      await who(connection, talk, now() + ANSWER_S);
      await connection.write(TX, bytes(AXES));
      const ends = now() + AXES_S;
      while (!talk.over && now() < ends && await talk.news(QUIET_MS)) { /* it goes on telling */ }
      return nameOf(talk.axes);
    } catch (error) {
      throw translated(error);
    } finally {
      connection.disconnect();
    }
  }
}

// Ask until it says that it speaks T-Code.
async function who(connection, talk, ends) {
  const limit = Math.min(ends, now() + ANSWER_S);
  while (!talk.version) {
    if (talk.over) throw gone('it was unplugged');
    if (now() >= limit) throw new RadioError('not_found', 'nothing on this port answers as T-Code does');
    await connection.write(TX, bytes(WHO));
    await talk.news(ASK_MS);
  }
}

// What a machine says while it is asked who it is; then `then` gets everything.
class Talk {
  version = false;
  over = false;
  axes = new Set();
  then = null;
  #lines = new LineSplitter();
  #told = () => {};

  feed(data) {
    if (this.then) {
      this.then(data);
      return;
    }
    for (const line of this.#lines.feed(data)) {
      this.version ||= isVersion(line);
      const name = axis(line);
      if (name) this.axes.add(name);
    }
    this.#told(true);
  }

  lost() {
    this.over = true;
    this.#told(true);
  }

  // Whether it said something, within this time at most.
  news(ms) {
    return Promise.race([new Promise(resolve => { this.#told = resolve; }), sleep(ms).then(() => false)]);
  }
}

// One open port. One operation at a time; the caller (Peripheral) sees to that.
export class SerialConnection {
  services = [{
    uuid: SERVICE,
    characteristics: [
      { h: TX, uuid: TX_UUID, properties: ['write', 'write-without-response'] },
      { h: RX, uuid: RX_UUID, properties: ['notify'] },
    ],
  }];
  mtu = MTU;
  whole = false;
  #device;
  #onBytes;
  #onLost;
  #lines = new LineSplitter();
  #listener = null;
  #writer = null;
  #reader = null;
  #reading = null; // a promise
  #over = null; // why it is not open any more
  #cut = () => {};

  constructor(device, onBytes, onLost) {
    this.#device = device;
    this.#onBytes = onBytes;
    this.#onLost = onLost;
  }

  get connected() { return this.#over === null; }

  async open() {
    const { port } = this.#device;
    await this.#device.closed; // by whoever had it last
    await port.open(OPTIONS);
    if (this.#over !== null) {
      await port.close();
      return;
    }
    this.#writer = port.writable.getWriter();
    this.#reading = this.#read(port);
  }

  has(handle) { return handle === TX || handle === RX; }

  // Resolves once the system has taken the bytes.
  async write(handle, data, response, limitMs = OPERATION_MS) {
    if (handle !== TX) throw new RadioError('refused', 'this cannot be written');
    if (!this.#writer || this.#over !== null) throw gone(this.#over ?? 'it is not open');
    const cut = new Promise((_, reject) => { this.#cut = reject; });
    try {
      await within(limitMs, Promise.race([this.#writer.write(data), cut]), tooLate);
    } catch (error) {
      const failed = translated(error);
      // A port that keeps a write keeps all that come behind it.
      if (failed.code === 'timeout') this.#lose('the toy did not answer and was let go');
      throw failed;
    }
  }

  // The same without any limit and without waiting for anything: for a page that is going away.
  writeNow(handle, data) { return this.#writer.write(data); }

  async read() { throw new RadioError('refused', 'this cannot be read'); }

  async subscribe(handle, onValue) {
    if (handle !== RX) throw new RadioError('refused', 'there is nothing to listen to');
    this.#listener = onValue;
  }

  async unsubscribe() { this.#listener = null; }

  heard(data) {
    for (const line of this.#lines.feed(data)) {
      for (let at = 0; at < line.length; at += VALUE_MOST) this.#listener?.(line.slice(at, at + VALUE_MOST));
    }
  }

  // Let the toy go. onLost is not called for it.
  disconnect() { this.#end('it was let go'); }

  #lose(text) {
    if (this.#over !== null) return;
    this.#end(text);
    this.#onLost(text);
  }

  #end(text) {
    if (this.#over !== null) return;
    this.#over = text;
    this.#listener = null;
    this.#cut(gone(text));
    if (this.#writer) this.#device.closed = this.#close(this.#device.port, this.#writer);
  }

  // What was written leaves first; what does not leave is given up.
  async #close(port, writer) {
    await within(CLOSE_MS, writer.close(), tooLate).catch(() => { writer.abort().catch(() => {}); });
    writer.releaseLock();
    this.#reader.cancel().catch(() => {}); // it may have ended by itself
    await within(CLOSE_MS, this.#reading, tooLate).catch(() => {});
    await within(CLOSE_MS, port.close(), tooLate).catch(() => {});
  }

  // A wrong byte ends a stream and not the port: then there is another stream.
  async #read(port) {
    let why = 'it was unplugged';
    while (port.readable && this.#over === null) {
      this.#reader = port.readable.getReader();
      try {
        for (;;) {
          const { value, done } = await this.#reader.read();
          if (done) break;
          this.#onBytes(value);
        }
      } catch (error) {
        if (error.name === 'NetworkError') break;
        why = String(error.message ?? error);
      } finally {
        this.#reader.releaseLock();
      }
    }
    this.#lose(why);
  }
}

function translated(error) {
  if (error instanceof RadioError) return error;
  const text = String(error?.message ?? error).slice(0, 300);
  switch (error?.name) {
    case 'SecurityError': return new RadioError('unsupported', `the browser keeps this from pages: ${text}`);
    case 'NetworkError': return new RadioError('gone', 'it was unplugged, or another program has it');
    case 'InvalidStateError': return new RadioError('busy', 'another page or program has this port');
    default: return new RadioError('radio', text);
  }
}

const hex = number => (number ?? 0).toString(16).padStart(4, '0');
