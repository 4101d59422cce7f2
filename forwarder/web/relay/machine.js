// The machine of one connected peripheral: events in, actions out, one deadline. Knows no browser.
// The same as relay/peripheral/machine.py, where its table and its theory stand; both play the same
// transcripts (tests/relay/peripheral/vectors). Each event returns the actions that it brings; tick()
// must come no later than `deadline`.

import { SHUT, STOPPING } from './gate.js';
import { AHEAD_S, PAUSES_S, QUEUE_MOST } from './limits.js';
import { Outcomes } from './outcomes.js';
import { pausesS, sameStop } from './runs.js';
import { Congested } from './slots.js';
import { isLate } from './timed.js';

export class Machine extends Outcomes {
  // `owes`: it ran when it was lost the last time.
  constructor(block, now, { maxRunS = 0, owes = false, demandsTraffic = false } = {}) {
    super(block, now, { maxRunS, demandsTraffic });
    this.owed = owes;
    if (owes) this.gate.handedAt = now;
  }

  // --- who it belongs to -------------------------------------------------------------------------

  // It belongs to a new link, whose hub calls it `p` and has heard nothing of it so far.
  bind(now, p, activeS, idleS) {
    this.link++;
    this.bound = true;
    this.p = p;
    this.gate.bind(activeS, idleS);
    return this.#go(now);
  }

  // The link is gone: stop, and forget what its hub still wanted.
  unbind(now) {
    this.bound = false;
    this.link++;
    this.struck(now, 'link');
    this.slots.dropAll();
    this.joined = [];
    this.farewells = [];
    return this.#go(now);
  }

  // --- what the hub wants ------------------------------------------------------------------------

  arm(now, message) {
    this.look(now);
    const refusal = this.gate.refusesArm(message.seen ?? null);
    const pauses = pausesS(message);
    if (this.#isOver(message.id)) return this.#go(now);
    if (refusal !== null) this.fail(message.id, 'gate', refusal);
    else if (pauses > PAUSES_S) {
      this.fail(message.id, 'refused', `a stop that pauses for ${shortly(pauses)} s is too slow: ${PAUSES_S} s at most`);
    } else {
      this.armWith(now, message);
      this.done(message.id);
    }
    return this.#go(now);
  }

  // Outputs may go on until `endsAt`, as far as our own bounds allow.
  lease(now, endsAt) {
    this.look(now);
    this.gate.lease(now, endsAt);
    return this.#go(now);
  }

  // A new value, which waits if its time is ahead.
  output(now, message) {
    const { id, rest = false, at_us: atUs = null } = message;
    if (this.#admitted(now, id, rest)) {
      const at = atUs === null ? now : atUs / 1e6;
      if (!rest && !message.packets.length) {
        this.done(id);
        this.timed.unrest();
      } else if (isLate(message, at, now)) this.#tooLate(id);
      else if (at > now && at <= now + AHEAD_S && this.timed.fits(message)) {
        this.superseded(this.timed.supersede(message, at));
        this.timed.add(message, at);
      } else if (at <= now || message.off) {
        // What is carried out now is newer than all that waits, due or not.
        if (!this.#value(now, message)) return this.#go(now);
        this.superseded(this.timed.supersede(message, -Infinity));
        if (!rest) this.timed.unrest();
        else if (this.timed.restLast()) this.slots.unrest();
      } else if (at - now > AHEAD_S) this.fail(id, 'refused', `its time is too far ahead: ${AHEAD_S} s at most`);
      else this.congested(id);
    }
    return this.#go(now);
  }

  // Write, Read, Subscribe, Unsubscribe.
  request(now, message) {
    if (message.t === 'Write') {
      if (!this.#admitted(now, message.id, false)) return this.#go(now);
      // Nobody here knows what it does: no word that everything is off is newer than it.
      this.slots.unrest();
      this.timed.unrest();
    } else {
      this.look(now);
      if (this.#isOver(message.id)) return this.#go(now);
    }
    this.#queued(message.id, () => this.slots.request(message));
    return this.#go(now);
  }

  // Write its packets before anything else, or the armed stop if its hub cannot know.
  stop(now, message) {
    const { id, packets, all = true, seen = null } = message;
    this.look(now);
    if (this.#isOver(id)) return this.#go(now);
    if (!this.gate.knows(seen)) {
      this.joined.push([this.link, id]);
      this.struck(now, null);
      return this.#go(now);
    }
    const keys = new Set(packets.flatMap(packet => packet.k ?? []));
    const { superseded, others } = this.timed.stop(keys, all);
    const { outputs, writes } = all ? this.slots.dropWrites() : { outputs: this.slots.dropKeys(keys, now), writes: others };
    for (const each of writes) this.fail(each, 'gate', 'a stop came before it');
    this.superseded([...outputs, ...superseded]);
    if (message.rest && (this.timed.restLast() || this.slots.restLast())) message = { ...message, rest: false };
    if (!this.stops.add(message, sameStop(packets, this.armed.stop), now)) {
      // The radio takes none of them: the armed stop stands for all, and lets go in the end.
      this.fail(id, 'congested', `${QUEUE_MOST} stops already wait for this device`);
      this.struck(now, 'radio');
    } else {
      const under = this.op?.packet ?? null;
      const shares = under === null || packets.some(packet => (packet.k ?? []).some(key => (under.k ?? []).includes(key)));
      this.hurry(now, all || shares);
    }
    return this.#go(now);
  }

  // Stop it, then let it go.
  disconnect(now, { id }) {
    if (!this.#isOver(id)) this.farewells.push(id);
    return this.leave(now);
  }

  // --- what the relay wants ----------------------------------------------------------------------

  // Nobody wants it any more: stop it, then let it go.
  leave(now) {
    this.look(now);
    if (!this.leaving) {
      this.leaving = true;
      if (this.gate.state !== SHUT || !this.gate.settled) this.struck(now, null);
    }
    return this.#go(now);
  }

  // Run the armed stop because of `cause` (null: the hub asked for it).
  strike(now, cause) {
    this.look(now);
    this.struck(now, cause);
    return this.#go(now);
  }

  // Answer `token` when no armed stop is under way, maybe at once.
  awaitStop(now, token) {
    if (this.over !== null || this.gate.state !== STOPPING) this.act({ do: 'answer', token, code: null, text: '' });
    else this.tokens.push(token);
    return this.#go(now);
  }

  // The program ends, and what was under way has ended with it: stop it and let it go.
  end(now) {
    this.endNow(now);
    return this.#go(now);
  }

  // --- what the radio says -----------------------------------------------------------------------

  finished(now, result) {
    this.ended(now, result);
    this.look(now);
    return this.#go(now);
  }

  gone(now, reason) {
    this.went(reason || 'the device disconnected');
    return this.#go(now);
  }

  tick(now) {
    this.look(now);
    return this.#go(now);
  }

  // -----------------------------------------------------------------------------------------------

  // Whether something was handed over since the radio last took the whole armed stop.
  get mayRun() { return this.gate.handedAt !== null; }

  // The bytes of the armed stop as they would be written next.
  preview() { return this.history.preview(this.armed.stop ?? []); }

  // Begin what is to be done next; returns all that this event brought.
  #go(now) {
    for (let message = this.timed.ripe(now); message !== null; message = this.timed.ripe(now)) {
      if (!this.#admitted(now, message.id, message.rest ?? false)) continue;
      if (isLate(message, message.at_us / 1e6, now)) this.#tooLate(message.id);
      else this.#value(now, message);
    }
    if (this.op === null) this.due = this.next(now);
    return this.out.splice(0);
  }

  #value(now, message) {
    const { id, packets, rest = false } = message;
    return this.#queued(id, () => {
      if (packets.length) this.superseded(this.slots.output(message, now));
      else if (rest) {
        // It comes behind what is under way, and leaves nothing that came before it.
        this.superseded(this.slots.dropOutputs());
        this.slots.request(message);
      } else this.done(id);
    });
  }

  #tooLate(id) { this.fail(id, 'late', 'its time was over when it came'); }

  // Whether a value may wait for the radio; its hub is told if not.
  #admitted(now, id, rest) {
    this.look(now);
    if (this.#isOver(id)) return false;
    const refusal = this.gate.refuses();
    if (refusal !== null) this.fail(id, 'gate', refusal);
    else if (!rest) this.gate.came(now);
    return refusal === null;
  }

  #queued(id, action) {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof Congested)) throw error;
      this.congested(id);
      return false;
    }
  }

  #isOver(id) {
    if (this.over !== null) this.fail(id, 'gone', this.over);
    return this.over !== null;
  }
}

// As Python's %g writes it: six digits, and no zeros behind the last one.
const shortly = value => String(Number(value.toPrecision(6)));
