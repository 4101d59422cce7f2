// Keeps the records (debts.js) of toys that may run, so that a page which ends can be made good by the
// next one. Two tabs may be about the same toy for a moment, when one takes over from the other:
// each tells the other what it has written.

const CHANNEL = 'forwarder-relay-records';

export class Records {
  #kept = new Map(); // address → what is written, as text
  #written = Promise.resolve();
  #channel = new BroadcastChannel(CHANNEL);

  // `elsewhere(address)`: another tab has stopped this toy, or has it now.
  constructor(store, elsewhere) {
    this.store = store;
    this.#channel.onmessage = ({ data }) => {
      this.#kept.delete(data);
      elsewhere(data);
    };
  }

  // What an earlier page left behind.
  async load() {
    const records = await this.store.records();
    for (const record of records) this.#kept.set(record.address, text(record));
    return records;
  }

  // This is how to stop the toy; null: it does not run. Settles once that is written, or cannot be.
  set(address, record) {
    const wanted = record ? text(record) : undefined;
    if (this.#kept.get(address) === wanted) return this.#written;
    if (record) this.#kept.set(address, wanted);
    else this.#kept.delete(address);
    const writing = record ? this.store.keepRecord(record) : this.store.forgetRecord(address);
    this.#channel.postMessage(address);
    // What it means that nothing can be kept, the store tells.
    this.#written = writing.catch(error => console.warn(error));
    return this.#written;
  }
}

const text = ({ stop, gapMs, shown, removed }) => JSON.stringify([shown, removed ?? false, gapMs ?? 0, stop.map(packet => ({ ...packet, d: [...packet.d] }))]);
