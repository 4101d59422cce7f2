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

  // Shares: { id, key, psk, places, hubKey, owner, used }, the last used first. One whose key this
  // browser has lost is left out.
  async all() {
    const kept = await intime(done(this.#store('readonly').getAll()));
    const shares = await Promise.all(kept.map(opened));
    return shares.filter(Boolean).sort((a, b) => b.used - a.used);
  }

  async find(id) { return opened(await intime(done(this.#store('readonly').get(id)))); }

  // Make a key for a share, and keep both; resolves to the share with its key, as it will be found
  // again. Throws CannotKeep.
  async take(share) {
    try {
      // Taken in another tab meanwhile: that key is the one that is bound.
      const old = await this.find(share.id);
      if (old) return { ...old, places: share.places };
      await this.put({ ...share, key: await Keep.able() });
      const kept = await this.find(share.id);
      if (kept) return kept;
      // WebKit (seen in WebKitGTK 2.50) takes such a key and gives back null.
      await this.#write({ ...share, ...await wrapped() });
      const again = await this.find(share.id);
      if (again) return again;
    } catch { /* as if it had been lost */ }
    throw new CannotKeep('forgetful');
  }

  // Keep what has changed of a share. Throws what the database does.
  async put({ key, sealed, ...share }) {
    await this.#write({ ...share, ...(sealed ? { sealed } : { key }) });
    navigator.storage?.persist?.().catch(() => false);
  }

  async #write(share) { await intime(done(this.#store('readwrite').put({ ...share, used: Date.now() }, share.id))); }

  async forget(id) { await intime(done(this.#store('readwrite').delete(id))); }
}

// --- where X25519 keys cannot be kept as such ----------------------------------------------------
//
// There the key is kept sealed by another that can be, and neither can be read from the database. It
// is weaker in one thing: a script of this very page could unseal it, and ask to read it.

const X25519 = { name: 'X25519' };
const AES = { name: 'AES-GCM', length: 256 };

async function wrapped() {
  const { subtle } = crypto;
  const pair = await subtle.generateKey(X25519, true, ['deriveBits']);
  const by = await subtle.generateKey(AES, false, ['wrapKey', 'unwrapKey']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = new Uint8Array(await subtle.wrapKey('pkcs8', pair.privateKey, by, { name: AES.name, iv }));
  return { sealed: { by, iv, key, public: new Uint8Array(await subtle.exportKey('raw', pair.publicKey)) } };
}

// What was kept, with a key that can be used; null if it cannot.
async function opened(share) {
  if (share?.key?.privateKey) return share;
  if (!share?.sealed?.by) return null;
  const { by, iv, key, public: bytes } = share.sealed;
  try {
    const privateKey = await crypto.subtle.unwrapKey('pkcs8', key, by, { name: AES.name, iv }, X25519, false, ['deriveBits']);
    return { ...share, key: { privateKey, public: bytes } };
  } catch {
    return null;
  }
}
