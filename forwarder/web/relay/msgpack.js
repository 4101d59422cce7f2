// MessagePack for link frames. Values: null, booleans, safe integers, floats, strings, Uint8Array,
// arrays, and maps. A map whose keys are all strings is an object without a prototype; any other is
// a Map. Everything a peer sends is bounded while it is read; what is wrong raises FormatError.

export class FormatError extends Error {}

// The same limits as the hub's reader. The longest text is 512 characters of up to four bytes, an
// attribute value at most 512 bytes, the longest list every service the hub knows.
const LIMITS = { text: 2048, bytes: 512, items: 4096, depth: 16 };

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function encode(value) {
  let out = new Uint8Array(256);
  let view = new DataView(out.buffer);
  let at = 0;

  const room = size => {
    if (at + size <= out.length) return;
    const larger = new Uint8Array(Math.max(out.length * 2, at + size));
    larger.set(out);
    out = larger;
    view = new DataView(out.buffer);
  };
  const byte = value => { room(1); out[at++] = value; };
  const number = (tag, size, setter, value) => {
    room(1 + size);
    out[at++] = tag;
    view[setter](at, value);
    at += size;
  };
  const raw = bytes => { room(bytes.length); out.set(bytes, at); at += bytes.length; };
  const head = (size, tags) => {
    if (tags.short !== undefined && size <= tags.most) byte(tags.short | size);
    else if (tags.one !== undefined && size < 0x100) number(tags.one, 1, 'setUint8', size);
    else if (size < 0x10000) number(tags.two, 2, 'setUint16', size);
    else number(tags.four, 4, 'setUint32', size);
  };
  const integer = value => {
    if (value >= 0) {
      if (value < 0x80) byte(value);
      else if (value < 0x100) number(0xcc, 1, 'setUint8', value);
      else if (value < 0x10000) number(0xcd, 2, 'setUint16', value);
      else if (value < 0x100000000) number(0xce, 4, 'setUint32', value);
      else number(0xcf, 8, 'setBigUint64', BigInt(value));
    } else if (value >= -32) byte(value & 0xff);
    else if (value >= -0x80) number(0xd0, 1, 'setInt8', value);
    else if (value >= -0x8000) number(0xd1, 2, 'setInt16', value);
    else if (value >= -0x80000000) number(0xd2, 4, 'setInt32', value);
    else number(0xd3, 8, 'setBigInt64', BigInt(value));
  };
  const put = value => {
    if (value === null || value === undefined) byte(0xc0);
    else if (typeof value === 'boolean') byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') {
      if (Number.isSafeInteger(value)) integer(value);
      else number(0xcb, 8, 'setFloat64', value);
    } else if (typeof value === 'string') {
      const bytes = utf8.encode(value);
      head(bytes.length, { short: 0xa0, most: 31, one: 0xd9, two: 0xda, four: 0xdb });
      raw(bytes);
    } else if (value instanceof Uint8Array) {
      head(value.length, { one: 0xc4, two: 0xc5, four: 0xc6 });
      raw(value);
    } else if (Array.isArray(value)) {
      head(value.length, { short: 0x90, most: 15, two: 0xdc, four: 0xdd });
      value.forEach(put);
    } else if (typeof value === 'object') {
      const pairs = value instanceof Map ? [...value] : Object.entries(value);
      const kept = pairs.filter(([, item]) => item !== undefined);
      head(kept.length, { short: 0x80, most: 15, two: 0xde, four: 0xdf });
      for (const [key, item] of kept) { put(key); put(item); }
    } else throw new TypeError(`MessagePack has no ${typeof value}`);
  };

  put(value);
  return out.slice(0, at);
}

export function decode(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let depth = 0;

  const number = (size, getter) => {
    if (at + size > bytes.length) throw new FormatError('the frame ends too early');
    const value = view[getter](at);
    at += size;
    return value;
  };
  const whole = getter => {
    const value = Number(number(8, getter));
    if (!Number.isSafeInteger(value)) throw new FormatError('a number is too large');
    return value;
  };
  const raw = (size, limit) => {
    if (size > limit) throw new FormatError(`${size} bytes in one value, ${limit} is the limit`);
    if (at + size > bytes.length) throw new FormatError('the frame ends too early');
    at += size;
    return bytes.slice(at - size, at);
  };
  const string = size => {
    try {
      return text.decode(raw(size, LIMITS.text));
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw new FormatError('a text is not UTF-8');
    }
  };
  const nested = (size, read) => {
    if (size > LIMITS.items) throw new FormatError(`${size} items, ${LIMITS.items} is the limit`);
    if (++depth > LIMITS.depth) throw new FormatError('the frame is nested too deeply');
    const value = read();
    depth--;
    return value;
  };
  const list = size => nested(size, () => {
    const items = [];
    while (items.length < size) items.push(take());
    return items;
  });
  const map = size => nested(size, () => {
    const pairs = [];
    while (pairs.length < size) {
      const key = take();
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new FormatError('a key is neither text nor number');
      }
      pairs.push([key, take()]);
    }
    if (!pairs.every(([key]) => typeof key === 'string')) return new Map(pairs);
    const object = Object.create(null);
    for (const [key, item] of pairs) object[key] = item;
    return object;
  });
  const take = () => {
    const tag = number(1, 'getUint8');
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 15);
    if (tag < 0xa0) return list(tag & 15);
    if (tag < 0xc0) return string(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return raw(number(1, 'getUint8'), LIMITS.bytes);
      case 0xc5: return raw(number(2, 'getUint16'), LIMITS.bytes);
      case 0xc6: return raw(number(4, 'getUint32'), LIMITS.bytes);
      case 0xca: return number(4, 'getFloat32');
      case 0xcb: return number(8, 'getFloat64');
      case 0xcc: return number(1, 'getUint8');
      case 0xcd: return number(2, 'getUint16');
      case 0xce: return number(4, 'getUint32');
      case 0xcf: return whole('getBigUint64');
      case 0xd0: return number(1, 'getInt8');
      case 0xd1: return number(2, 'getInt16');
      case 0xd2: return number(4, 'getInt32');
      case 0xd3: return whole('getBigInt64');
      case 0xd9: return string(number(1, 'getUint8'));
      case 0xda: return string(number(2, 'getUint16'));
      case 0xdb: return string(number(4, 'getUint32'));
      case 0xdc: return list(number(2, 'getUint16'));
      case 0xdd: return list(number(4, 'getUint32'));
      case 0xde: return map(number(2, 'getUint16'));
      case 0xdf: return map(number(4, 'getUint32'));
      default: throw new FormatError(`0x${tag.toString(16)} starts nothing that a link frame holds`);
    }
  };

  const value = take();
  if (at !== bytes.length) throw new FormatError('something follows the frame');
  return value;
}
