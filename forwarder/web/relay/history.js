// What was written last to one peripheral: what a keep-alive repeats, running numbers, and how long
// it may go on moving by itself. Knows no browser. The same rules as relay/peripheral/history.py.

import { HISTORY_MOST } from './limits.js';

export class History {
  lastAt; // when something was written last
  running = false; // a value was taken, and nobody has said since that everything is off
  endless = false; // whether something moves by itself though nothing more is written,
  movesUntil; // or until when
  #last = new Map(); // "characteristic/slot" → { packet, rest, movesMs }, in the order of writing
  #numbers = new Map();
  #movesMs = null;

  constructor(now) { this.lastAt = this.movesUntil = now; }

  // --- running numbers ---------------------------------------------------------------------------

  // The bytes to write, their running number being the next one. They count as written. The first
  // packet of a characteristic keeps the number that it came with.
  number(packet) { return numbered(packet, this.#numbers); }

  // What number() would give for each of `packets` in turn; nothing counts as written.
  preview(packets) {
    const ahead = new Map(this.#numbers);
    return packets.map(packet => numbered(packet, ahead));
  }

  // --- what was written --------------------------------------------------------------------------

  // Something that may move the toy is handed over.
  handed(now, movesMs) {
    if (movesMs === null) this.endless = true;
    else this.movesUntil = Math.max(this.movesUntil, now + movesMs / 1000);
  }

  // The radio took it. A packet without keys is the last one of its characteristic.
  taken(packet, rest, movesMs = null) {
    const written = { packet, rest, movesMs };
    for (const key of packet.k?.length ? packet.k : [-1]) {
      const place = `${packet.h}/${key}`;
      this.#last.delete(place);
      this.#last.set(place, written);
    }
    while (this.#last.size > HISTORY_MOST) this.#last.delete(this.#last.keys().next().value);
    this.running = !rest;
    if (this.running) this.#movesMs = movesMs;
  }

  // Everything is off, says the hub: no value that ran before is ever repeated.
  rests() {
    this.running = false;
    for (const [place, { rest }] of this.#last) if (!rest) this.#last.delete(place);
  }

  // A stop takes the place of everything: nothing older is ever repeated.
  clear() {
    this.running = false;
    this.#last.clear();
  }

  // It was stopped, and moves no more.
  settled(now) {
    this.endless = false;
    this.movesUntil = now;
  }

  get any() { return this.#last.size > 0; }

  // --- repeating ---------------------------------------------------------------------------------

  // What a keep-alive repeats, the newest of each slot; null: the armed stop. `open`: values may
  // pass. The next one is due an interval from now.
  repetition(keepalive, now, open) {
    this.lastAt = now;
    if (open && this.running && keepalive.packet) {
      // What keeps a run going moves it for as long as what went before.
      return [{ packet: keepalive.packet, rest: false, movesMs: this.#movesMs }];
    }
    return open && this.#last.size ? [...new Set(this.#last.values())] : null;
  }
}

function numbered(packet, numbers) {
  const { counter } = packet;
  if (!counter || counter.at >= packet.d.length) return packet.d;
  const place = `${packet.h}/${counter.at}`;
  const data = packet.d.slice();
  const before = data[counter.at];
  const after = numbers.has(place) ? (numbers.get(place) + 1) & 0xff : before;
  if (!numbers.has(place) && numbers.size >= HISTORY_MOST) numbers.delete(numbers.keys().next().value);
  numbers.set(place, after);
  data[counter.at] = after;
  const sum = counter.xor_at ?? null;
  if (sum !== null && sum < data.length) data[sum] ^= before ^ after;
  return data;
}
