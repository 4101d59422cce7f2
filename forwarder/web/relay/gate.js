// The gate: when something other than the armed stop may be written, and what may be running. Knows
// no browser. The same table and rules as relay/peripheral/gate.py; the theory stands in machine.py
// beside it. An event that is absent changes nothing; `now` is in seconds of one monotonic clock.

import { ACTIVE_S, BREAK_S, IDLE_S, STALL_S } from './limits.js';

export const SHUT = 'shut';
export const ARMED = 'armed';
export const OPEN = 'open';
export const STOPPING = 'stopping';

export const TRANSITIONS = {
  shut: { arm: ARMED, asked: STOPPING, cause: STOPPING },
  armed: { arm: ARMED, lease: OPEN, asked: STOPPING, cause: STOPPING },
  open: { arm: OPEN, lease: OPEN, asked: STOPPING, cause: STOPPING },
  stopping: { cause: STOPPING, taken: SHUT },
};

// Of two causes of one stop, the later in this row is the one that is told.
const STRENGTH = [null, 'lease', 'run_time', 'stall', 'radio', 'link', 'pause', 'shutdown', 'emergency'];

const REFUSALS = {
  shut: 'this device is not armed',
  armed: 'this device is armed, but nobody leases it',
  stopping: 'this device is being stopped',
};
const BLOCKED = {
  pause: 'the wearer has paused this relay',
  emergency: 'the wearer has pressed stop at this relay: only they can resume',
  shutdown: 'this relay is shutting down',
};

// Why this relay lets nothing run at all, if so. One per page.
export class Block {
  cause = null;
}

export class Gate {
  state = SHUT;
  cause = null; // why it is (or was last) STOPPING, null when the hub asked for it
  n = 0; // stops of the relay's own since the Connect
  activeS = ACTIVE_S;
  idleS = IDLE_S;
  handedAt = null; // since when something may run
  restedAt = null; // since when the hub says that it does not, however often
  active = false;
  settled = false; // the armed stop is the last thing that was written, and the radio took it
  #block;
  #leaseEnds = 0;
  #grantedUntil = 0; // what the last lease is worth while everything rests

  constructor(block, maxRunS = 0) {
    this.#block = block;
    this.maxRunS = maxRunS;
  }

  // --- what the hub does -------------------------------------------------------------------------

  bind(activeS, idleS) {
    this.n = 0;
    this.activeS = Math.min(activeS, ACTIVE_S);
    this.idleS = Math.min(idleS, IDLE_S);
  }

  // Why an Arm that names `seen` does not count, or null.
  refusesArm(seen) {
    if (this.#block.cause !== null) return BLOCKED[this.#block.cause];
    if (this.state === STOPPING) return 'this device is being stopped: arm it after that has been reported';
    return seen === this.n ? null : 'this device was stopped in the meantime: arm it again';
  }

  // Outputs may go on until then. Without an Arm before it, or too late, it does nothing.
  lease(now, endsAt) {
    if (endsAt <= now || this.#block.cause !== null || !this.take('lease')) return;
    this.#grantedUntil = Math.min(endsAt, now + this.idleS);
    this.#leaseEnds = this.active ? Math.min(endsAt, now + this.activeS) : this.#grantedUntil;
  }

  // Why nothing but the armed stop may be written at this moment, or null.
  refuses() {
    return this.#block.cause !== null ? BLOCKED[this.#block.cause] : REFUSALS[this.state] ?? null;
  }

  // Whether a hub that has `seen` so many of our stops may say how this is stopped.
  knows(seen) {
    return this.state === OPEN && this.#block.cause === null && seen === this.n;
  }

  // A value came in. Its hub counts from when it sent it, however long it waits here.
  came(now) { this.#leaseEnds = Math.min(this.#leaseEnds, now + this.activeS); }

  // --- what the radio does -----------------------------------------------------------------------

  // A packet that is not part of the armed stop is being handed over. `moves`: it is a value, and not
  // one that only ends something.
  handed(now, rest, moves) {
    this.settled = false;
    this.handedAt ??= now;
    if (rest) {
      if (moves && this.restedAt !== null) this.restedAt = now;
      return;
    }
    this.active = true;
    this.restedAt = null;
    this.came(now);
  }

  // The hub says that everything is off now, and the radio has taken what it wrote to it. `waits`: so
  // does a value, whose hub counts from when it came.
  rested(now, waits) {
    this.#calm(waits);
    if (this.handedAt !== null) this.restedAt ??= now;
  }

  // The radio has taken the whole armed stop, with nothing behind it. `waits`: likewise.
  stopped(waits) {
    this.settled = true;
    this.#calm(waits);
    this.handedAt = this.restedAt = null;
  }

  #calm(waits) {
    this.active = false;
    if (!waits) this.#leaseEnds = Math.max(this.#leaseEnds, this.#grantedUntil);
  }

  // --- stopping ----------------------------------------------------------------------------------

  // `cause` has come up (null: asked for). True: a stop begins now.
  strike(cause) {
    if (this.state === STOPPING) {
      if (STRENGTH.indexOf(cause) > STRENGTH.indexOf(this.cause)) {
        this.cause = cause;
        this.n++;
      }
      return false;
    }
    if (this.state === SHUT && this.settled && cause !== null) return false;
    this.take(cause === null ? 'asked' : 'cause');
    this.cause = cause;
    if (cause !== null) this.n++;
    return true;
  }

  // Move on if the table knows this event; says whether it did.
  take(event) {
    const state = TRANSITIONS[this.state][event];
    if (state === undefined) return false;
    this.state = state;
    return true;
  }

  // --- what the clock does -----------------------------------------------------------------------

  // When lapsed() or doubts() has something to say; infinite: the clock alone changes nothing.
  get deadline() {
    return this.state === OPEN ? Math.min(this.#leaseEnds, this.#runEnds, this.#breakEnds) : Infinity;
  }

  // Why it is to be stopped now, if the time of something is over.
  lapsed(now) {
    if (this.state !== OPEN) return null;
    const ends = Math.min(this.#leaseEnds, this.#runEnds);
    if (now < ends) return null;
    if (now - ends >= STALL_S) return 'stall';
    return this.#runEnds <= this.#leaseEnds ? 'run_time' : 'lease';
  }

  // Whether the hub's word that everything is off is to be made sure of now.
  doubts(now) { return this.state === OPEN && now >= this.#breakEnds; }

  get #runEnds() { return this.maxRunS && this.handedAt !== null ? this.handedAt + this.maxRunS : Infinity; }
  get #breakEnds() { return this.restedAt === null ? Infinity : this.restedAt + BREAK_S; }
}
