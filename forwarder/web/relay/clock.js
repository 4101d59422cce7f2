// Time for the page: a monotonic clock, and timers that a hidden tab does not slow down.
//
// A browser lets the timers of a hidden page run once a second, later once a minute; those of a
// worker run on time. A lease that ends must be noticed, so every deadline of this page is set here.

export const now = () => performance.now() / 1000;

class Clock {
  #worker = null;
  #due = new Map(); // number → [at, run]
  #last = 0;

  // Call `action` at `at` (seconds of now()). Returns a number for cancel().
  set(at, action) {
    const id = ++this.#last;
    const run = () => { if (this.#due.delete(id)) action(); };
    this.#due.set(id, [at, run]);
    this.#start(id, at, run);
    return id;
  }

  cancel(id) { this.#due.delete(id); }

  #start(id, at, run) {
    const ms = Math.max(0, (at - now()) * 1000);
    if (this.#worker === null) this.#worker = this.#hire();
    if (this.#worker) this.#worker.postMessage([id, ms]);
    else setTimeout(run, ms);
  }

  // False where there are no workers: the page's own timers do, if more slowly when hidden.
  #hire() {
    try {
      const worker = new Worker(new URL('./timer.js', import.meta.url));
      worker.onmessage = event => this.#due.get(event.data)?.[1]();
      worker.onerror = () => {
        this.#worker = false;
        for (const [id, [at, run]] of this.#due) this.#start(id, at, run);
      };
      return worker;
    } catch {
      return false;
    }
  }
}

export const clock = new Clock();

// Settles like `promise`, or throws `error()` after `ms`.
export function within(ms, promise, error) {
  return new Promise((resolve, reject) => {
    const timer = clock.set(now() + ms / 1000, () => reject(error()));
    promise.then(resolve, reject).finally(() => clock.cancel(timer));
  });
}

export const sleep = ms => new Promise(resolve => { clock.set(now() + ms / 1000, resolve); });
