// How late a hub's beats come, so that a lease counts from when it was given. Knows no browser. The
// same as relay/link/lease_clock.py, where the reasons stand.

// How fast (s per s) the least delay may grow: clocks drift.
const GROWTH = 0.0005;
// When for this long (s) every beat came too late for a lease in it, the link is no use.
const LATE_S = 2;

// One per link: a new link measures anew.
export class LeaseClock {
  active = false; // the last beat had a lease of something that may run
  #floor = null;
  #at = 0;
  #lateSince = null;

  // By how many seconds the beat that arrives `now` is later than the best ones.
  lateness(sentUs, now) {
    const offset = now - sentUs / 1e6;
    const floor = this.#floor === null ? offset : Math.min(offset, this.#floor + GROWTH * (now - this.#at));
    this.#floor = floor;
    this.#at = now;
    return offset - floor;
  }

  // What is left of the leases (Map, ms) of a beat that arrives `now`; null: they have come too late
  // for so long that this link holds nothing.
  left(leases, sentUs, now, activeMs) {
    const given = [...leases];
    this.active = given.some(([, ms]) => ms <= activeMs);
    const lateMs = this.lateness(sentUs, now) * 1000;
    const left = new Map(given.filter(([, ms]) => ms - lateMs >= 1).map(([p, ms]) => [p, Math.floor(ms - lateMs)]));
    if (left.size === leases.size) this.#lateSince = null;
    else this.#lateSince ??= now;
    return this.#lateSince !== null && now - this.#lateSince >= LATE_S ? null : left;
  }
}
