// What this browser keeps of the shares it has taken (IndexedDB): a key that no script can read, where
// the hub is, and by which key the hub is known.

import { generateKeyPair } from './noise.js';

const NAME = 'forwarder-remote';
const STORE = 'shares';
const PATIENCE_MS = 5000;

// `reason`: insecure (not https), old (no X25519), or forgetful (nothing can be kept here).
export class CannotKeep extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const intime = promise => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(reject, PATIENCE_MS, new Error('silent')); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

export class Keep {
  // Throws CannotKeep.
  static async open() {
    if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) throw new CannotKeep('insecure');
    const keep = new Keep();
    try {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      keep.db = await intime(done(request));
    } catch {
      throw new CannotKeep('forgetful');
    }
    return keep;
  }

  // Whether a key can be made here at all. Throws CannotKeep.
  static async able() {
    try {
      return await generateKeyPair();
    } catch {
      throw new CannotKeep('old');
    }
  }

  #store(mode) { return this.db.transaction(STORE, mode).objectStore(STORE); }

  // Shares: { id, key, psk, places, hubKey, owner, used }, the last used first.
  async all() { return (await intime(done(this.#store('readonly').getAll()))).sort((a, b) => b.used - a.used); }

  async find(id) { return intime(done(this.#store('readonly').get(id))); }

  // Keep a share, and make sure that it can be read again. Throws CannotKeep.
  async put(share) {
    try {
      await intime(done(this.#store('readwrite').put({ ...share, used: Date.now() }, share.id)));
      const again = await this.find(share.id);
      if (!again?.key?.privateKey) throw new Error('lost');
    } catch {
      throw new CannotKeep('forgetful');
    }
    navigator.storage?.persist?.().catch(() => false);
  }

  async forget(id) { await intime(done(this.#store('readwrite').delete(id))); }
}
