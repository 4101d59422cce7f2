// The shapes of what a hub may say (relay/link/README.md, 8). A message of another shape is a
// violation: it is refused before anything looks at it. Unknown keys are skipped.

import { Violation } from './handshake.js';

const whole = (least, most) => value => Number.isInteger(value) && value >= least && value <= most;
const u8 = whole(0, 0xff);
const u16 = whole(0, 0xffff);
const u32 = whole(0, 0xffffffff);
const micros = whole(0, 2 ** 53);
const millis = whole(0, 3600000);
const flag = value => typeof value === 'boolean';
const text = (most, least = 0) => value =>
  typeof value === 'string' && value.length >= least && [...value].length <= most;
const name = text(128);
const bytes = value => value instanceof Uint8Array && value.length <= 512;
const share = value => typeof value === 'number' && value >= 0 && value <= 1;
const list = (item, most = 4096) => value => Array.isArray(value) && value.length <= most && value.every(item);

// Leases: numbers to milliseconds. An empty map comes as an object, for nothing says otherwise.
const leases = value => (value instanceof Map
  ? [...value].every(([p, ms]) => u16(p) && millis(ms)) : isObject(value) && !Object.keys(value).length);

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    && !(value instanceof Uint8Array) && !(value instanceof Map);
}

// A key that ends in ? may be left out, or be null.
const object = shape => value => isObject(value) && Object.entries(shape).every(([key, fits]) => {
  const optional = key.endsWith('?');
  const item = value[optional ? key.slice(0, -1) : key];
  return (optional && (item === undefined || item === null)) || fits(item);
});

const packet = object({
  h: u16, d: bytes, 'r?': flag, 'k?': list(u16), 'after_ms?': millis,
  'counter?': object({ at: u8, 'xor_at?': u8 }),
});
const packets = list(packet, 32);
const keepalive = object({
  every_ms: whole(20, 60000), 'packet?': packet, 'only_running?': flag, 'only_demanded?': flag,
});
const driven = object({ p: u16, 'name?': name, 'level?': share, 'clients?': list(name), 'battery?': whole(0, 100) });
const request = { id: u32, p: u16 };

const SHAPES = {
  Welcome: { version: u16, hub: name, 'capabilities?': list(name), 'active_ms?': whole(100, 10000), 'idle_ms?': whole(1000, 60000), 'page?': name },
  Places: { 'own?': list(text(512, 1), 16), 'meetings?': list(text(512, 1), 8), 'direct?': list(text(512, 1), 2) },
  Interests: { services: list(text(36, 36)), 'names?': list(name), 'companies?': list(u16) },
  Scan: { on: flag },
  Connect: { ...request, address: text(64, 1), 'timeout_ms?': millis },
  Disconnect: request,
  Arm: {
    ...request, 'stop?': packets, 'gap_ms?': millis,
    'keepalive?': keepalive, 'seen?': u32,
  },
  Write: { ...request, h: u16, d: bytes, 'r?': flag },
  Output: { ...request, packets, 'merge?': flag, 'rest?': flag, 'moves_ms?': millis, 'at_us?': micros, 'off?': flag },
  Stop: { ...request, packets, 'all?': flag, 'rest?': flag, 'seen?': u32 },
  StopAll: { id: u32 },
  Forget: { id: u32, address: text(64, 1) },
  Read: { ...request, h: u16 },
  Subscribe: { ...request, h: u16 },
  Unsubscribe: { ...request, h: u16 },
  Beat: { n: u32, time_us: micros, 'leases?': leases },
  GuestList: { 'items?': list(object({ share: name, guest: u16, 'browser?': name, 'waits?': flag, 'drives?': flag }), 64) },
  Status: { 'items?': list(driven), 'rtt_us?': micros },
  Bye: { 'text?': text(512), 'retry?': flag },
};
const CHECKS = new Map(Object.entries(SHAPES).map(([kind, shape]) => [kind, object(shape)]));

// Returns `message` if it is one that a hub may send. Throws Violation.
export function checked(message) {
  const fits = isObject(message) ? CHECKS.get(message.t) : undefined;
  if (!fits) throw new Violation('the hub sent something that is no message');
  if (!fits(message)) throw new Violation(`the hub sent ${message.t} in a wrong shape`);
  return message;
}
