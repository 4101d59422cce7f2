// One way through the packets of a stop: what is next, when, and for how long it has failed. A
// further try goes on behind the packets that the radio has taken. Knows no browser. The same rules
// as relay/peripheral/runs.py and stops.py.

import { PAUSES_S, QUEUE_MOST, RETRY_FIRST_S, RETRY_MOST_S, SECOND_ROUND_MOST_S, SECOND_ROUND_S } from './limits.js';

// Steps are [packet, pause before it in seconds].

// Steps that write each packet; together they pause for PAUSES_S at most.
export function once(packets) {
  let left = PAUSES_S;
  return packets.map(packet => {
    const pause = Math.min((packet.after_ms ?? 0) / 1000, left);
    left -= pause;
    return [packet, pause];
  });
}

// Steps of an armed stop: every packet, then those again that nobody acknowledges, for one of them
// may be lost.
export function armedSteps(arm) {
  const packets = arm.stop ?? [];
  let pause = secondPause(arm);
  const again = packets.filter(packet => !packet.r).map(packet => {
    const step = [packet, pause];
    pause = 0;
    return step;
  });
  return [...once(packets), ...again];
}

// How long this armed stop pauses in sum (s), the radio's own time left out.
export function pausesS(arm) {
  const packets = arm.stop ?? [];
  const second = packets.some(packet => !packet.r) ? secondPause(arm) : 0;
  return packets.reduce((sum, packet) => sum + (packet.after_ms ?? 0) / 1000, 0) + second;
}

const secondPause = arm => Math.min(Math.max((arm.gap_ms ?? 0) / 1000, SECOND_ROUND_S), SECOND_ROUND_MOST_S);

// Whether these are the packets of that armed stop, running numbers and slots aside.
export function sameStop(some, other) {
  if (!some.length || !other || some.length !== other.length) return false;
  return some.every((a, at) => {
    const b = other[at];
    return a.h === b.h && (a.r ?? false) === (b.r ?? false) && sameCounter(a, b) && sameBytes(plain(a), plain(b));
  });
}

// Whether two lists of packets are the same to the letter.
export function samePackets(some, other) {
  if (!some || !other) return (some ?? null) === (other ?? null);
  return some.length === other.length && some.every((a, at) => {
    const b = other[at];
    return a.h === b.h && (a.r ?? false) === (b.r ?? false) && (a.after_ms ?? 0) === (b.after_ms ?? 0)
      && sameCounter(a, b) && sameBytes(a.d, b.d) && sameBytes(a.k ?? [], b.k ?? []);
  });
}

const sameBytes = (a, b) => a.length === b.length && a.every((item, at) => item === b[at]);
const sameCounter = ({ counter: a = null }, { counter: b = null }) => (a === null || b === null
  ? a === b : a.at === b.at && (a.xor_at ?? null) === (b.xor_at ?? null));

function plain({ d, counter }) {
  if (!counter) return d;
  const data = d.slice();
  for (const place of [counter.at, counter.xor_at ?? null]) if (place !== null && place < data.length) data[place] = 0;
  return data;
}

export class Run {
  #steps;
  #next = 0;
  #failures = 0;
  #failingSince = null;
  due; // when the next packet may be written
  began = null; // when the first one was handed over,
  mark = 0; // and what else had been by then

  constructor(steps, now) {
    this.#steps = steps;
    this.due = steps.length ? now + steps[0][1] : now;
  }

  get over() { return this.#next >= this.#steps.length; }
  get begun() { return this.#next > 0; }
  get failing() { return this.#failures > 0; }
  get packet() { return this.#steps[this.#next][0]; }

  // A packet is handed over.
  begin(now, mark) {
    if (this.began !== null) return;
    this.began = now;
    this.mark = mark;
  }

  // The radio took the packet.
  taken(now) {
    this.#next++;
    this.#failures = 0;
    this.#failingSince = null;
    this.due = this.over ? now : now + this.#steps[this.#next][1];
  }

  // It did not, in an attempt that `began` then; returns for how long (s) this goes on.
  failed(now, began) {
    this.#failingSince ??= began;
    this.due = now + Math.min(RETRY_FIRST_S * 2 ** Math.min(this.#failures, 16), RETRY_MOST_S);
    this.#failures++;
    return now - this.#failingSince;
  }

  // Something newer than a packet of these was handed over: leave out those that were not taken yet.
  // True: one was left out.
  forget(packet) {
    const kept = this.#steps.filter(([old], at) => at < this.#next || !replaces(packet, old));
    const changed = kept.length < this.#steps.length;
    this.#steps = kept;
    return changed;
  }
}

// Whether they are of one slot; without keys a packet stands for its whole characteristic.
function replaces(fresh, old) {
  const [mine, theirs] = [fresh.k ?? [], old.k ?? []];
  if (fresh.h === old.h && !(mine.length && theirs.length)) return true;
  return mine.some(key => theirs.includes(key));
}

// Stops that the relay writes by itself without closing the gate, each { run, since, armed, rest }; the
// first one is due first, and there are no more than a radio takes in the STRAGGLER_S behind a write that
// was cut short, for each was written once already. `armed`: all of it is the armed stop; `rest`:
// everything is off after it.
export class StopsAgain {
  #waiting = [];

  get length() { return this.#waiting.length; }
  get first() { return this.#waiting[0]; }
  get since() { return this.#waiting[0]?.since ?? Infinity; }

  // A Stop of the hub, behind the others.
  add(packets, since, armed, rest) { this.#waiting.push({ run: new Run(once(packets), since), since, armed, rest }); }

  // The armed stop, which stands for all of them.
  addArmed(arm, since) { this.#waiting = [{ run: new Run(armedSteps(arm), since), since, armed: true, rest: true }]; }

  // Another stop is armed: these are packets like others.
  disarm() { for (const again of this.#waiting) again.armed = false; }

  // Something newer is handed over: what it takes the place of is not written any more. `stops`: a stop
  // of the hub, which the armed stop stops more than. `rest`: everything is off after it.
  forget(packet, stops, rest) {
    for (const again of this.#waiting) {
      if (stops && again.armed) continue;
      if (again.run.forget(packet)) again.armed = false;
      if (!again.armed) again.rest = rest;
    }
  }

  // The first one has been written, or must not be.
  done() { this.#waiting.shift(); }
  clear() { this.#waiting = []; }
}

// Stops of the hub that wait for the radio, each { ids, message, armed, run }: first come, first
// written. The same stop that still waits to be written serves for both.
export class HubStops {
  #stops = [];

  get length() { return this.#stops.length; }
  get first() { return this.#stops[0]; }

  // False: there is no place left for it.
  add(message, armed, now) {
    const { id, packets, all = true, rest = false } = message;
    for (const waiting of [...this.#stops].reverse()) {
      const { packets: old, all: oldAll = true, rest: oldRest = false } = waiting.message;
      const same = all === oldAll && rest === oldRest && samePackets(packets, old);
      if (same && !waiting.run.begun && waiting.ids.length < QUEUE_MOST) {
        waiting.ids.push(id);
        return true;
      }
      // It has the last word of a slot: not before that.
      if (packets.some(fresh => old.some(packet => replaces(fresh, packet)))) break;
    }
    if (this.#stops.length >= QUEUE_MOST) return false;
    this.#stops.push({ ids: [id], message, armed, run: new Run(once(packets), now) });
    return true;
  }

  // Another stop is armed: those that are still to be written are compared with that one.
  arm(stop) { for (const each of this.#stops) each.armed = sameStop(each.message.packets, stop); }

  // The first one has been written.
  done() { this.#stops.shift(); }
  holds(stop) { return this.#stops.includes(stop); }

  // Forget all of them; returns whom they belong to.
  drop() { return this.#stops.splice(0).flatMap(stop => stop.ids); }
}
