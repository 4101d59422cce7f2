// What waits to be written to one peripheral, and in which order. Knows no browser.
//
// The rules of relay/peripheral/slots.py: entries leave in the order in which they came. Packets of
// one Output stay together; a newer Output takes away queued packets that share a key with one of
// its own, and steps into the place of the first Output that it emptied. Reads, writes and
// subscriptions are barriers. A packet that is delayed (`after_ms`) lets others pass.
//
// An entry is a group { id, packets, readyAt, rest, movesMs, armed, windowEnds, superseded, struck,
// began, mark } or a request { message, readyAt }; an Output as a request has no packets.

import { MERGE_S, QUEUE_MOST } from './limits.js';

export class Congested extends Error {}

const share = (packet, keys) => (packet.k ?? []).some(key => keys.has(key));
const delay = packet => (packet.after_ms ?? 0) / 1000;
const writes = entry => Boolean(entry.packets) || entry.message.t === 'Write';

// What is to be written of one Output; `id` null: of the keep-alive.
export const group = (id, packets, readyAt, about) => ({
  id, packets, readyAt, rest: false, movesMs: null, armed: false, windowEnds: 0, superseded: false, struck: false, began: null, mark: 0, ...about,
});

export class Slots {
  gapS = 0; // least time between two writes, from start to start
  #entries = [];
  #size = 0;
  #clearAt = 0;
  #taken = null;

  get length() { return this.#size; }

  // Queue the packets of an Output; returns the ids of those that it leaves nothing of. Throws
  // Congested, and then has changed nothing.
  output({ id, packets, rest = false, merge = false, moves_ms: movesMs = null }, now) {
    const keys = new Set(packets.flatMap(packet => packet.k ?? []));
    let going = 0;
    for (const entry of this.#entries) going += entry.packets?.filter(packet => share(packet, keys)).length ?? 0;
    if (this.#size - going + packets.length > QUEUE_MOST) throw new Congested();
    const idle = this.#taken === null && !this.#entries.length && now >= this.#clearAt;
    const fresh = group(id, [...packets], now + delay(packets[0]), { rest, movesMs: movesMs ?? null });
    if (merge && idle) fresh.windowEnds = now + MERGE_S;
    const { gone, place } = this.#supersede(keys, now);
    if (!rest) this.unrest();
    if (place === null) this.#entries.push(fresh);
    else {
      fresh.windowEnds = place.windowEnds;
      this.#entries[this.#entries.indexOf(place)] = fresh;
      if (rest) {
        fresh.rest = false;
        this.restLast();
      }
    }
    fresh.readyAt = Math.max(fresh.readyAt, fresh.windowEnds);
    this.#size += packets.length;
    this.#sweep();
    return ids(gone);
  }

  // Something that is on was said meanwhile: with what waits, not everything is off.
  unrest() {
    for (const entry of this.#waiting()) entry.rest = false;
  }

  // A word that everything is off comes ahead of what waits: it holds with the last of it. False: no
  // value waits.
  restLast() {
    const last = this.#waiting().at(-1);
    if (last) last.rest = true;
    return Boolean(last);
  }

  #waiting() { return this.#entries.filter(entry => entry.packets?.length && entry.id !== null); }

  // Whether a value waits.
  get holdValue() { return this.#waiting().length > 0 || this.#entries.some(entry => entry.message?.t === 'Write'); }

  // Queue a request behind everything. Throws Congested.
  request(message) {
    if (this.#size >= QUEUE_MOST) throw new Congested();
    this.#entries.push({ message, readyAt: 0 });
    this.#size++;
  }

  // Queue a keep-alive: any newer value of the same slot takes its place.
  repeat(repetition) {
    this.#entries.push(repetition);
    this.#size += repetition.packets.length;
  }

  // Take away queued packets of these slots; returns the Outputs that nothing is left of.
  dropKeys(keys, now) {
    const { gone } = this.#supersede(new Set(keys), now);
    this.#sweep();
    return ids(gone);
  }

  // Take away the packets of every Output; returns the ids of those that wait.
  dropOutputs() {
    const gone = [];
    for (const entry of this.#entries) {
      if (!entry.packets) continue;
      this.#size -= entry.packets.length;
      entry.superseded ||= entry.packets.length > 0;
      entry.packets = [];
      if (entry !== this.#taken) gone.push(entry);
    }
    this.#sweep();
    return ids(gone);
  }

  // Take away what a keep-alive has queued; what is being written of it stops nothing.
  dropRepeats() {
    for (const entry of this.#entries) {
      if (!entry.packets || entry.id !== null) continue;
      entry.armed = false;
      this.#size -= entry.packets.length;
      entry.superseded ||= entry.packets.length > 0;
      entry.packets = [];
    }
    this.#sweep();
  }

  // Take away everything that writes; returns the ids of Outputs and of Writes. Reads stay.
  dropWrites(struck = false) {
    const outputs = [];
    const written = [];
    const kept = [];
    for (const entry of this.#entries) {
      if (entry.packets) {
        const left = entry.packets.length > 0;
        this.#size -= entry.packets.length;
        entry.packets = [];
        if (entry === this.#taken) {
          entry.superseded ||= left;
          entry.struck = struck && left;
        } else if (entry.id !== null) outputs.push(entry.id);
      } else if (entry.message.t === 'Write' || entry.message.t === 'Output') {
        this.#size--;
        (entry.message.t === 'Write' ? written : outputs).push(entry.message.id);
      } else kept.push(entry);
    }
    this.#entries = kept;
    return { outputs, writes: written };
  }

  // Take away everything that is queued; returns every id that is still to be answered.
  dropAll() {
    const { outputs, writes: written } = this.dropWrites();
    const rest = this.#entries.map(entry => entry.message.id);
    this.#entries = [];
    this.#size = 0;
    return [...outputs, ...written, ...rest];
  }

  // What is to be carried out now: { group, packet }, { message }, or null. Whoever takes an entry
  // tells finished() before taking the next one.
  take(now) {
    for (const entry of this.#entries) {
      if (entry.readyAt > now) continue;
      if (writes(entry) && now < this.#clearAt) return null;
      this.#taken = entry;
      this.#size--;
      if (entry.packets) return { group: entry, packet: entry.packets.shift() };
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      return entry;
    }
    return null;
  }

  // The request that was taken has not begun after all: it is the first one again.
  putBack() {
    const entry = this.#taken;
    this.#taken = null;
    if (!entry?.message) return;
    this.#entries.unshift(entry);
    this.#size++;
  }

  // A write, of whatever kind, is starting: the gap counts from here.
  wrote(now) { this.#clearAt = now + this.gapS; }

  // What was taken is over; true if nothing is left of its command, so that it is answered.
  finished(now, failed = false) {
    const entry = this.#taken;
    this.#taken = null;
    if (!entry?.packets) return true;
    if (entry.packets.length && !failed) {
      entry.readyAt = now + delay(entry.packets[0]);
      return false;
    }
    this.#size -= entry.packets.length;
    entry.packets = [];
    const place = this.#entries.indexOf(entry);
    if (place >= 0) this.#entries.splice(place, 1);
    return true;
  }

  // When to ask take() again after it had nothing at `now`; infinite: when something comes in.
  due(now) {
    let due = Infinity;
    for (const entry of this.#entries) {
      // It waits for the gap, and everything behind it waits for it.
      if (entry.readyAt <= now) return Math.min(due, this.#clearAt);
      due = Math.min(due, Math.max(entry.readyAt, this.#clearAt));
    }
    return due;
  }

  #sweep() {
    this.#entries = this.#entries.filter(entry => !entry.packets || entry.packets.length);
  }

  // Take queued packets of these slots away, leaving empty groups in their places. Returns the groups
  // to be answered, and the first place that something newer may step into.
  #supersede(keys, now) {
    const gone = [];
    let place = null;
    for (const entry of this.#entries) {
      if (!entry.packets) {
        place = null;
        continue;
      }
      const kept = entry.packets.filter(packet => !share(packet, keys));
      if (kept.length === entry.packets.length) continue;
      this.#size -= entry.packets.length - kept.length;
      if (kept.length && kept[0] !== entry.packets[0]) entry.readyAt = now + delay(kept[0]);
      entry.packets = kept;
      entry.superseded = true;
      if (kept.length) continue;
      place ??= entry;
      if (entry !== this.#taken) gone.push(entry);
    }
    return { gone, place };
  }
}

const ids = groups => groups.map(({ id }) => id).filter(id => id !== null);
