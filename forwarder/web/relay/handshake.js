// How this page and a hub come to trust a websocket: the relay's end of relay/link/README.md, 3.

import { decode, encode } from './msgpack.js';
import { Handshake, NoiseError, concat, sha256 } from './noise.js';

const SUITE = 0x01;
const MODE_PAIR = 0x01;
const MODE_KNOWN = 0x02;
const ANSWER = 0x00;
const MAX_FRAME_BYTES = 4096;
const MAX_NAME = 128;
const ascii = text => new TextEncoder().encode(text);

// The refusal's byte, and what the page calls it.
const REFUSALS = {
  0x10: 'code-spent', 0x11: 'wrong-code', 0x12: 'wrong-hub', 0x13: 'busy', 0x14: 'version',
};

// The hub will not talk to us. `reason`: one of REFUSALS, or 'revoked'. `certain`: the hub proved
// who it is before it refused, or a person waits for the answer; else it may come from anyone on
// the way, so a page that has paired shows it and keeps trying, slowly.
export class Refused extends Error {
  constructor(reason, certain, text = '') {
    super(text || reason);
    Object.assign(this, { reason, certain });
  }
}

// The other end broke the rules: the websocket is to be closed.
export class Violation extends Error {}

// Runs the handshake over `channel` ({ send(bytes), receive(): bytes }). Either `hubKey` of a hub
// this page has paired with, or the `secret` of a pairing link. `ephemeral` is for test vectors.
// Returns { transport, hubKey, hubName, hash, first } where `first` is to be sent as first frame.
export async function shake(channel, { key, name = '', hubKey = null, secret = null, ephemeral = null }) {
  const pairing = secret !== null;
  let head = Uint8Array.of(SUITE, pairing ? MODE_PAIR : MODE_KNOWN);
  if (pairing) head = concat(head, (await sha256(concat(ascii('bpforward code id'), secret))).slice(0, 8));
  const noise = await Handshake.start(pairing ? 'XXpsk0' : 'IK', {
    initiator: true, prologue: concat(ascii('bpforward link 1'), head), s: key, rs: hubKey, psk: secret, e: ephemeral,
  });
  channel.send(concat(head, await noise.write()));

  const answer = bounded(await channel.receive());
  if (answer[0] !== ANSWER) throw refusal(answer, pairing);
  let payload;
  try {
    payload = await noise.read(answer.slice(1));
  } catch (error) {
    if (!(error instanceof NoiseError)) throw error;
    // Who answers has not got the secret, or not the key, that this page was given.
    throw new Refused(pairing ? 'wrong-code' : 'wrong-hub', pairing);
  }
  if (!pairing) {
    if (payload.length) throw bye(payload);
    const transport = await noise.split();
    channel.send(await transport.seal(new Uint8Array(0)));
    return { transport, hubKey, hubName: '', hash: noise.hash };
  }
  const hubName = clean(String(plain(payload).name ?? ''));
  channel.send(await noise.write(encode({ name: clean(name) })));
  const transport = await noise.split();
  const filed = await transport.open(bounded(await channel.receive()));
  if (filed.length) throw bye(filed);
  return { transport, hubKey: noise.remoteStatic, hubName, hash: noise.hash };
}

// Text from a peer on one line, without what hides, moves or reverses other text.
export function clean(text, limit = MAX_NAME) {
  const shown = text.slice(0, 4 * limit).normalize('NFC')
    .replace(/[\p{White_Space}]+/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, '\ufffd')
    .replace(/([\p{Mn}\p{Me}]{3})[\p{Mn}\p{Me}]+/gu, '$1')
    .trim();
  const points = [...shown];
  return points.length <= limit ? shown : `${points.slice(0, limit - 1).join('').trimEnd()}…`;
}

function bounded(frame) {
  if (!(frame instanceof Uint8Array)) throw new Violation('the hub sent text');
  if (!frame.length || frame.length > MAX_FRAME_BYTES) throw new Violation('the hub sent a frame of a wrong size');
  return frame;
}

function refusal(frame, pairing) {
  const reason = REFUSALS[frame[0]];
  if (frame.length !== 1 || !reason) return new Violation('the hub refused in an unknown way');
  return new Refused(reason, pairing && reason !== 'busy');
}

function plain(payload) {
  const value = decode(payload);
  if (typeof value !== 'object' || value === null) throw new Violation('a payload is no map');
  return value;
}

function bye(payload) {
  const text = clean(String(plain(payload).text ?? ''), 512);
  const reason = text.startsWith('code expired') ? 'code-spent' : 'revoked';
  return new Refused(reason, true, text);
}
