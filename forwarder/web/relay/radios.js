// The radios of this page as one: Web Bluetooth, and Web Serial and game pads where the browser has
// them. A device of one of the last two says by `radio` whose it is.

export class Radios {
  #bluetooth;
  #others; // kind → radio

  // `others`: { serial, pad }, null for what this browser has not.
  constructor(bluetooth, others) {
    this.#bluetooth = bluetooth;
    this.#others = Object.fromEntries(Object.entries(others).filter(([, radio]) => radio));
  }

  // What can be chosen beside Bluetooth: serial, pad.
  get kinds() { return Object.keys(this.#others); }

  on() { return this.#bluetooth.on(); }
  watch(changed) { this.#bluetooth.watch(changed); }

  // `found(device)`: something that may be used, and maybe was before, is there now.
  watchDevices(found) { for (const radio of Object.values(this.#others)) radio.watch(found); }

  choose(interests, all, kind = null) {
    return kind === null ? this.#bluetooth.choose(interests, all) : this.#others[kind].choose();
  }

  // Of which kind a toy is whose stop goes to this service; null: Bluetooth.
  kindOf(service) {
    return this.kinds.find(kind => this.#others[kind].service === service) ?? null;
  }

  async remembered() {
    const all = [this.#bluetooth, ...Object.values(this.#others)].map(radio => radio.remembered());
    return (await Promise.all(all)).flat();
  }

  connect(device, timeoutMs, onGone, signal) {
    return (device.radio ?? this.#bluetooth).connect(device, timeoutMs, onGone, signal);
  }
}
