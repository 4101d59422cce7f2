// What this page keeps in the browser (IndexedDB): its key, the hubs it has paired with, the toys
// that were chosen, the wearer's choices, and how to stop what may run. Nothing of it ever leaves the
// browser but the public key.

import { within } from './clock.js';
import { generateKeyPair } from './noise.js';

const NAME = 'forwarder-relay';
const VERSION = 2; // 2: records
const STORES = ['own', 'hubs', 'toys', 'records'];
const MOST_TOYS = 16;
// A storage that is well answers in milliseconds; on a busy phone it has taken one second.
const PATIENCE_MS = 5000;

// The storage does not answer (`silent`), or a page of an older version keeps it (`blocked`).
export class StoreError extends Error {}

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const answered = promise => within(PATIENCE_MS, promise, () => new StoreError('silent'));

export class Store {
  // What was changed last could not be kept: it holds until the page is loaded again.
  forgetful = false;
  // Called when `forgetful` changes.
  changed = () => {};

  static async open() {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const there = request.result.objectStoreNames;
      for (const name of STORES) if (!there.contains(name)) request.result.createObjectStore(name);
    };
    const blocked = new Promise((_, reject) => {
      request.onblocked = () => reject(new StoreError('blocked'));
    });
    const store = new Store();
    store.db = await answered(Promise.race([done(request), blocked]));
    store.db.onclose = () => store.#kept(false); // somebody has cleared the browser's data
    // Without this a browser short of space may throw away the key, and the pairing with it.
    navigator.storage?.persist?.().catch(() => false);
    return store;
  }

  close() { this.db.close(); }

  #get(name, key) { return answered(done(this.db.transaction(name).objectStore(name).get(key))); }
  #all(name) { return answered(done(this.db.transaction(name).objectStore(name).getAll())); }

  // Carry out `work(stores)` as one change of the stores named.
  async #change(names, work, durability = 'strict') {
    try {
      await answered(new Promise((resolve, reject) => {
        const change = this.db.transaction(names, 'readwrite', { durability });
        work(name => change.objectStore(name));
        change.oncomplete = () => resolve();
        change.onerror = change.onabort = () => reject(change.error);
      }));
      this.#kept(true);
    } catch (error) {
      this.#kept(false);
      throw error;
    }
  }

  #kept(kept) {
    if (this.forgetful === !kept) return;
    this.forgetful = !kept;
    this.changed();
  }

  #put(name, key, value, durability) {
    return this.#change([name], stores => {
      if (value === undefined) stores(name).delete(key);
      else stores(name).put(value, key);
    }, durability);
  }

  // This page's key pair, made at first use. The private half can be used but not read.
  async key() {
    const kept = await this.#get('own', 'key');
    if (kept) return kept;
    const made = await generateKeyPair();
    await this.#put('own', 'key', made);
    return made;
  }

  // { leaveStops, limit, name } and whatever else the wearer chose.
  async choices() { return { leaveStops: true, limit: 1, ...await this.#get('own', 'choices') }; }
  choose(choices) { return this.#put('own', 'choices', choices); }

  // Hubs: { key: Uint8Array, name, places, used }, the last used first.
  async hubs() { return (await this.#all('hubs')).sort((a, b) => b.used - a.used); }
  keepHub(hub) { return this.#put('hubs', hub.key, hub); }
  forgetHub(hub) { return this.#put('hubs', hub.key, undefined); }

  // Toys: { address, id, name, used }, the last used first.
  async toys() { return (await this.#all('toys')).sort((a, b) => b.used - a.used); }

  async keepToy(toy) {
    await this.#put('toys', toy.address, toy);
    for (const old of (await this.toys()).slice(MOST_TOYS)) await this.forgetToy(old);
  }

  forgetToy(toy) { return this.#put('toys', toy.address, undefined); }

  // Records (debts.js) of toys that may run. A page that ends loses nothing that is under way to the
  // disk; a phone that ends at once may, and is not made to wait for that before every run.
  records() { return this.#all('records'); }
  keepRecord(record) { return this.#put('records', record.address, record, 'relaxed'); }
  forgetRecord(address) { return this.#put('records', address, undefined, 'relaxed'); }

  // Everything, the key included: this browser is then a stranger to every hub. What may run stays
  // named. The stores are emptied, for a database cannot be removed while another tab has it.
  forgetAll() {
    const names = STORES.filter(name => name !== 'records');
    return this.#change(names, stores => { for (const name of names) stores(name).clear(); });
  }
}
