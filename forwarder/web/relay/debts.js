// Stops that are owed: toys that may run, and that are not connected. Knows no browser. The same
// times and rules as relay/debts/debts.py, where the reasons stand.
//
// A record says how to stop a toy that has to be connected again for it: { address, id, name, shown,
// stop: [{ service, uuid, nth, d, r, afterMs }], gapMs, since: Date.now() when it was last heard, removed }.

const FULL_S = 120;
const LOOK_S = 20;
const PAUSE_S = 1;
const LATER_LOOK_S = 5;
const LATER_EVERY_S = 30;

export class Owed {
  #urgedAt;
  #triedAt = null;

  // It was lost at `lostAt`, and is looked for from `now` on.
  constructor(record, lostAt, now) {
    Object.assign(this, { record, lostAt });
    this.#urgedAt = now;
  }

  // When the next look begins.
  due(now) {
    if (this.#triedAt === null) return now;
    return this.#triedAt + (this.#hot(this.#triedAt) ? PAUSE_S : LATER_EVERY_S - LATER_LOOK_S);
  }

  // How long a look that begins now may take.
  lookS(now) { return this.#hot(now) ? LOOK_S : LATER_LOOK_S; }

  // A look has ended in vain.
  tried(now) { this.#triedAt = now; }

  // Look at once, and all the time again: somebody pressed stop, or it was chosen.
  urge(now) {
    this.#urgedAt = now;
    this.#triedAt = null;
  }

  // What the hub is to know.
  debt(now) {
    const { address, name } = this.record;
    return { address, name: name.slice(0, 128), lost_s: Math.max(0, Math.floor(now - this.lostAt)) };
  }

  #hot(now) { return now - this.#urgedAt < FULL_S; }
}
