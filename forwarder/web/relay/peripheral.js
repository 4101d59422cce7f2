// One connected peripheral: what the hub wants done, in the right order, through the gate. The
// counterpart of relay/peripheral.py.
//
// Requests come in by plain calls that decide at once. One worker carries out one radio operation
// at a time, because phones refuse a second one. Priorities, highest first: the armed stop while the
// gate is STOPPING (and then nothing else), stops of the hub, leaving, the queue, the keep-alive.

import { Alarm, now } from './clock.js';
import { Gate, GateShut, OPEN, SHUT, STOPPING } from './gate.js';
import { Operation } from './operation.js';
import { RadioError } from './radio.js';
import { Written } from './repeat.js';
import { Congested, MOST, Slots } from './slots.js';
import { Stopper } from './stopper.js';

export class Peripheral {
  p = 0;
  #tell = null;
  #changed;
  #slots = new Slots();
  #written = new Written();
  #operation = new Operation();
  #stopper;
  #leaving = null;
  #over = null;
  #working = false;
  // For what waits, and for the gate's deadline, which counts while an operation is pending, too.
  #alarm = new Alarm(() => {
    this.gate.tick(now());
    this.#settle();
    this.#work();
  });
  #current = null; // the request under way

  // Owns `connection` from now on. `changed()` is called when something to show has changed,
  // `gone(text, asked, loose)` once, when the peripheral has left: whether the hub asked for it, and
  // whether it may still be running.
  constructor({ connection, block, changed, gone }) {
    Object.assign(this, { connection, gone });
    this.#changed = changed;
    this.gate = new Gate(block);
    this.#stopper = new Stopper({
      gate: this.gate, slots: this.#slots, written: this.#written, connection, operation: this.#operation, host: this,
    });
  }

  get over() { return this.#over; }
  get bound() { return this.#tell !== null; }
  get running() { return this.gate.state === OPEN && this.gate.running; }
  get leaving() { return this.#leaving !== null; }
  get stopFailing() { return this.#stopper.failing; }

  get armedStop() { return this.#stopper.lasting; }

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
    this.#operation.cut(new RadioError('gone', reason));
  }

  // --- what the hub wants ------------------------------------------------------------------------

  handle(message) {
    const unknown = this.#unknownHandle(message);
    if (unknown !== undefined) this.fail(message.id, 'refused', `there is no characteristic ${unknown}`);
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
    if (!this.#allowed(message.id, () => this.gate.arm(at, message.seen ?? null))) return;
    // Null: letting it go is its stop. None: silence is.
    this.#stopper.armed = { ...message, stop: message.stop ?? [], going: !message.stop };
    this.#slots.gapS = (message.gap_ms ?? 0) / 1000;
    this.#written.armed(at);
    this.done(message.id);
  }

  // Whether `action` was let through by gate and queue; else its request has been answered.
  #allowed(id, action) {
    try {
      action();
      return true;
    } catch (error) {
      if (error instanceof GateShut) this.fail(id, 'gate', error.message);
      else if (error instanceof Congested) this.fail(id, 'congested', `${MOST} writes already wait for this device`);
      else throw error;
      return false;
    }
  }

  #output({ id, packets: all, merge = false, rest = false }) {
    const packets = all.map((packet, at) => ({ ...packet, rest: rest && at === all.length - 1 }));
    if (!this.#allowed(id, () => this.gate.admit(now(), rest))) return;
    if (!packets.length) {
      this.done(id);
      return;
    }
    this.#allowed(id, () => this.#superseded(this.#slots.output(id, packets, now(), merge)));
  }

  #request(message) {
    this.#allowed(message.id, () => {
      if (message.t === 'Write') this.gate.admit(now(), false);
      this.#slots.request(message);
    });
  }

  // Write these packets before anything else; what they overtake is gone.
  #stop({ id, packets, all = true, rest = false, seen = null }) {
    if (all) {
      const { outputs, writes } = this.#slots.dropWrites();
      for (const write of writes) this.fail(write, 'gate', 'a stop came before it');
      this.#superseded(outputs);
    } else {
      this.#superseded(this.#slots.dropKeys(packets.flatMap(packet => packet.k ?? []), now()));
    }
    const knows = this.gate.knows(now(), seen);
    this.#settle();
    if (!knows) {
      // Shut, or it crossed a stop of ours: these packets may start what ours has stopped.
      this.gate.demand(now());
      this.#answerWithTheStop(id);
      this.#settle();
      return;
    }
    if (!packets.length) {
      this.done(id);
      return;
    }
    this.#stopper.add({ id, packets, all, rest });
    if (this.#stopper.length > MOST) this.strike('radio');
    this.#operation.hurry();
  }

  #answerWithTheStop(id) {
    const tell = this.#tell;
    this.#stopper.whenStopped(error => {
      if (tell !== this.#tell) return; // another link has taken its place
      if (error === null) this.done(id);
      else this.fail(id, error.code ?? 'radio', error.message);
    });
  }

  // Stop it, then let it go.
  #disconnect({ id }) {
    if (this.#leaving !== null) {
      this.done(id);
      return;
    }
    this.#leaving = id;
    this.strike(null);
    this.#operation.hurry();
  }

  // --- what stops it -----------------------------------------------------------------------------

  // Run the armed stop because of `cause` (null: the hub asked for it). Resolves with null when it
  // was written or there was nothing to stop, with the first error if the radio did not take it;
  // it is retried nevertheless.
  strike(cause) {
    this.gate.strike(now(), cause);
    const stopped = this.#stopper.outcome();
    this.#settle();
    if (this.gate.state !== STOPPING) this.#stopper.tellWaiting(null);
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
    this.#stopper.blurt();
    this.#settle();
    this.#work();
  }

  // Bring everything here in line with the gate; called after each word with it.
  #settle() {
    if (this.#stopper.begin()) {
      const { outputs, writes } = this.#slots.dropWrites();
      for (const id of [...outputs, ...writes]) this.fail(id, 'gate', 'this device was stopped');
      for (const id of this.#stopper.join()) this.#answerWithTheStop(id);
      this.#operation.hurry();
    }
    if (this.gate.deadline !== null && this.#over === null) this.#alarm.by(this.gate.deadline);
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
        await this.#stopper.writeArmed();
        this.#changed();
      } else if (this.#stopper.waitingStop) {
        const { readyAt } = this.#stopper.waitingStop;
        if (at < readyAt) return this.#wakeAt(readyAt);
        await this.#stopper.writeNext();
      } else if (this.#leaving !== null) {
        this.connection.disconnect();
        this.left('the hub let it go');
      } else if (this.#stopper.due !== null && at >= this.#stopper.due) {
        await this.#stopper.repeat();
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
    const { keepalive } = this.#stopper.armed;
    const dues = [this.#slots.due(at), this.#stopper.due];
    if (keepalive && this.#mayRepeat()) dues.push(this.#written.due(keepalive));
    return Math.min(...dues.filter(due => due !== null), Infinity);
  }

  // Nothing is awaited between the decision that there is nothing to do and this, so no call of
  // #work() is lost. Returns into #run(), which ends.
  #wakeAt(at) {
    this.#working = false;
    this.#alarm.by(at);
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
    if (this.#slots.finished(now()) && group.id !== null) this.done(group.id, group.superseded);
  }

  // Write something other than a stop. A repetition does not count as a new value.
  #write(packet, counts) {
    return this.#operation.run(() => {
      const at = this.#pass();
      if (!packet.rest && (counts || packet.k?.length)) this.gate.wrote(at, false);
      if (counts) {
        this.#written.note(packet, at);
        this.#changed();
      }
      this.#settle();
      return this.connection.write(packet.h, this.#written.number(packet), packet.r ?? false);
    }).then(() => { if (packet.rest) this.gate.wrote(now(), true); });
  }

  // The last question before the radio: nothing is awaited between it and the write.
  #pass() {
    const at = now();
    if (!this.gate.passes(at)) {
      this.#settle();
      throw new RadioError('gate', 'this device was stopped');
    }
    this.#stopper.superseded();
    this.#slots.wrote(at);
    return at;
  }

  async #carryOut(message) {
    const { connection } = this;
    this.#current = message.id;
    try {
      if (message.t === 'Write') {
        await this.#operation.run(() => {
          this.#pass();
          return connection.write(message.h, message.d, message.r ?? false);
        });
      } else if (message.t === 'Read') {
        const d = await this.#operation.run(() => connection.read(message.h));
        this.#say({ t: 'Value', id: message.id, d });
        return; // its answer is not Done
      } else if (message.t === 'Subscribe') {
        const notify = d => this.#say({ t: 'Notification', p: this.p, h: message.h, d });
        await this.#operation.run(() => connection.subscribe(message.h, notify));
      } else {
        await this.#operation.run(() => connection.unsubscribe(message.h));
      }
      this.done(message.id);
    } catch (error) {
      this.#failed(message.id, error);
    } finally {
      this.#current = null;
      this.#slots.finished(now());
    }
  }

  #queueRepetition(at) {
    const { keepalive } = this.#stopper.armed;
    if (!keepalive || !this.#mayRepeat()) return;
    const due = this.#written.due(keepalive);
    if (due !== null && due <= at) this.#slots.repeat(this.#written.repetition(keepalive, at), at);
  }

  #mayRepeat() {
    return this.gate.state === OPEN && !this.#slots.length && !this.#stopper.armed.keepalive.only_demanded;
  }

  // --- leaving -----------------------------------------------------------------------------------

  // Stop it, then let it go; resolves when both is done.
  async leave(why) {
    await this.strike('shutdown');
    if (this.#over !== null) return;
    this.connection.disconnect();
    this.left(why);
  }

  // Nothing more will happen: answer everybody who still waits.
  #finish() {
    const reason = this.#over;
    // What was not stopped may go on without us: most toys stop when they lose the link, not all.
    const { ids, unstopped } = this.#stopper.end();
    const loose = unstopped || this.gate.running;
    this.#alarm.stop();
    if (unstopped) this.stopped(this.gate.cause, false, reason);
    this.#stopper.tellWaiting(new RadioError('gone', reason));
    const open = [...this.#slots.dropAll(), ...ids, this.#current];
    for (const id of open) if (id !== null) this.fail(id, 'gone', reason);
    if (this.#leaving !== null) this.done(this.#leaving);
    else this.#say({ t: 'Disconnected', p: this.p, text: reason });
    const asked = this.#leaving !== null;
    this.#tell = null;
    this.gone(reason, asked, loose);
    this.#changed();
  }

  // --- telling the hub ---------------------------------------------------------------------------

  #failed(id, error) {
    if (!(error instanceof RadioError)) throw error;
    if (id !== null) this.fail(id, error.code, error.message);
    if (error.code === 'gone') this.left(error.message);
  }

  #superseded(ids) { for (const id of ids) this.done(id, true); }

  stopped(cause, ok, text) {
    this.#say({ t: 'Stopped', p: this.p, cause: cause ?? 'radio', ok, text, n: this.gate.stops });
  }

  done(id, superseded) { this.#say({ t: 'Done', id, superseded: superseded || undefined }); }
  fail(id, code, text) { this.#say({ t: 'Failed', id, code, text: text.slice(0, 512) }); }
  #say(message) { this.#tell?.(message); }
}
