// Values that wait for their time, in front of the slots. Knows no browser. The same as
// relay/peripheral/timed.py, where the table of it stands: what waits here was handed to nobody, makes
// nothing "on" or "off"; every strike drops it, and every stop of a slot of it.

import { LATE_S, TIMED_MOST } from './limits.js';

const keysOf = ({ packets }) => new Set(packets.flatMap(packet => packet.k ?? []));
const sizeOf = ({ packets }) => Math.max(1, packets.length);
const meet = (some, others) => [...some].some(key => others.has(key));

export class TimedValues {
  due = Infinity; // when ripe() has something
  #waiting = []; // { at, message, keys }, the earliest first
  #size = 0;

  // Whether there is a place for it, beside all that waits.
  fits(message) { return this.#size + sizeOf(message) <= TIMED_MOST; }

  // Let it wait until `at`, behind what is due by then.
  add(message, at) {
    if (!message.rest) this.unrest();
    const behind = this.#waiting.findIndex(each => each.at > at);
    const due = { at, message, keys: keysOf(message) };
    this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, due);
    this.#size += sizeOf(message);
    this.due = this.#waiting[0].at;
    if (message.rest) {
      due.message = { ...message, rest: false };
      this.restLast(); // itself, or what is due behind it
    }
  }

  // Something that is on was said meanwhile: with what waits, not everything is off.
  unrest() {
    for (const each of this.#waiting) each.message = { ...each.message, rest: false };
  }

  // A word that everything is off came ahead of what waits: it holds with the last of it. False:
  // nothing waits.
  restLast() {
    const last = this.#waiting.at(-1);
    if (last) last.message = { ...last.message, rest: true };
    return Boolean(last);
  }

  // A newer value counts from `at` on: the ids of those whose place it takes.
  supersede(message, at) {
    const everything = message.rest && !message.packets.length;
    const keys = keysOf(message);
    return this.#take(each => each.at >= at && (everything || meet(each.keys, keys)));
  }

  // The ids of what the Stop takes the place of, and of what it ends though nobody knows whether it is
  // of its slots.
  stop(keys, everything) {
    const superseded = this.#take(each => everything || meet(each.keys, keys));
    return { superseded, others: this.#take(each => !each.keys.size && !each.message.off) };
  }

  // Nothing waits any more; returns whom it belonged to.
  drop() { return this.#take(() => true); }

  // The next one whose time has come, or null.
  ripe(now) {
    if (now < this.due) return null;
    const [first] = this.#waiting;
    this.#take(each => each === first);
    return first.message;
  }

  #take(goes) {
    const gone = this.#waiting.filter(goes);
    if (!gone.length) return [];
    this.#waiting = this.#waiting.filter(each => !gone.includes(each));
    for (const { message } of gone) this.#size -= sizeOf(message);
    this.due = this.#waiting[0]?.at ?? Infinity;
    return gone.map(({ message }) => message.id);
  }
}

// Whether it is not carried out any more. Off is never late.
export const isLate = (message, at, now) => now - at > LATE_S && !message.off;
