// The Noise Protocol Framework, revision 34, for one suite (25519, AESGCM, SHA256) and the two
// patterns of the link, over WebCrypto. Section numbers are those of https://noiseprotocol.org/noise.html.
// Everything returns promises, as WebCrypto does.

export class NoiseError extends Error {}

const subtle = globalThis.crypto?.subtle;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const MAX_MESSAGE_BYTES = 65535; // section 3
const EMPTY = new Uint8Array(0);

// Who is known beforehand, then the tokens of each message (sections 7.5 and 9.4).
const PATTERNS = {
  XXpsk0: { known: '', psk: true, messages: ['psk e', 'e ee s es', 's se'] },
  IK: { known: 'r', psk: false, messages: ['e es s ss', 'e ee se'] },
};

export function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) { out.set(part, at); at += part.length; }
  return out;
}

export async function sha256(data) {
  return new Uint8Array(await subtle.digest('SHA-256', data));
}

// A key pair: { privateKey, public: 32 bytes }. The private half cannot be read by any script.
export async function generateKeyPair() {
  const pair = await subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']);
  const bytes = new Uint8Array(await subtle.exportKey('raw', pair.publicKey));
  return { privateKey: pair.privateKey, public: bytes };
}

async function shared(pair, remote) {
  try {
    const key = await subtle.importKey('raw', remote, { name: 'X25519' }, true, []);
    return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: key }, pair.privateKey, 256));
  } catch {
    // WebCrypto refuses the all-zero result, as section 12.1 lets a party do.
    throw new NoiseError('a key of the other end is not usable');
  }
}

async function hmac(key, data) {
  const handle = await subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await subtle.sign('HMAC', handle, data));
}

// Section 4.3.
async function hkdf(chainingKey, material, outputs) {
  const secret = await hmac(chainingKey, material);
  const out = [];
  let last = EMPTY;
  for (let number = 1; number <= outputs; number++) {
    last = await hmac(secret, concat(last, Uint8Array.of(number)));
    out.push(last);
  }
  return out;
}

function aesKey(bytes) {
  return subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

// Section 12.4: 32 bits of zeros, then the number big-endian.
function nonce(n) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, BigInt(n));
  return iv;
}

async function seal(key, n, ad, plaintext) {
  const algorithm = { name: 'AES-GCM', iv: nonce(n), additionalData: ad };
  return new Uint8Array(await subtle.encrypt(algorithm, key, plaintext));
}

async function unseal(key, n, ad, ciphertext) {
  if (ciphertext.length < TAG_BYTES) throw new NoiseError('a message is too short to be one');
  const algorithm = { name: 'AES-GCM', iv: nonce(n), additionalData: ad };
  try {
    return new Uint8Array(await subtle.decrypt(algorithm, key, ciphertext));
  } catch {
    throw new NoiseError('a message was forged, changed, repeated or reordered');
  }
}

// Section 5.2, with the cipher of section 5.1 inside: it numbers from 0 after each MixKey.
class SymmetricState {
  static async start(name, prologue) {
    const bytes = new TextEncoder().encode(name);
    const state = new SymmetricState();
    state.h = bytes.length > 32 ? await sha256(bytes) : concat(bytes, new Uint8Array(32 - bytes.length));
    state.ck = state.h;
    state.key = null;
    state.n = 0;
    await state.mixHash(prologue);
    return state;
  }

  async mixHash(data) { this.h = await sha256(concat(this.h, data)); }

  async mixKey(material) {
    const [ck, key] = await hkdf(this.ck, material, 2);
    this.ck = ck;
    this.key = await aesKey(key);
    this.n = 0;
  }

  async mixKeyAndHash(material) {
    const [ck, mixed, key] = await hkdf(this.ck, material, 3);
    this.ck = ck;
    await this.mixHash(mixed);
    this.key = await aesKey(key);
    this.n = 0;
  }

  async encryptAndHash(plaintext) {
    const out = this.key ? await seal(this.key, this.n++, this.h, plaintext) : plaintext;
    await this.mixHash(out);
    return out;
  }

  async decryptAndHash(ciphertext) {
    const out = this.key ? await unseal(this.key, this.n, this.h, ciphertext) : ciphertext;
    if (this.key) this.n++;
    await this.mixHash(ciphertext);
    return out;
  }
}

// Section 5.3: one end of one handshake. Options: initiator, prologue, s (own key pair), rs (the
// other end's public key if the pattern knows it), psk; e is for test vectors only.
export class Handshake {
  static async start(pattern, { initiator, prologue = EMPTY, s, rs = null, psk = null, e = null }) {
    const handshake = new Handshake();
    const chosen = PATTERNS[pattern];
    if ((psk !== null) !== chosen.psk) throw new TypeError(`${pattern}: psk given or missing`);
    if (psk && psk.length !== KEY_BYTES) throw new TypeError('a psk has 32 bytes');
    Object.assign(handshake, { initiator, s, e, re: null, remoteStatic: rs, psk, turn: 0, chosen });
    const symmetric = await SymmetricState.start(`Noise_${pattern}_25519_AESGCM_SHA256`, prologue);
    if (chosen.known === 'r') await symmetric.mixHash(initiator ? rs : s.public);
    handshake.symmetric = symmetric;
    return handshake;
  }

  get finished() { return this.turn === this.chosen.messages.length; }

  // Section 11.2: names this session, the same at both ends, once finished.
  get hash() { return this.symmetric.h; }

  async write(payload = EMPTY) {
    const out = [];
    for (const token of this.#tokens(true)) {
      if (token === 'e') {
        this.e ??= await generateKeyPair();
        out.push(this.e.public);
        await this.#mixEphemeral(this.e.public);
      } else if (token === 's') out.push(await this.symmetric.encryptAndHash(this.s.public));
      else await this.#mix(token);
    }
    out.push(await this.symmetric.encryptAndHash(payload));
    this.turn++;
    return concat(...out);
  }

  async read(message) {
    if (message.length > MAX_MESSAGE_BYTES) throw new NoiseError('a message is too long');
    let rest = message;
    const take = size => {
      if (rest.length < size) throw new NoiseError('a message is too short to be one');
      const part = rest.slice(0, size);
      rest = rest.slice(size);
      return part;
    };
    for (const token of this.#tokens(false)) {
      if (token === 'e') {
        this.re = take(KEY_BYTES);
        await this.#mixEphemeral(this.re);
      } else if (token === 's') {
        const sealed = take(KEY_BYTES + (this.symmetric.key ? TAG_BYTES : 0));
        this.remoteStatic = await this.symmetric.decryptAndHash(sealed);
      } else await this.#mix(token);
    }
    const payload = await this.symmetric.decryptAndHash(rest);
    this.turn++;
    return payload;
  }

  async split() {
    if (!this.finished) throw new TypeError('the handshake is not finished');
    const [first, second] = await hkdf(this.symmetric.ck, EMPTY, 2);
    return this.initiator ? new Transport(first, second) : new Transport(second, first);
  }

  #tokens(writing) {
    const mine = !this.finished && (this.turn % 2 === 0) === this.initiator;
    if (this.finished || mine !== writing) throw new TypeError('it is not the turn of this end');
    return this.chosen.messages[this.turn].split(' ');
  }

  async #mixEphemeral(bytes) {
    await this.symmetric.mixHash(bytes);
    if (this.psk) await this.symmetric.mixKey(bytes); // section 9.2
  }

  async #mix(token) {
    if (token === 'psk') return this.symmetric.mixKeyAndHash(this.psk);
    // The first letter is the initiator's key, the second the responder's.
    const [own, other] = this.initiator ? [token[0], token[1]] : [token[1], token[0]];
    const material = await shared(own === 'e' ? this.e : this.s, other === 'e' ? this.re : this.remoteStatic);
    return this.symmetric.mixKey(material);
  }
}

// Messages per key and direction; both ends count alike (relay/link/README.md, Transport).
export const REKEY_AFTER = 65536;
const LAST_NONCE = 2n ** 64n - 1n;

class Direction {
  constructor(key) { this.key = aesKey(key); this.n = 0; }

  // The number is taken synchronously, so that calls keep their order while WebCrypto works.
  next() {
    if (this.n && this.n % REKEY_AFTER === 0) this.key = this.key.then(rekeyed);
    return [this.key, this.n++];
  }
}

// Section 4.2.
async function rekeyed(key) {
  const sealed = await seal(key, LAST_NONCE, EMPTY, new Uint8Array(KEY_BYTES));
  return aesKey(sealed.slice(0, KEY_BYTES));
}

// Both directions after the handshake. Each call's number is its place in the order of calls;
// the promises may be awaited in any order.
export class Transport {
  #sending;
  #receiving;

  constructor(sending, receiving) {
    this.#sending = new Direction(sending);
    this.#receiving = new Direction(receiving);
  }

  async seal(plaintext) {
    if (plaintext.length > MAX_MESSAGE_BYTES - TAG_BYTES) throw new TypeError('too long for a frame');
    const [key, n] = this.#sending.next();
    return seal(await key, n, EMPTY, plaintext);
  }

  async open(frame) {
    if (frame.length > MAX_MESSAGE_BYTES) throw new NoiseError('a frame is too long');
    const [key, n] = this.#receiving.next();
    return unseal(await key, n, EMPTY, frame);
  }
}
