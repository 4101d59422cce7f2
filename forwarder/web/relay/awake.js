// Keeps the screen on while `wanted()`; the browser lets go of it whenever the page is hidden.

export class Awake {
  held = false;
  #lock = null;
  #asking = false;

  constructor(wanted, changed) {
    Object.assign(this, { wanted, changed });
    document.addEventListener('visibilitychange', () => this.check());
  }

  async check() {
    const want = this.wanted() && document.visibilityState === 'visible';
    if (!want && this.#lock) await this.#lock.release();
    if (!want || this.#lock || this.#asking || !navigator.wakeLock) return;
    this.#asking = true;
    try {
      const lock = await navigator.wakeLock.request('screen');
      this.#lock = lock;
      this.held = true;
      lock.addEventListener('release', () => {
        this.#lock = null;
        this.held = false;
        this.changed();
      });
      this.changed();
    } catch {
      this.held = false; // battery saver: the page then says that the screen may go off
    } finally {
      this.#asking = false;
    }
  }
}
