// Time for the page: a monotonic clock, and timers that a hidden tab does not slow down.
//
// A browser lets the timers of a hidden page run once a second, later once a minute; those of a
// worker run on time. A lease that ends must be noticed, so every deadline of this page is set here.

export const now = () => performance.now() / 1000;

class Clock {
  #due = new Map(); // number → { at, action }
  #last = 0;
  #armedAt = Infinity;
  #turn = 0;
  #worker = null; // one timer there, set to the earliest of all deadlines

  // Call `action` at `at` (seconds of now()). Returns a number for cancel().
  set(at, action) {
    const id = ++this.#last;
    this.#due.set(id, { at, action });
    if (at < this.#armedAt) this.#arm(at);
    return id;
  }

  cancel(id) { this.#due.delete(id); }

  #arm(at) {
    this.#armedAt = at;
    const turn = ++this.#turn;
    const ms = Math.max(0, (at - now()) * 1000);
    this.#worker ??= this.#hire();
    if (this.#worker) this.#worker.postMessage([turn, ms]);
    else setTimeout(() => this.#rang(turn), ms);
  }

  #rang(turn) {
    if (turn !== this.#turn) return;
    this.#armedAt = Infinity;
    const at = now();
    const ripe = [...this.#due].filter(([, due]) => due.at <= at).sort((a, b) => a[1].at - b[1].at);
    for (const [id, { action }] of ripe) {
      // One action may cancel another; a mistake in one must not cost the others.
      if (!this.#due.delete(id)) continue;
      try {
        action();
      } catch (error) {
        reportError(error);
      }
    }
    const next = Math.min(...[...this.#due.values()].map(due => due.at), Infinity);
    if (next < this.#armedAt) this.#arm(next);
  }

  // False where there are no workers: the page's own timers do, if more slowly when hidden.
  #hire() {
    try {
      const worker = new Worker(new URL('./timer.js', import.meta.url));
      worker.onmessage = event => this.#rang(event.data);
      worker.onerror = () => {
        this.#worker = false;
        this.#arm(this.#armedAt);
      };
      return worker;
    } catch {
      return false;
    }
  }
}

export const clock = new Clock();

// Calls `action` at the earliest time that by() was told since it last rang.
export class Alarm {
  #at = Infinity;
  #id = null;

  constructor(action) { this.action = action; }

  by(at) {
    if (at >= this.#at) return;
    this.stop();
    this.#at = at;
    this.#id = clock.set(at, () => { this.#at = Infinity; this.action(); });
  }

  stop() {
    clock.cancel(this.#id);
    this.#at = Infinity;
  }
}

// Settles like `promise`, or throws `error()` after `ms`.
export function within(ms, promise, error) {
  return new Promise((resolve, reject) => {
    const timer = clock.set(now() + ms / 1000, () => reject(error()));
    promise.then(resolve, reject).finally(() => clock.cancel(timer));
  });
}

export const sleep = ms => new Promise(resolve => { clock.set(now() + ms / 1000, resolve); });
