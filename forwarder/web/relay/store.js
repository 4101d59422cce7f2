// What this page keeps in the browser (IndexedDB): its key, the hubs it has paired with, the toys
// that were chosen, and the wearer's choices. Nothing of it ever leaves the browser but the public key.

import { generateKeyPair } from './noise.js';

const NAME = 'forwarder-relay';
const MOST_TOYS = 16;

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export class Store {
  static async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      for (const name of ['own', 'hubs', 'toys']) request.result.createObjectStore(name);
    };
    const store = new Store();
    store.db = await done(request);
    // Without this a browser short of space may throw away the key, and the pairing with it.
    await navigator.storage?.persist?.().catch(() => false);
    return store;
  }

  #get(name, key) { return done(this.db.transaction(name).objectStore(name).get(key)); }
  #all(name) { return done(this.db.transaction(name).objectStore(name).getAll()); }

  #put(name, key, value) {
    return new Promise((resolve, reject) => {
      const change = this.db.transaction(name, 'readwrite', { durability: 'strict' });
      if (value === undefined) change.objectStore(name).delete(key);
      else change.objectStore(name).put(value, key);
      change.oncomplete = () => resolve();
      change.onerror = change.onabort = () => reject(change.error);
    });
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

  // Everything, the key included: this browser is then a stranger to every hub.
  async forgetAll() {
    this.db.close();
    await done(indexedDB.deleteDatabase(NAME));
  }
}
