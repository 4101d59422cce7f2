// What this page has to know of T-Code: who answers, and which axes there are. Knows no browser. The
// same as relay/radio/wired/tcode.py, where the sources stand; both play the same vectors.

export const WHO = 'D1\n';
export const AXES = 'D2\n';
const PLAIN_NAME = 'TCode v0.3';
const KNOWN = ['L0', 'L1', 'L2', 'R0', 'R1', 'R2', 'V0', 'V1', 'V2', 'V3', 'A0', 'A1', 'A2'];
// Bytes of a line of a firmware; what is longer is no answer.
const LINE_MOST = 256;
const LINE_FEED = 10;

const latin = bytes => String.fromCharCode(...bytes);

// Puts lines together from what arrives in pieces.
export class LineSplitter {
  #rest = [];

  // The lines that are whole now, each with its end. One that does not end is cut.
  feed(data) {
    const lines = [];
    for (const byte of data) {
      this.#rest.push(byte);
      if (byte === LINE_FEED) lines.push(this.#take(this.#rest.length));
    }
    while (this.#rest.length > LINE_MOST) lines.push(this.#take(LINE_MOST));
    return lines;
  }

  #take(count) { return Uint8Array.from(this.#rest.splice(0, count)); }
}

// Whether this line answers D1.
export const isVersion = line => /\bt-?code\b.{0,20}?v?\d\.\d/i.test(latin(line));

// The axis that this line of an answer to D2 tells of, or null.
export function axis(line) {
  const name = /^([LRVA]\d)\s+\d{1,4}\s+\d{1,4}\b/.exec(latin(line))?.[1];
  return KNOWN.includes(name) ? name : null;
}

// What a device with these axes (a Set) is called: `TCode L0 R1 R2`.
export function nameOf(axes) {
  return axes.size ? ['TCode', ...KNOWN.filter(name => axes.has(name))].join(' ') : PLAIN_NAME;
}
