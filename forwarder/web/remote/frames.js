// What is inside the encrypted frames of a share (docs/sharing.md, On the wire): Buttplug, and words.

const MOST_BYTES = 65518; // a plaintext, less the sign in front
const MOST_WHOLE = 1 << 20;
const [MORE, LAST, WORD] = ['+', '-', '{'].map(sign => sign.charCodeAt(0));
const text = bytes => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

export class BadFrame extends Error {}

// The plaintexts that carry `value`: a list of Buttplug messages, or a word.
export function packed(value) {
  const data = new TextEncoder().encode(JSON.stringify(value));
  if (data.length <= MOST_BYTES) return [data];
  const parts = [];
  for (let at = 0; at < data.length; at += MOST_BYTES) {
    const part = data.subarray(at, at + MOST_BYTES);
    const last = at + MOST_BYTES >= data.length;
    const out = new Uint8Array(part.length + 1);
    out[0] = last ? LAST : MORE;
    out.set(part, 1);
    parts.push(out);
  }
  return parts;
}

export class Unpacker {
  #parts = [];
  #size = 0;

  // { word } or { messages }, or null while more is to come. Throws BadFrame.
  take(plaintext) {
    let data = plaintext;
    if (data[0] === MORE || data[0] === LAST) {
      const last = data[0] === LAST;
      if (!last && data.length !== MOST_BYTES + 1) throw new BadFrame('no part');
      this.#parts.push(data.subarray(1));
      this.#size += data.length - 1;
      if (this.#size > MOST_WHOLE) throw new BadFrame('too long');
      if (!last) return null;
      data = new Uint8Array(this.#size);
      let at = 0;
      for (const part of this.#parts) { data.set(part, at); at += part.length; }
      this.#parts = [];
      this.#size = 0;
    } else if (this.#parts.length) throw new BadFrame('in the middle of another');
    try {
      const value = JSON.parse(text(data));
      return data[0] === WORD ? { word: value } : { messages: value };
    } catch {
      throw new BadFrame('no JSON');
    }
  }
}
