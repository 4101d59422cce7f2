// The gate: decides, as the last thing before the radio, what may be written. Knows no browser.
//
// One per peripheral, the same table and rules as relay/peripheral/gate.py; an event that is absent changes
// nothing. `now` is in seconds of one monotonic clock. Whoever drives a gate calls tick() no later
// than `deadline`, and writes the armed stop from `stopDue` on until the gate leaves STOPPING.

export const SHUT = 'shut';
export const ARMED = 'armed';
export const OPEN = 'open';
export const STOPPING = 'stopping';

export const TRANSITIONS = {
  shut: { arm: ARMED, asked: STOPPING },
  armed: { arm: ARMED, lease: OPEN, asked: STOPPING, cause: STOPPING },
  open: { arm: OPEN, lease: OPEN, asked: STOPPING, cause: STOPPING },
  stopping: { cause: STOPPING, written: SHUT, failed: STOPPING },
};

// The reasons for these figures (seconds) stand in relay/peripheral/gate.py.
export const STALL_S = 0.25;
const RETRY_FIRST_S = 0.05;
const RETRY_MOST_S = 0.5;
const FALLBACK_AFTER_S = 1.0;
const BREAK_S = 10.0;

const BLOCKED = {
  pause: 'the wearer has paused this relay',
  emergency: 'the wearer has pressed stop at this relay: only they can resume',
  shutdown: 'this relay is shutting down',
};

export class GateShut extends Error {}

// Why this relay lets nothing run at all, if so. One per page.
export class Block {
  cause = null;
}

export class Gate {
  state = SHUT;
  cause = null;
  stops = 0;
  stopDue = null;
  #block;
  #leaseEnds = 0;
  // What the last lease is worth while everything rests.
  #grantedUntil = 0;
  #runningSince = null;
  #restedAt = null;
  #stoppingSince = 0;
  #failures = 0;

  constructor(block, { activeS = 0.9, idleS = 10, maxRunS = 0 } = {}) {
    this.#block = block;
    Object.assign(this, { activeS, idleS, maxRunS });
  }

  // --- what the hub does -------------------------------------------------------------------------

  // An armed stop was handed over; GateShut if it does not count. `seen`: the last of our stops
  // that the hub knew of when it sent this, null if it cannot say.
  arm(now, seen = null) {
    this.tick(now);
    if (this.#block.cause !== null) throw new GateShut(BLOCKED[this.#block.cause]);
    if (this.state === STOPPING) {
      throw new GateShut('this device is being stopped: arm it after that has been reported');
    }
    if (seen !== null && seen !== this.stops) {
      throw new GateShut('this device was stopped in the meantime: arm it again');
    }
    this.#take('arm');
  }

  // Outputs may go on until then. Without an arm() before it, or too late, it does nothing.
  lease(now, seconds) {
    this.tick(now);
    if (this.#block.cause === null && this.#take('lease')) {
      this.#grantedUntil = now + Math.min(seconds, this.idleS);
      const activeUntil = now + Math.min(seconds, this.activeS);
      this.#leaseEnds = this.running ? activeUntil : this.#grantedUntil;
    }
  }

  // Something other than a stop has come in; GateShut unless the gate is open. Shortens the lease
  // to the active one, because the hub renews it that often while an output is on.
  admit(now, rest) {
    this.tick(now);
    if (!this.#open) throw new GateShut(this.#refusal());
    // What runs goes on running until the radio has taken its off: that may fail.
    if (!rest || this.running) this.#leaseEnds = Math.min(this.#leaseEnds, now + this.activeS);
  }

  // --- what the radio does -----------------------------------------------------------------------

  // Whether anything other than a stop may be handed to the radio at this moment.
  passes(now) {
    this.tick(now);
    return this.#open;
  }

  // A packet is handed to the radio; with `rest`, after which every output is off: it has taken it.
  wrote(now, rest) {
    if (rest) {
      if (this.#runningSince !== null && this.#restedAt === null) this.#restedAt = now;
      // A value of 0 in several packets ran for those before the last, and no beat hurried.
      this.#leaseEnds = Math.max(this.#leaseEnds, this.#grantedUntil);
      return;
    }
    const rested = this.#restedAt !== null && now - this.#restedAt >= BREAK_S;
    if (this.#runningSince === null || rested) this.#runningSince = now;
    this.#restedAt = null;
    this.#leaseEnds = Math.min(this.#leaseEnds, now + this.activeS);
  }

  // `cause` has come up (null: the hub wants every armed stop run). True: the stop is to run now.
  strike(now, cause) {
    if (this.state === STOPPING || !this.#take('cause')) return false;
    this.cause = cause;
    if (cause !== null) this.stops++;
    this.stopDue = this.#stoppingSince = now;
    this.#failures = 0;
    return true;
  }

  // Whether a hub that has `seen` so many of our stops may say itself how this is stopped.
  knows(now, seen) { return this.passes(now) && seen === this.stops; }

  // The hub wants it stopped but cannot say how: the armed stop is run, in every state.
  demand(now) {
    if (this.state === STOPPING || !this.#take('asked')) return;
    this.cause = null;
    this.stopDue = this.#stoppingSince = now;
    this.#failures = 0;
  }

  // The armed stop has been written, or the peripheral was let go.
  stopWritten() {
    if (!this.#take('written')) return;
    this.stopDue = null;
    this.#runningSince = this.#restedAt = null;
  }

  // The radio did not take the stop. True: it is time to let the peripheral go as well.
  stopFailed(now) {
    if (!this.#take('failed')) return false;
    this.stopDue = now + Math.min(RETRY_FIRST_S * 2 ** Math.min(this.#failures, 16), RETRY_MOST_S);
    this.#failures++;
    return now - this.#stoppingSince >= FALLBACK_AFTER_S;
  }

  // --- what the clock does -----------------------------------------------------------------------

  // Whether an output is on, as far as packets that say `rest` can tell.
  get running() { return this.#runningSince !== null && this.#restedAt === null; }

  // When tick() must be called; null: the clock alone changes nothing.
  get deadline() {
    return this.state === OPEN ? Math.min(this.#leaseEnds, this.#runEnds) : null;
  }

  get #runEnds() {
    return this.maxRunS && this.running ? this.#runningSince + this.maxRunS : Infinity;
  }

  // Act on a deadline that has passed. True: the armed stop is to be run now.
  tick(now) {
    const deadline = this.deadline;
    if (deadline === null || now < deadline) return false;
    if (now - deadline >= STALL_S) return this.strike(now, 'stall');
    return this.strike(now, this.#runEnds <= this.#leaseEnds ? 'run_time' : 'lease');
  }

  get #open() { return this.state === OPEN && this.#block.cause === null; }

  #take(event) {
    const next = TRANSITIONS[this.state][event];
    if (next === undefined) return false;
    this.state = next;
    return true;
  }

  #refusal() {
    if (this.#block.cause !== null) return BLOCKED[this.#block.cause];
    if (this.state === STOPPING) return 'this device is being stopped';
    if (this.state === ARMED) return 'this device is armed, but nobody leases it';
    return 'this device is not armed';
  }
}
