// Performs what the machine of one peripheral decides, over one connection. The counterpart of
// relay/peripheral/driver.py.
//
// Requests come in by plain calls that decide at once; what is to be written is handed to the browser
// before the call returns. One operation at a time, because phones refuse a second one. A stop that
// waits cuts short what runs; the browser may still carry that out, which the machine knows.

import { Alarm, clock, now } from './clock.js';
import { OPEN, SHUT, STOPPING } from './gate.js';
import { Machine } from './machine.js';
import { RadioError } from './radio.js';

// A value waits so long (s) for the note that this toy may run: a browser writes it in a few
// milliseconds, and one that does not must not keep the toy from moving for ever.
const RECORD_S = 0.3;
// A page that goes hands its last packets over in one call, in which nothing comes back from the
// browser. Between two of them it stands still for so long (ms): a write to a healthy toy is over in
// two or three connection intervals of at most 15 ms while it is busy, and slow radios were seen to
// take 30. What is under way at that moment gets as long. All of it together has a bound.
const CHAIN_MS = 45;
const CHAIN_MOST_MS = 400;

export class Peripheral {
  #machine;
  #tell = null;
  #changed;
  #gone;
  #record;
  #recorded = null; // a promise, while a first value waits for it
  #wanted = null; // the operation that has not begun
  #running = null; // what ends the one that runs: { cut }
  #parted = []; // who waits for the end
  #ended = false;
  #closing = false;
  #alarm = new Alarm(() => this.#event(at => this.#machine.tick(at)));

  // Owns `connection` from now on. `changed()` is called when something to show has changed;
  // `record(peripheral)` when how to stop it or whether it may run has changed, and its promise is
  // waited for before the first value; `gone(text, asked, owes)` once, when the peripheral has left:
  // whether the hub asked for it, and whether it may still be running. `owes`: it ran when it was lost.
  constructor({ connection, block, changed = () => {}, gone = () => {}, record = () => null, owes = false, maxRunS = 0 }) {
    this.connection = connection;
    this.#changed = changed;
    this.#gone = gone;
    this.#record = record;
    this.#machine = new Machine(block, now(), { owes, maxRunS });
  }

  get p() { return this.#machine.p; }
  get gate() { return this.#machine.gate; }
  get over() { return this.#machine.over; }
  get bound() { return this.#machine.bound; }
  get leaving() { return this.#machine.leaving; }
  get running() { return this.gate.state === OPEN && this.gate.active; }
  get mayRun() { return this.#machine.mayRun; }
  // Whether the radio has refused a stop that is still to be written.
  get stopFailing() { return this.gate.state === STOPPING && (this.#machine.complained || Boolean(this.#machine.run?.failing)); }

  // The armed stop as { stop: [{ uuid, service, nth, d, r, afterMs }], gapMs }, which holds beyond this
  // connection, with the running numbers that come next; null: letting it go is its stop. `nth`: of
  // the characteristics of that service that are named alike.
  get armedStop() {
    const { stop, gap_ms: gapMs = 0 } = this.#machine.armed;
    if (stop === null) return null;
    const found = new Map(), seen = new Map();
    for (const { uuid: service, characteristics } of this.connection.services) {
      for (const { h, uuid } of characteristics) {
        const nth = seen.get(`${service} ${uuid}`) ?? 0;
        seen.set(`${service} ${uuid}`, nth + 1);
        found.set(h, { uuid, service, nth });
      }
    }
    const data = this.#machine.preview();
    return { gapMs, stop: stop.map(({ h, r = false, after_ms: afterMs = 0 }, at) => ({ ...found.get(h), d: data[at], r, afterMs })) };
  }

  // --- who it belongs to -------------------------------------------------------------------------

  // It belongs to this link from now on, under the number `p`; `tell(message)` never waits.
  bind(p, tell, { activeS, idleS }) {
    this.#tell = tell;
    this.#event(at => this.#machine.bind(at, p, activeS, idleS));
  }

  // The link is gone: stop, and forget what its hub still wanted.
  unbind() {
    this.#tell = null;
    this.#event(at => this.#machine.unbind(at));
  }

  // The radio says that the peripheral went away.
  left(reason) { this.#event(at => this.#machine.gone(at, reason)); }

  // --- what the hub wants ------------------------------------------------------------------------

  handle(message) {
    const unknown = this.#unknownHandle(message);
    if (unknown !== undefined) {
      this.#tell?.({ t: 'Failed', id: message.id, code: 'refused', text: `there is no characteristic ${unknown}` });
      return;
    }
    this.#event(at => {
      switch (message.t) {
        case 'Arm': return this.#machine.arm(at, message);
        case 'Output': return this.#machine.output(at, message);
        case 'Stop': return this.#machine.stop(at, message);
        case 'Disconnect': return this.#machine.disconnect(at, message);
        default: return this.#machine.request(at, message); // Write, Read, Subscribe, Unsubscribe
      }
    });
  }

  // Outputs may go on for so long from now.
  lease(ms) { this.#event(at => this.#machine.lease(at, at + ms / 1000)); }

  #unknownHandle(message) {
    const packets = [...message.packets ?? [], ...message.stop ?? []];
    if (message.keepalive?.packet) packets.push(message.keepalive.packet);
    const handles = packets.map(packet => packet.h);
    if (message.h !== undefined) handles.push(message.h);
    return handles.find(handle => !this.connection.has(handle));
  }

  // --- what stops it -----------------------------------------------------------------------------

  // Run the armed stop because of `cause` (null: the hub asked for it). Resolves with null when it was
  // taken or there was nothing to stop, with the error if the toy had to be let go without it.
  strike(cause) {
    return new Promise(resolve => {
      this.#event(at => [...this.#machine.strike(at, cause), ...this.#machine.awaitStop(at, resolve)]);
    });
  }

  // Resolves like strike() when no armed stop is under way, maybe at once.
  afterStop() {
    return new Promise(resolve => { this.#event(at => this.#machine.awaitStop(at, resolve)); });
  }

  // Stop it, then let it go; resolves when it is over. The stop is tried until the radio takes it, or
  // has refused it for so long that the toy is let go without.
  leave(why) {
    return new Promise(resolve => {
      if (this.#ended) resolve();
      else {
        this.#parted.push(resolve);
        this.#event(at => [...this.#machine.strike(at, 'shutdown'), ...this.#machine.leave(at)]);
      }
    });
  }

  // The page is going away and will not come back to this: hand every packet of the armed stop to the
  // browser in this very call. With an operation under way the browser refuses others, so that one
  // gets a moment; whether that was enough nobody can tell any more, so the connection ends, too.
  blurt(cause) {
    const { gate } = this.#machine;
    if (this.#ended || (gate.state === SHUT && gate.settled)) return;
    const busy = this.#running !== null;
    this.#closing = true;
    this.#event(at => this.#machine.strike(at, cause));
    const ends = performance.now() + CHAIN_MOST_MS;
    const { stop } = this.#machine.armed;
    if (busy) standStill(CHAIN_MS, ends);
    for (const packet of [...stop ?? [], ...(stop ?? []).filter(({ r }) => !r)]) {
      if (performance.now() >= ends) break;
      const data = this.#machine.history.number(packet);
      this.connection.writeNow(packet.h, data, packet.r ?? false)
        .catch(() => {}); // nobody is left to hear it; where the page lives on, the stop is tried again
      standStill(CHAIN_MS, ends);
    }
    this.#closing = false;
    if (busy || stop === null) {
      this.connection.disconnect();
      this.left('the page had to go while the toy was busy, and let it go');
    } else this.#begin(); // the page may live on: then the machine sees its stop through
  }

  // --- performing --------------------------------------------------------------------------------

  // `event(at)` tells the machine something; what that brings is done before this returns.
  #event(event) {
    try {
      this.#do(event(now()));
    } catch (error) {
      this.#mistake(error);
    }
  }

  #do(actions) {
    let dropped = false;
    for (const action of actions) {
      switch (action.do) {
        case 'say': this.#tell?.(action.message); break;
        case 'hurry':
          dropped = action.drop && this.#wanted !== null;
          this.#hurry(action.by);
          break;
        case 'record': this.#note(action.mayRun); break;
        case 'note': break; // what there is to show stands in the state
        case 'answer': action.token(action.code === null ? null : new RadioError(action.code, action.text)); break;
        case 'over': this.#over(action); break;
        default: this.#wanted = action;
      }
    }
    if (dropped) {
      this.#wanted = null;
      this.#do(this.#machine.finished(now(), { dropped: true }));
      return;
    }
    this.#begin();
    if (!this.#ended && this.#machine.deadline < Infinity) this.#alarm.by(this.#machine.deadline);
    this.#changed();
  }

  // Only what runs from now on has to wait for the note that it may.
  #note(mayRun) {
    const noted = this.#record(this);
    if (!mayRun || !noted) return;
    const waited = Promise.race([noted.catch(error => console.error(error)), new Promise(resolve => {
      clock.set(now() + RECORD_S, resolve);
    })]).then(() => {
      if (this.#recorded !== waited) return;
      this.#recorded = null;
      this.#begin();
    });
    this.#recorded = waited;
  }

  #hurry(by) {
    const running = this.#running;
    if (running) clock.set(by, () => running.cut());
  }

  #begin() {
    const wanted = this.#wanted;
    if (wanted === null || this.#running !== null || this.#closing || this.#ended) return;
    if (this.#recorded !== null && wanted.do === 'write' && !wanted.stops) return;
    this.#wanted = null;
    const running = { cut: () => end({ cut: true }) };
    const end = result => {
      if (this.#running !== running) return; // it was cut short, or the toy has left
      this.#running = null;
      this.#event(at => this.#machine.finished(at, result));
    };
    this.#running = running;
    let work;
    try {
      work = this.#operate(wanted);
    } catch (error) {
      work = Promise.reject(error);
    }
    if (!work) {
      end({ taken: new Uint8Array() });
      return;
    }
    work.then(value => end({ taken: value ?? new Uint8Array() }), error => {
      if (error instanceof RadioError) end({ refused: error.code, text: error.message });
      else this.#mistake(error);
    });
  }

  // A promise, or nothing where it is done already. The connection keeps the time: a browser that does
  // not answer refuses everything else for this toy, so that the connection has to end.
  #operate({ do: what, h, d, r, limitS }) {
    const { connection } = this;
    switch (what) {
      case 'write': return connection.write(h, d, r, limitS * 1000);
      case 'read': return connection.read(h);
      case 'subscribe': return connection.subscribe(h, value => this.#tell?.({ t: 'Notification', p: this.p, h, d: value }));
      case 'unsubscribe': return connection.unsubscribe(h);
      default: return connection.disconnect();
    }
  }

  #over({ reason, owes }) {
    this.#ended = true;
    this.#wanted = this.#running = this.#recorded = null;
    this.#alarm.stop();
    const asked = this.#machine.leaving;
    this.#tell = null;
    this.#gone(reason, asked, owes);
    for (const resolve of this.#parted.splice(0)) resolve();
  }

  // A mistake of ours: the toy is let go, which is the last thing that stops it.
  #mistake(error) {
    console.error(error);
    this.connection.disconnect();
    if (!this.#ended) this.#do(this.#machine.gone(now(), 'this page made a mistake and let the toy go'));
  }
}

// Nothing else can hold up a page that is being thrown away.
function standStill(ms, ends) {
  const until = Math.min(performance.now() + ms, ends);
  while (performance.now() < until) { /* the browser's other process goes on */ }
}
