// One websocket as a channel of frames, and dialing several places at once.

import { clock, now, within } from './clock.js';
import { localNetwork } from './places.js';

const CONNECT_MS = 5000; // weak Wi-Fi has been seen to take seconds
const ASKING_MS = 60000; // a person reads the browser's question
// Head start of each place over the next (RFC 8305, 5): the first is the best guess, and one that
// swallows packets must not cost the whole of CONNECT_MS.
const HEAD_START_S = 0.25;
// Frames that nobody waits for yet; a handshake has two at most.
const MOST_EARLY = 8;

// One websocket as a channel of frames.
export class Pipe {
  #arrived = [];
  #reader = null;
  #closed = false;
  onFrame = null;
  onClose = null;

  static async open(url, ms) {
    const pipe = new Pipe();
    let socket;
    try {
      socket = new WebSocket(url);
    } catch {
      throw new Error('mixed'); // the only reason with a URL of ours: ws from https, to a public name
    }
    pipe.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = event => pipe.#take(event.data);
    try {
      await within(ms, new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onclose = () => reject(new Error('unreachable'));
      }), () => new Error('unreachable'));
    } catch (error) {
      socket.close();
      throw error;
    }
    socket.onclose = () => pipe.#end();
    return pipe;
  }

  get waiting() { return this.socket.bufferedAmount; }

  send(frame) { if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame); }

  receive() {
    return new Promise((resolve, reject) => {
      if (this.#arrived.length) resolve(this.#arrived.shift());
      else if (this.#closed) reject(new Error('closed'));
      else this.#reader = { resolve, reject };
    });
  }

  // From now on every frame goes to `onFrame`, those that have come already first.
  flow(onFrame, onClose) {
    this.onFrame = onFrame;
    this.onClose = onClose;
    for (const frame of this.#arrived.splice(0)) onFrame(frame);
    if (this.#closed) onClose();
  }

  close(code = 1000) {
    this.socket.close(code);
    this.#end();
  }

  #take(data) {
    const frame = typeof data === 'string' ? data : new Uint8Array(data);
    const reader = this.#reader;
    this.#reader = null;
    if (this.onFrame) this.onFrame(frame);
    else if (reader) reader.resolve(frame);
    else if (this.#arrived.push(frame) > MOST_EARLY) this.close();
  }

  #end() {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader?.reject(new Error('closed'));
    this.onClose?.();
  }
}

// Dials `places`, each a little later than the one before.
export class Dials {
  #over = false;
  #answers = [];
  #wake = () => {};

  constructor(places) {
    this.count = places.length;
    places.forEach((place, number) => {
      if (number === 0) this.#dial(place);
      else clock.set(now() + number * HEAD_START_S, () => this.#dial(place));
    });
  }

  // { place, pipe } or { place, error } of each, as they come. Who takes a pipe has to close it.
  async* answers() {
    for (let left = this.count; left; left--) {
      while (!this.#answers.length) await new Promise(resolve => { this.#wake = resolve; });
      yield this.#answers.shift();
    }
  }

  // Nobody wants the others any more.
  stop() {
    this.#over = true;
    for (const { pipe } of this.#answers.splice(0)) pipe?.close();
  }

  async #dial(place) {
    if (this.#over) return;
    let answer;
    try {
      answer = { place, pipe: await Pipe.open(place, await patience(place)) };
    } catch (error) {
      answer = { place, error };
    }
    if (this.#over) {
      answer.pipe?.close();
      return;
    }
    this.#answers.push(answer);
    this.#wake();
  }
}

// How long to wait for a websocket. While Chrome asks whether this page may reach the local
// network, a person has to answer first.
async function patience(url) {
  if (!url.startsWith('ws:') || location.protocol !== 'https:') return CONNECT_MS;
  return (await localNetwork())?.state === 'prompt' ? ASKING_MS : CONNECT_MS;
}
