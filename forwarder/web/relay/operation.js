// One radio operation at a time, which can be told to give way to a stop.

import { clock, now } from './clock.js';
import { RadioError } from './radio.js';

// How long what runs may go on once a stop waits behind it (ms). A write to a healthy toy is over
// in two or three connection intervals of at most 50 ms.
const PATIENCE_MS = 100;

export class Operation {
  // Whether the last one gave way, so that nobody knows whether the radio still carries it out.
  abandoned = false;
  #give = null;
  #urgent = false;

  // What `start()` resolves to; its call is made before this returns. Throws RadioError, also when
  // it had to give way. `urgent`: a stop, which does not.
  async run(start, urgent = false) {
    this.#urgent = urgent;
    this.abandoned = false;
    const given = new Promise((_, reject) => { this.#give = reject; });
    try {
      return await Promise.race([start(), given]);
    } finally {
      this.#give = null;
    }
  }

  // A stop waits: what runs has PATIENCE_MS left.
  hurry() {
    const give = this.#give;
    if (!give || this.#urgent) return;
    clock.set(now() + PATIENCE_MS / 1000, () => {
      if (this.#give !== give) return;
      this.abandoned = true;
      give(new RadioError('timeout', 'the radio operation gave way to a stop'));
    });
  }

  // The toy is gone: nothing that runs can succeed any more.
  cut(error) { this.#give?.(error); }
}
