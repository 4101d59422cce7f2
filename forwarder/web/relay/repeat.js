// What was written last to one peripheral: for its keep-alive, and for running numbers. Knows no
// browser. The same rules as relay/repeat.py.

export class Written {
  #last = new Map(); // "characteristic/slot" → packet, in the order of writing
  #lastAt = -Infinity;
  #numbers = new Map();
  #running = false;

  // The bytes to write, their running number being the next one. They count as written. The first
  // packet of a characteristic keeps the number that it came with.
  number(packet) {
    const { counter } = packet;
    if (!counter || counter.at >= packet.d.length) return packet.d;
    const place = `${packet.h}/${counter.at}`;
    const data = packet.d.slice();
    const before = data[counter.at];
    const after = this.#numbers.has(place) ? (this.#numbers.get(place) + 1) & 0xff : before;
    this.#numbers.set(place, after);
    data[counter.at] = after;
    const sum = counter.xor_at ?? null;
    if (sum !== null && sum < data.length) data[sum] ^= before ^ after;
    return data;
  }

  // `packet` was written. Without keys it is the last one of its characteristic.
  note(packet, now) {
    for (const key of packet.k?.length ? packet.k : [-1]) {
      const place = `${packet.h}/${key}`;
      this.#last.delete(place);
      this.#last.set(place, packet);
    }
    this.#lastAt = now;
    this.#running = !packet.rest;
  }

  // Everything was stopped with these packets: nothing older may ever be repeated.
  stopped(packets, now) {
    this.#last.clear();
    for (const packet of packets) this.note(packet, now);
    this.#running = false;
  }

  // A keep-alive counts from here.
  armed(now) { this.#lastAt = Math.max(this.#lastAt, now); }

  // When the next repetition is due; null if there is nothing to repeat.
  due(keepalive) {
    if (keepalive.only_running && !this.#running) return null;
    if (!keepalive.packet && !this.#last.size) return null;
    return this.#lastAt + keepalive.every_ms / 1000;
  }

  // What is to be repeated; the next repetition is due one interval from now.
  repetition(keepalive, now) {
    this.#lastAt = now;
    return keepalive.packet ? [keepalive.packet] : [...new Set(this.#last.values())];
  }
}
