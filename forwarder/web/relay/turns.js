// Whose turn it is at a radio that makes one connection at a time. The same as relay/radio/turns.py:
// who failed comes behind who did not, and whoever has the turn is told when others wait.

export class Turns {
  #busy = false;
  #crowded = () => {};
  #waiting = []; // { failures, number, go }
  #number = 0;
  #failures = new WeakMap(); // what connects → failures in a row

  // Run `action()` when it is the turn of `key`. `crowded()` is called once others wait, maybe at once.
  async mine(key, crowded, action) {
    if (this.#busy) {
      const turn = new Promise(go => {
        this.#waiting.push({ failures: this.#failures.get(key) ?? 0, number: this.#number++, go });
      });
      this.#crowded();
      await turn;
    }
    this.#busy = true;
    this.#crowded = crowded;
    if (this.#waiting.length) crowded();
    try {
      const result = await action();
      this.#failures.delete(key);
      return result;
    } catch (error) {
      this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
      throw error;
    } finally {
      this.#crowded = () => {};
      this.#passOn();
    }
  }

  #passOn() {
    if (!this.#waiting.length) {
      this.#busy = false;
      return;
    }
    this.#waiting.sort((a, b) => a.failures - b.failures || a.number - b.number);
    this.#waiting.shift().go(); // still busy: nobody may come in between
  }
}
