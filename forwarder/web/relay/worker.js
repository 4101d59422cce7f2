// What is written next: the inside of machine.js. Knows no browser. The same rules as
// relay/peripheral/worker.py and voice.py, from which transcripts are played on both.
//
// Priorities, highest first: the armed stop while the gate is STOPPING (and then nothing else), stops
// of the hub, a stop that is written once more, leaving, the queue, the keep-alive.
//
// Actions are plain objects, in their order: { do: 'write', limitS, h, d, r, stops }, 'read',
// 'subscribe', 'unsubscribe', 'disconnect' (at most one of these is under way), 'hurry' { by, drop },
// 'say' { message }, 'record' { mayRun, armed }, 'note' { event, cause, text }, 'answer' { token, code, text },
// 'over' { reason, owes }. What each asks for stands in relay/peripheral/actions.py.

import { Gate, STOPPING } from './gate.js';
import { History } from './history.js';
import {
  LAST_LET_GO_S, LET_GO_S, OPERATION_S, PACKET_S, PATIENCE_S, QUEUE_MOST, SILENCE_S, TEXT_MOST,
} from './limits.js';
import { HubStops, Run, StopsAgain, armedSteps, samePackets, sameStop } from './runs.js';
import { Slots, group } from './slots.js';
import { TimedValues } from './timed.js';

// Kinds of operations.
export const VALUE = 'value';
export const REQUEST = 'request';
export const STOP = 'stop of the hub';
export const AGAIN = 'stop once more';
export const STRUCK = 'armed stop';
export const LET_GO = 'letting go';

const cut = text => [...text].slice(0, TEXT_MOST).join('');

export class Worker {
  p = 0;
  bound = false;
  link = 0; // counts the links that it belonged to
  armed = { stop: null };
  leaving = false;
  over = null;
  out = [];
  joined = []; // [link, id] that wait for the outcome of the armed stop,
  tokens = []; // and others who do
  farewells = [];
  slots = new Slots();
  timed = new TimedValues();
  stops = new HubStops();
  again = new StopsAgain();
  op = null; // the operation under way, see #begin
  run = null;
  touched = 0; // packets handed over that are not part of the armed stop
  hopeless = null;
  complained = false;
  letGoFailures = 0;
  endsAt = null;
  owed = false;
  due = Infinity;

  constructor(block, now, { maxRunS = 0, demandsTraffic = false } = {}) {
    this.gate = new Gate(block, maxRunS);
    this.history = new History(now);
    this.letGoAt = now;
    this.lateUntil = now; // until then a write that was cut short may still reach the toy
    this.demandsTraffic = demandsTraffic;
  }

  // When tick() must be called; infinite: the clock alone changes nothing.
  get deadline() { return this.over !== null ? Infinity : Math.min(this.gate.deadline, this.timed.due, this.due); }

  // --- what it says ------------------------------------------------------------------------------

  act(action) { this.out.push(action); }
  say(message) { if (this.bound) this.act({ do: 'say', message }); }
  done(id, superseded = false) { this.say(superseded ? { t: 'Done', id, superseded } : { t: 'Done', id }); }
  fail(id, code, text) { this.say({ t: 'Failed', id, code, text: cut(text) }); }
  superseded(ids) { for (const id of ids) this.done(id, true); }
  congested(id) { this.fail(id, 'congested', `${QUEUE_MOST} writes already wait for this device`); }

  notStopped(cause, text) {
    this.say({ t: 'Stopped', p: this.p, cause: cause ?? 'radio', ok: false, text: cut(text), n: this.gate.n });
  }

  stopped(cause) { this.say({ t: 'Stopped', p: this.p, cause: cause ?? 'radio', n: this.gate.n }); }

  // The armed stop was taken (null), or was not: answer who waits for that.
  tell(error) {
    for (const [link, id] of this.joined.splice(0)) {
      if (link !== this.link) continue;
      if (error === null) this.done(id);
      else this.fail(id, error.code, error.text);
    }
    for (const token of this.tokens.splice(0)) {
      this.act({ do: 'answer', token, code: error?.code ?? null, text: error ? cut(error.text) : '' });
    }
  }

  // --- deciding ----------------------------------------------------------------------------------

  // See what the clock says, before anything else that happens.
  look(now) {
    if (this.over !== null) return;
    const cause = this.gate.lapsed(now);
    if (cause !== null) this.struck(now, cause);
    else if (this.gate.doubts(now)) {
      this.gate.restedAt = null;
      if (this.armed.stop?.length) this.onceMore(now);
      else this.settle(now);
    }
  }

  armWith(now, message) {
    const [old, fresh] = [this.armed.stop ?? null, message.stop ?? null];
    if (!samePackets(old, fresh) && !sameStop(fresh ?? [], old)) {
      // What is still written of the old one is none any more.
      this.gate.settled = false;
      this.slots.dropRepeats();
      this.stops.arm(fresh);
      this.again.disarm();
    }
    this.armed = { ...message, stop: fresh };
    this.gate.take('arm');
    this.slots.gapS = (message.gap_ms ?? 0) / 1000;
    this.history.lastAt = Math.max(this.history.lastAt, now);
    this.act({ do: 'record', mayRun: this.gate.handedAt !== null, armed: true });
    if (this.owed && fresh?.length) this.onceMore(now);
  }

  onceMore(since) {
    this.again.addArmed(this.armed, since);
  }

  struck(now, cause) {
    if (this.over !== null || !this.gate.strike(cause)) return;
    this.run = new Run(armedSteps(this.armed), now);
    this.hopeless = null;
    this.complained = false;
    this.letGoAt = now;
    this.letGoFailures = 0;
    this.again.clear();
    const { outputs, writes } = this.slots.dropWrites(true);
    for (const id of [...outputs, ...writes, ...this.timed.drop()]) this.fail(id, 'gate', 'this device was stopped');
    for (const id of this.stops.drop()) this.joined.push([this.link, id]);
    this.hurry(now, true);
  }

  // A stop waits: what is under way has a moment left, unless it stops as well.
  hurry(now, drop) {
    const { op } = this;
    if (op === null || op.kind === STRUCK || op.kind === LET_GO || (op.hurried && !drop)) return;
    if ((op.kind === STOP || op.kind === AGAIN) && this.gate.state !== STOPPING) return;
    op.hurried = true;
    this.act({ do: 'hurry', by: now + PATIENCE_S, drop });
  }

  // Whether a stop that was taken as this run is the last word: nothing else was handed over between
  // its packets, and nothing that was cut short can still come behind it.
  holds(run) { return run.began !== null && run.mark === this.touched && !this.late(run.began); }
  late(began) { return began < this.lateUntil; }

  // It is off, and nothing that was handed over can change that.
  settle(now) {
    if (this.gate.handedAt !== null) this.act({ do: 'record', mayRun: false, armed: false });
    this.gate.stopped(this.valueWaits);
    this.history.settled(now);
    this.again.clear();
    this.owed = false;
  }

  get valueWaits() { return this.timed.due < Infinity || this.slots.holdValue; }

  // --- what is done next -------------------------------------------------------------------------

  // Begin the next operation, if there is one to begin; returns when to ask again.
  next(now) {
    while (this.over === null) {
      let due;
      if (this.gate.state === STOPPING) due = this.#nextOfStrike(now);
      else if (this.stops.length) due = this.#nextOfStop(now, this.stops.first);
      else if (this.again.since <= now) due = this.#nextOfAgain(now, this.again.first);
      else due = this.#nextOfQueue(now);
      if (due !== null) return due;
    }
    return Infinity;
  }

  #nextOfStrike(now) {
    const { stop } = this.armed;
    const endsAt = this.endsAt ?? Infinity;
    if (this.hopeless !== null || now >= endsAt) return this.#letGo(now, 'it could not be stopped otherwise');
    if (stop === null) return this.#letGo(now, 'letting it go is its stop');
    if (!stop.length) {
      const until = this.history.movesUntil;
      if (this.history.endless || until - now > SILENCE_S) {
        return this.#letGo(now, 'nobody knows when it ends by itself');
      }
      if (until > now) return Math.min(until, endsAt);
      this.stopTaken(now, Math.max(now, this.lateUntil));
      return null;
    }
    if (this.run.due > now) return Math.min(this.run.due, endsAt);
    this.run.begin(now, this.touched);
    return this.#write(now, this.#begin(STRUCK, now, { packet: this.run.packet, armed: true }), Math.min(PACKET_S, endsAt - now));
  }

  #nextOfStop(now, stop) {
    if (stop.run.over) {
      this.#stopDone(now, stop);
      return null;
    }
    if (stop.run.due > now) return stop.run.due;
    stop.run.begin(now, this.touched);
    const op = this.#begin(STOP, now, { packet: stop.run.packet, stop, armed: stop.armed });
    return this.#write(now, op, PACKET_S, stop.message.rest ?? false);
  }

  #nextOfAgain(now, again) {
    if (again.run.over || !(again.armed || this.gate.refuses() === null)) {
      this.again.done();
      return null;
    }
    if (again.run.due > now) return again.run.due;
    again.run.begin(now, this.touched);
    const op = this.#begin(AGAIN, now, { packet: again.run.packet, armed: again.armed, run: again.run });
    return this.#write(now, op, PACKET_S, again.rest);
  }

  #nextOfQueue(now) {
    const later = this.again.since;
    if (this.endsAt !== null) return this.#letGo(now, 'the relay ended');
    if (this.leaving) return this.again.length ? later : this.#letGo(now, 'nobody wants it any more');
    this.#feed(now);
    const taken = this.slots.take(now);
    if (taken === null) return Math.min(later, this.slots.due(now), this.#feedDue());
    if (taken.message) return this.#beginRequest(now, taken.message);
    const { group: values, packet } = taken;
    if (!values.armed && this.gate.refuses() !== null) {
      this.slots.finished(now, true);
      if (values.id !== null) this.fail(values.id, 'gate', 'this device was stopped');
      return null;
    }
    if (values.rest) this.history.rests();
    if (values.began === null) Object.assign(values, { began: now, mark: this.touched });
    const op = this.#begin(VALUE, now, { id: values.id, packet, group: values, armed: values.armed, movesMs: values.movesMs });
    return this.#write(now, op, OPERATION_S, values.rest);
  }

  #beginRequest(now, message) {
    const { t, id, h } = message;
    if (t === 'Output') {
      // At rest without a packet: what was written before is over with it.
      this.slots.finished(now);
      this.history.rests();
      this.gate.rested(now, this.valueWaits);
      this.done(id);
      return null;
    }
    if (t === 'Write') {
      if (this.gate.refuses() !== null) {
        this.slots.finished(now);
        this.fail(id, 'gate', 'this device was stopped');
        return null;
      }
      const packet = { h, d: message.d, r: message.r ?? false };
      return this.#write(now, this.#begin(REQUEST, now, { id, packet, request: message }), OPERATION_S);
    }
    this.op = this.#begin(REQUEST, now, { id, request: message });
    this.act({ do: t.toLowerCase(), limitS: OPERATION_S, h });
    return Infinity;
  }

  // An operation: of which link it was asked, whom it answers, what it writes.
  #begin(kind, began, about) {
    return {
      kind, began, link: this.link, id: null, packet: null, group: null, request: null, stop: null, run: null, movesMs: null, armed: false, hurried: false, ...about,
    };
  }

  #write(now, op, limitS, rest = false) {
    const { packet } = op;
    if (!op.armed) {
      if (this.gate.handedAt === null) this.act({ do: 'record', mayRun: true, armed: false });
      this.touched++;
      this.gate.handed(now, rest, op.id !== null && op.movesMs !== 0);
      this.history.handed(now, op.movesMs);
      if (op.kind === VALUE || op.kind === STOP) this.again.forget(packet, op.kind === STOP, rest);
    }
    this.slots.wrote(now);
    this.history.lastAt = now;
    this.op = op;
    const stops = op.kind === STRUCK || op.kind === STOP || op.kind === AGAIN;
    this.act({ do: 'write', limitS, h: packet.h, d: this.history.number(packet), r: packet.r ?? false, stops });
    return Infinity;
  }

  #letGo(now, why) {
    if (this.letGoAt > now) return this.letGoAt;
    this.op = this.#begin(LET_GO, now, { why });
    this.act({ do: 'disconnect', limitS: this.endsAt === null ? LET_GO_S : LAST_LET_GO_S });
    return Infinity;
  }

  // --- keep-alive --------------------------------------------------------------------------------

  #feedDue() {
    const alive = this.armed.keepalive ?? null;
    if (alive === null || this.slots.length || (alive.only_demanded && !this.demandsTraffic)) return Infinity;
    const passes = this.gate.refuses() === null;
    const resting = alive.only_running || !(this.armed.stop?.length || (passes && this.history.any));
    if (!(passes && this.history.running) && resting) return Infinity;
    return this.history.lastAt + alive.every_ms / 1000;
  }

  #feed(now) {
    const alive = this.armed.keepalive ?? null;
    if (alive === null || this.#feedDue() > now) return;
    const written = this.history.repetition(alive, now, this.gate.refuses() === null);
    if (written === null) {
      this.slots.repeat(group(null, [...this.armed.stop ?? []], now, { rest: true, armed: true }));
      return;
    }
    const endless = written.some(each => each.movesMs === null);
    const movesMs = endless ? null : Math.max(...written.map(each => each.movesMs));
    const packets = written.map(each => each.packet);
    this.slots.repeat(group(null, packets, now, { rest: !this.history.running, movesMs }));
  }

  // --- stops that are done -------------------------------------------------------------------------

  // The radio has taken every packet of it.
  #stopDone(now, stop) {
    const { packets, all = true, rest = false } = stop.message;
    this.stops.done();
    if (all || stop.armed) this.history.clear();
    else if (rest) this.history.rests();
    if (!stop.armed) for (const packet of packets) this.history.taken(packet, rest);
    const armed = sameStop(packets, this.armed.stop);
    if (stop.run.began !== null && this.late(stop.run.began)) {
      this.again.add(packets, Math.max(now, this.lateUntil), armed, rest);
    } else if (stop.armed && armed && this.holds(stop.run)) this.settle(now);
    if (rest) this.gate.rested(now, this.valueWaits);
    for (const id of stop.ids) this.done(id);
  }

  // The armed stop has done its work.
  stopTaken(now, began) {
    const { cause } = this.gate;
    this.gate.take('taken');
    this.history.clear();
    if (this.late(began)) this.onceMore(Math.max(now, this.lateUntil));
    else this.settle(now);
    this.act({ do: 'note', event: 'stopped', cause, text: '' });
    if (cause !== null || this.complained) this.stopped(cause);
    this.tell(null);
  }
}
