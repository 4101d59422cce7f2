// One connected peripheral: what the hub wants done, in the right order, through the gate. The
// counterpart of relay/peripheral.py.
//
// Requests come in by plain calls that decide at once. One worker carries out one radio operation
// at a time, because phones refuse a second one. Priorities, highest first: the armed stop while the
// gate is STOPPING (and then nothing else), stops of the hub, leaving, the queue, the keep-alive.

import { clock, now, sleep } from './clock.js';
import { Gate, GateShut, OPEN, SHUT, STOPPING } from './gate.js';
import { RadioError } from './radio.js';
import { Written } from './repeat.js';
import { Congested, MOST, Slots } from './slots.js';

// How long a stop may take, and how long what runs may go on once a stop waits behind it (ms). A
// write to a healthy toy is over in two or three connection intervals of at most 50 ms.
const STOP_MS = 1000;
const PATIENCE_MS = 100;
const RETRY_FIRST_S = 0.05;
// The least pause before an armed stop that nobody acknowledges is written again, and the longest
// that a stop may ask for between two of its packets (s).
const SECOND_ROUND_S = 0.02;
const STOP_DELAY_MOST_S = 0.5;
// An operation that gave way to a stop may still reach the toy; the stop is repeated after this (s).
const STRAGGLER_S = 0.5;

const delayS = packet => Math.min((packet.after_ms ?? 0) / 1000, STOP_DELAY_MOST_S);
const patient = () => new RadioError('timeout', 'the radio operation gave way to a stop');

export class Peripheral {
  p = 0;
  #tell = null;
  #changed;
  #slots = new Slots();
  #written = new Written();
  #armed = { stop: [], fallback: 'disconnect' };
  #stops = [];
  #again = null; // { at, packets }: a stop to repeat
  #stopping = false;
  #complained = false;
  #waiting = [];
  #leaving = null;
  #over = null;
  #working = false;
  #timer = null; // { at, id }: when the worker looks again
  #watch = null; // { at, id }: when the gate must be asked
  #current = null; // the request under way
  #hurry = null;
  #urgent = false;
  #abandoned = false;

  // Owns `connection` from now on. `changed()` is called when something to show has changed,
  // `gone(text, asked, loose)` once, when the peripheral has left: whether the hub asked for it, and
  // whether it may still be running.
  constructor({ connection, block, changed, gone }) {
    Object.assign(this, { connection, gone });
    this.#changed = changed;
    this.gate = new Gate(block);
  }

  get over() { return this.#over; }
  get bound() { return this.#tell !== null; }
  get running() { return this.gate.state === OPEN && this.gate.running; }
  get stopFailing() { return this.#complained; }

  // The armed stop as { uuid, service, d, r }, which holds beyond this connection.
  get armedStop() {
    const found = new Map();
    for (const service of this.connection.services) {
      for (const { h, uuid } of service.characteristics) found.set(h, { uuid, service: service.uuid });
    }
    return this.#armed.stop.map(({ h, d, r = false }) => ({ ...found.get(h), d, r }));
  }

  // --- who it belongs to -------------------------------------------------------------------------

  // It belongs to this link from now on, under the number `p`; `tell(message)` never waits.
  bind(p, tell, { activeS, idleS }) {
    this.p = p;
    this.#tell = tell;
    Object.assign(this.gate, { activeS, idleS, stops: 0 });
  }

  // The link is gone: stop, and forget what its hub still wanted.
  unbind() {
    this.#tell = null;
    this.strike('link');
    this.#slots.dropAll();
  }

  // The radio says that the peripheral went away.
  left(reason) {
    if (this.#over !== null) return;
    this.#over = reason;
    this.#finish();
    this.#hurry?.(new RadioError('gone', reason));
  }

  // --- what the hub wants ------------------------------------------------------------------------

  handle(message) {
    const unknown = this.#unknownHandle(message);
    if (unknown !== undefined) this.#fail(message.id, 'refused', `there is no characteristic ${unknown}`);
    else if (message.t === 'Arm') this.#arm(message);
    else if (message.t === 'Output') this.#output(message);
    else if (message.t === 'Stop') this.#stop(message);
    else if (message.t === 'Disconnect') this.#disconnect(message);
    else this.#request(message); // Write, Read, Subscribe, Unsubscribe
    this.#settle();
    this.#work();
  }

  lease(ms) {
    this.gate.lease(now(), ms / 1000);
    this.#settle();
    this.#work();
  }

  #unknownHandle(message) {
    const packets = [...message.packets ?? [], ...message.stop ?? []];
    if (message.keepalive?.packet) packets.push(message.keepalive.packet);
    const handles = packets.map(packet => packet.h);
    if (message.h !== undefined) handles.push(message.h);
    return handles.find(handle => !this.connection.has(handle));
  }

  #arm(message) {
    const at = now();
    try {
      this.gate.arm(at, message.seen ?? null);
    } catch (error) {
      if (!(error instanceof GateShut)) throw error;
      this.#fail(message.id, 'gate', error.message);
      return;
    }
    this.#armed = { ...message, stop: message.stop ?? [], fallback: message.fallback ?? 'disconnect' };
    this.#slots.gapS = (message.gap_ms ?? 0) / 1000;
    this.#written.armed(at);
    this.#done(message.id);
  }

  #admit(id, rest) {
    try {
      this.gate.admit(now(), rest);
      return true;
    } catch (error) {
      if (!(error instanceof GateShut)) throw error;
      this.#fail(id, 'gate', error.message);
      return false;
    }
  }

  #output({ id, packets, merge = false }) {
    if (!this.#admit(id, Boolean(packets.at(-1)?.rest))) return;
    if (!packets.length) {
      this.#done(id);
      return;
    }
    this.#queued(id, () => this.#superseded(this.#slots.output(id, packets, now(), merge)));
  }

  #request(message) {
    if (message.t === 'Write' && !this.#admit(message.id, false)) return;
    this.#queued(message.id, () => this.#slots.request(message));
  }

  #queued(id, put) {
    try {
      put();
    } catch (error) {
      if (!(error instanceof Congested)) throw error;
      this.#fail(id, 'congested', `${MOST} writes already wait for this device`);
    }
  }

  // Write these packets before anything else; what they overtake is gone.
  #stop({ id, packets, all = true }) {
    if (all) {
      const { outputs, writes } = this.#slots.dropWrites();
      for (const write of writes) this.#fail(write, 'gate', 'a stop came before it');
      this.#superseded(outputs);
    } else {
      this.#superseded(this.#slots.dropKeys(packets.flatMap(packet => packet.k ?? []), now()));
    }
    if (!packets.length) {
      this.#done(id);
      return;
    }
    this.#stops.push({ id, packets, all, since: now(), readyAt: now() + delayS(packets[0]), next: 0, attempts: 0 });
    if (this.#stops.length > MOST) this.strike('radio');
    this.#hurryUp();
  }

  // Stop it, then let it go.
  #disconnect({ id }) {
    if (this.#leaving !== null) {
      this.#done(id);
      return;
    }
    this.#leaving = id;
    this.strike(null);
    this.#hurryUp();
  }

  // --- what stops it -----------------------------------------------------------------------------

  // Run the armed stop because of `cause` (null: the hub asked for it). Resolves with null when it
  // was written or there was nothing to stop, with the first error if the radio did not take it;
  // it is retried nevertheless.
  strike(cause) {
    this.gate.strike(now(), cause);
    const stopped = new Promise(resolve => this.#waiting.push(resolve));
    this.#settle();
    if (this.gate.state !== STOPPING) this.#tellWaiting(null);
    this.#work();
    return stopped;
  }

  // The page is going away and will not come back to this: hand every stop packet to the browser in
  // this very moment, whatever else is under way.
  blurt(cause) {
    const due = this.gate.state !== SHUT;
    this.gate.strike(now(), cause);
    this.#slots.dropAll();
    if (!due || this.#over !== null) return;
    for (const packet of this.#armed.stop) {
      this.connection.writeNow(packet.h, this.#written.number(packet), packet.r ?? false)
        .catch(() => {}); // nobody is left who could do something about it; the worker tries too
    }
    if (!this.#armed.stop.length && this.#armed.fallback === 'disconnect') this.connection.disconnect();
    this.#settle();
    this.#work();
  }

  // Bring everything here in line with the gate; called after each word with it.
  #settle() {
    if (this.gate.state === STOPPING && !this.#stopping) {
      this.#stopping = true;
      this.#complained = false;
      const { outputs, writes } = this.#slots.dropWrites();
      for (const id of [...outputs, ...writes]) this.#fail(id, 'gate', 'this device was stopped');
      this.#hurryUp();
    }
    this.#watchGate();
    this.#changed();
  }

  // --- the worker --------------------------------------------------------------------------------

  // Starts the worker unless it runs; the first operation is handed to the browser before this
  // returns. A failure in here is a bug: the toy is let go, which is the last thing that stops it.
  #work() {
    if (this.#working) return;
    this.#working = true;
    this.#run().catch(error => {
      console.error(error);
      this.connection.disconnect();
      this.left('this page made a mistake and let the toy go');
    });
  }

  async #run() {
    while (this.#over === null) {
      const at = now();
      this.gate.tick(at);
      this.#settle();
      if (this.gate.state === STOPPING) {
        if (at < this.gate.stopDue) return this.#wakeAt(this.gate.stopDue);
        await this.#armedStop();
      } else if (this.#stops.length) {
        const stop = this.#stops[0];
        if (at < stop.readyAt) return this.#wakeAt(stop.readyAt);
        await this.#stopPacket(stop);
      } else if (this.#leaving !== null) {
        this.connection.disconnect();
        this.left('the hub let it go');
      } else if (this.#again !== null && at >= this.#again.at) {
        await this.#stopAgain();
      } else {
        this.#queueRepetition(at);
        const taken = this.#slots.take(at);
        if (taken === null) return this.#wakeAt(this.#due(at));
        if (taken.message) await this.#carryOut(taken.message);
        else await this.#writePacket(taken.group, taken.packet);
      }
    }
    return undefined;
  }

  #due(at) {
    const { keepalive } = this.#armed;
    const dues = [this.#slots.due(at), this.#again?.at];
    if (keepalive && this.#mayRepeat()) dues.push(this.#written.due(keepalive));
    return Math.min(...dues.filter(due => due !== null && due !== undefined), Infinity);
  }

  // Nothing is awaited between the decision that there is nothing to do and this, so no call of
  // #work() is lost. Returns into #run(), which ends.
  #wakeAt(at) {
    this.#working = false;
    if (at === Infinity || (this.#timer && this.#timer.at <= at)) return;
    if (this.#timer) clock.cancel(this.#timer.id);
    const id = clock.set(at, () => { this.#timer = null; this.#work(); });
    this.#timer = { at, id };
  }

  // The gate's deadline counts while an operation is pending, too.
  #watchGate() {
    const at = this.gate.deadline;
    if (at === null || this.#over !== null || (this.#watch && this.#watch.at <= at)) return;
    if (this.#watch) clock.cancel(this.#watch.id);
    const id = clock.set(at, () => {
      this.#watch = null;
      this.gate.tick(now());
      this.#settle();
      this.#work();
    });
    this.#watch = { at, id };
  }

  // One radio operation. Throws RadioError, also when a stop cannot wait for it any longer.
  async #operate(start, urgent) {
    this.#urgent = urgent;
    this.#abandoned = false;
    const given = new Promise((_, reject) => { this.#hurry = reject; });
    try {
      return await Promise.race([start(), given]);
    } finally {
      this.#hurry = null;
    }
  }

  // A stop waits: what runs has PATIENCE_MS left. Stops themselves are not hurried.
  #hurryUp() {
    const hurry = this.#hurry;
    if (!hurry || this.#urgent) return;
    clock.set(now() + PATIENCE_MS / 1000, () => {
      if (this.#hurry !== hurry) return;
      this.#abandoned = true;
      hurry(patient());
    });
  }

  // --- writing -----------------------------------------------------------------------------------

  async #writePacket(group, packet) {
    this.#current = group.id;
    try {
      await this.#write(packet, group.id !== null);
    } catch (error) {
      this.#current = null;
      this.#slots.finished(now(), true);
      this.#failed(group.id, error);
      return;
    }
    this.#current = null;
    if (this.#slots.finished(now()) && group.id !== null) this.#done(group.id, group.superseded);
  }

  // Write something other than a stop. A repetition does not count as a new value.
  #write(packet, counts) {
    return this.#operate(() => {
      const at = this.#pass();
      if (counts) {
        this.gate.wrote(at, packet.rest ?? false);
        this.#written.note(packet, at);
        this.#changed();
      }
      return this.connection.write(packet.h, this.#written.number(packet), packet.r ?? false);
    }, false);
  }

  // The last question before the radio: nothing is awaited between it and the write.
  #pass() {
    const at = now();
    if (!this.gate.passes(at)) {
      this.#settle();
      throw new RadioError('gate', 'this device was stopped');
    }
    this.#again = null;
    this.#slots.wrote(at);
    return at;
  }

  async #carryOut(message) {
    const { connection } = this;
    this.#current = message.id;
    try {
      if (message.t === 'Write') {
        await this.#operate(() => {
          this.#pass();
          return connection.write(message.h, message.d, message.r ?? false);
        }, false);
      } else if (message.t === 'Read') {
        const d = await this.#operate(() => connection.read(message.h), false);
        this.#say({ t: 'Value', id: message.id, d });
        return; // its answer is not Done
      } else if (message.t === 'Subscribe') {
        const notify = d => this.#say({ t: 'Notification', p: this.p, h: message.h, d });
        await this.#operate(() => connection.subscribe(message.h, notify), false);
      } else {
        await this.#operate(() => connection.unsubscribe(message.h), false);
      }
      this.#done(message.id);
    } catch (error) {
      this.#failed(message.id, error);
    } finally {
      this.#current = null;
      this.#slots.finished(now());
    }
  }

  #queueRepetition(at) {
    const { keepalive } = this.#armed;
    if (!keepalive || !this.#mayRepeat()) return;
    const due = this.#written.due(keepalive);
    if (due !== null && due <= at) this.#slots.repeat(this.#written.repetition(keepalive, at), at);
  }

  #mayRepeat() {
    return this.gate.state === OPEN && !this.#slots.length && !this.#armed.keepalive.only_demanded;
  }

  // --- stopping ----------------------------------------------------------------------------------

  // Write the next packet of a Stop; retry it for STOP_MS, then it is the armed stop's turn.
  async #stopPacket(stop) {
    const straggler = this.#abandoned;
    try {
      await this.#writeStop(stop.packets[stop.next]);
    } catch (error) {
      this.#stopRefused(stop, error);
      return;
    }
    stop.next++;
    stop.attempts = 0;
    const at = now();
    if (straggler) this.#again = { at: at + STRAGGLER_S, packets: stop.packets };
    if (stop.next < stop.packets.length) {
      stop.readyAt = at + delayS(stop.packets[stop.next]);
      return;
    }
    this.#stops.shift();
    for (const packet of stop.packets) {
      this.gate.wrote(at, packet.rest ?? false);
      this.#written.note(packet, at);
    }
    if (stop.all) this.#written.stopped(stop.packets, at);
    this.#done(stop.id);
  }

  #stopRefused(stop, error) {
    if (error.code === 'gone') {
      this.left(error.message);
      return;
    }
    const at = now();
    if (at - stop.since < STOP_MS / 1000) {
      stop.readyAt = at + RETRY_FIRST_S * 2 ** stop.attempts++;
      return;
    }
    this.#stops.shift();
    this.#fail(stop.id, error.code ?? 'radio', error.message);
    this.strike('radio');
  }

  async #stopAgain() {
    const { packets } = this.#again;
    this.#again = null;
    try {
      for (const packet of packets) await this.#writeStop(packet);
    } catch (error) {
      if (error.code === 'gone') this.left(error.message);
      else this.strike('radio');
    }
  }

  #writeStop(packet) {
    this.#slots.wrote(now());
    const data = this.#written.number(packet);
    return this.#operate(() => this.connection.write(packet.h, data, packet.r ?? false, STOP_MS), true);
  }

  // Try once to write the armed stop, and tell everybody how that went.
  async #armedStop() {
    const { stop, fallback } = this.#armed;
    const straggler = this.#abandoned;
    const going = !stop.length && fallback === 'disconnect';
    try {
      if (stop.length) await this.#writeArmed(stop);
      else if (going) this.connection.disconnect();
    } catch (error) {
      this.#armedStopFailed(error);
      return;
    }
    if (this.#over !== null) return;
    const at = now();
    const { cause } = this.gate;
    this.gate.stopWritten();
    this.#stopping = false;
    this.#written.stopped(stop, at);
    this.#again = straggler && stop.length ? { at: at + STRAGGLER_S, packets: stop } : null;
    if (cause !== null || this.#complained) this.#stopped(cause, true);
    this.#complained = false;
    this.#tellWaiting(null);
    if (going) this.left('letting it go is its stop');
    this.#changed();
  }

  // Every packet once; then those again that nobody acknowledges, for one may be lost.
  async #writeArmed(stop) {
    for (const packet of stop) {
      if (delayS(packet)) await sleep(delayS(packet) * 1000);
      await this.#writeStop(packet);
    }
    const unanswered = stop.filter(packet => !packet.r);
    if (!unanswered.length) return;
    await sleep(Math.min(Math.max(this.#slots.gapS, SECOND_ROUND_S), STOP_DELAY_MOST_S) * 1000);
    for (const packet of unanswered) await this.#writeStop(packet);
  }

  #armedStopFailed(error) {
    const hopeless = this.gate.stopFailed(now());
    if (error.code === 'gone') this.left(error.message);
    if (!this.#complained && this.#over === null) {
      this.#complained = true;
      this.#stopped(this.gate.cause, false, error.message);
      this.#tellWaiting(error);
    }
    const wanted = this.#armed.fallback === 'disconnect' || this.#leaving !== null;
    if (hopeless && wanted && this.#over === null) this.#letGo('it could not be stopped otherwise');
    this.#changed();
  }

  // --- leaving -----------------------------------------------------------------------------------

  #letGo(why) {
    this.connection.disconnect();
    this.left(why);
  }

  // Stop it, then let it go; resolves when both is done.
  async leave(why) {
    await this.strike('shutdown');
    if (this.#over === null) this.#letGo(why);
  }

  // Nothing more will happen: answer everybody who still waits.
  #finish() {
    const reason = this.#over;
    // What was not stopped may go on without us: most toys stop when they lose the link, not all.
    const loose = this.#stopping || this.gate.running;
    for (const timer of [this.#timer, this.#watch]) if (timer) clock.cancel(timer.id);
    if (this.#stopping) {
      this.#stopping = false;
      this.#stopped(this.gate.cause, false, reason);
    }
    this.#tellWaiting(new RadioError('gone', reason));
    const open = [...this.#slots.dropAll(), ...this.#stops.map(stop => stop.id), this.#current];
    for (const id of open) if (id !== null) this.#fail(id, 'gone', reason);
    this.#stops = [];
    if (this.#leaving !== null) this.#done(this.#leaving);
    else this.#say({ t: 'Disconnected', p: this.p, text: reason });
    const asked = this.#leaving !== null;
    this.#tell = null;
    this.gone(reason, asked, loose);
    this.#changed();
  }

  // --- telling the hub ---------------------------------------------------------------------------

  #failed(id, error) {
    if (!(error instanceof RadioError)) throw error;
    if (id !== null) this.#fail(id, error.code, error.message);
    if (error.code === 'gone') this.left(error.message);
  }

  #superseded(ids) { for (const id of ids) this.#done(id, true); }

  #stopped(cause, ok, text) {
    this.#say({ t: 'Stopped', p: this.p, cause: cause ?? 'radio', ok, text, n: this.gate.stops });
  }

  #tellWaiting(error) {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(error);
  }

  #done(id, superseded) { this.#say({ t: 'Done', id, superseded: superseded || undefined }); }
  #fail(id, code, text) { this.#say({ t: 'Failed', id, code, text: text.slice(0, 512) }); }
  #say(message) { this.#tell?.(message); }
}
