// Pairing links and the places where a hub may be found (relay/link/README.md, 9).
//
//     https://HUB:12347/PATH?h=HOST2#SECRET             the page comes from the hub itself
//     https://SITE/PATH#SECRET&h=HOST:12346&h=…         the page comes from elsewhere
//
// Each may name meeting points, as m=wss://HOST/at/ID: where a hub is found from everywhere. A link
// that names nothing else begins with bpforward:///?m=…
//
// bpforward:// is for other relays; pasted here it works where the browser allows ws.
// In the second form the places stand in the fragment, which browsers keep to themselves, so that
// the site never learns where the hub is; the site itself is then not one of them. There a place is
// HOST:PORT, meaning ws, or begins with ws:// or wss://.

const MOST_PLACES = 8;
const MOST_CHARACTERS = 1024;
const LINK_PORT = 12346;

export class BadLink extends Error {}

// The 32 bytes of a secret. Throws BadLink.
export function secretBytes(text) {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) throw new BadLink('secret');
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0));
  // 43 characters hold two bits more than 32 bytes; one way to write a secret is enough.
  const again = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
  if (again !== `${text}=`) throw new BadLink('secret');
  return bytes;
}

// { secret, places } of a pairing link as a person pasted it, where places are websocket URLs.
// White space, also within, is of no account. Throws BadLink.
export function readLink(text) {
  const link = text.replaceAll(/\s/g, '');
  if (link.length > MOST_CHARACTERS) throw new BadLink('long');
  const parts = /^(bpforward|https?):\/\/([^/?#]*)[^?#]*(?:\?([^#]*))?#([^&]*)(?:&(.*))?$/.exec(link);
  if (!parts) throw new BadLink('shape');
  const [, scheme, first, query = '', secret, fragment = ''] = parts;
  if (scheme === 'http' && !/^(localhost|127\.0\.0\.1|\[::1\])(:|$)/i.test(first)) throw new BadLink('shape');
  const own = fragment || (scheme === 'bpforward' && !first) ? elsewhere(fragment || query) : home(scheme, first, query);
  const all = [...own, ...fields(fragment || query, 'm').map(meeting)];
  if (!all.length) throw new BadLink('shape');
  const urls = [...new Set(all)];
  if (urls.length > MOST_PLACES) throw new BadLink('places');
  return { secret: secretBytes(secret), places: urls };
}

const fields = (query, key) => new URLSearchParams(query).getAll(key);
const elsewhere = query => fields(query, 'h').map(place => address(place, 'ws', LINK_PORT));

// The places of a hub that stands in the link itself.
function home(scheme, first, query) {
  const secure = scheme === 'https' ? 'wss' : 'ws';
  const usual = { bpforward: LINK_PORT, http: 80, https: 443 }[scheme];
  const place = address(first, secure, usual);
  const port = new URL(place).port || usual;
  return [place, ...fields(query, 'h').map(other => address(other, secure, port))];
}

// A place at a meeting point, which is dialed as it is. Throws BadLink.
function meeting(place) {
  const [, scheme, host, port] = /^(wss?):\/\/(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?\/at\/[a-z2-7]{26}$/i.exec(place) ?? [];
  if (!host || Number(port) > 65535 || port === '0') throw new BadLink('shape');
  if (scheme === 'ws' && !/^(localhost|127\.0\.0\.1|\[::1\])$/i.test(host)) throw new BadLink('shape');
  try {
    return new URL(place).href;
  } catch {
    throw new BadLink('shape');
  }
}

// The websocket URL of HOST, HOST:PORT or ws(s)://HOST:PORT. Throws BadLink.
function address(place, scheme, usualPort) {
  const [, given = scheme, host, port] = /^(?:(wss?):\/\/)?(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(place) ?? [];
  if (!host || Number(port) > 65535 || port === '0') throw new BadLink('shape');
  try {
    return new URL(`${given}://${host}:${port ?? usualPort}/link`).href;
  } catch {
    throw new BadLink('shape');
  }
}

// Take the pairing link out of the page's own address, which is shown, kept in the history and
// easily shared. Returns { secret, places } or null. Throws BadLink.
export function takeLink(place = location, past = history) {
  if (!place.hash || place.hash.length < 2) return null;
  const link = place.href;
  past.replaceState(null, '', place.pathname);
  return readLink(link);
}

const isMeeting = url => new URL(url).pathname.startsWith('/at/');

// `places` with `reached` first, unless that is at a meeting point: it works everywhere, and is the
// longer way at home.
export function nearFirst(places, reached) {
  const first = isMeeting(reached) ? places.filter(url => !isMeeting(url)) : [reached];
  return [...new Set([...first, ...places.filter(url => !isMeeting(url)), ...places])];
}

// Where a hub is to be found that was at `places` and is reached at `reached` now, by its own word
// (README, Places): of its own places those of a kind, ws or wss, that was known. What is no place
// is left out.
export function movedPlaces(places, own, meetings, reached) {
  const kinds = new Set(places.filter(url => !isMeeting(url)).map(url => new URL(url).protocol));
  const near = own.length ? own.filter(url => isPlace(url) && kinds.has(new URL(url).protocol)) : places.filter(url => !isMeeting(url));
  let far = meetings.filter(isMeetingPlace);
  if (isMeeting(reached)) far.unshift(reached);
  else near.unshift(reached);
  const nearest = [...new Set(near)];
  far = [...new Set(far)].slice(0, MOST_PLACES - (nearest.length ? 1 : 0));
  return [...nearest.slice(0, MOST_PLACES - far.length), ...far];
}

function isPlace(url) {
  try {
    return address(url.replace(/\/link$/, ''), 'ws', LINK_PORT) === url;
  } catch {
    return false;
  }
}

function isMeetingPlace(url) {
  try {
    return meeting(url) === url;
  } catch {
    return false;
  }
}

// What to call a place: its host, and the port unless it is the usual one.
export function placeName(url) {
  const { hostname, port } = new URL(url);
  return port && port !== `${LINK_PORT}` && port !== '12347' ? `${hostname}:${port}` : hostname;
}

// Chrome's permission to call the local network from an https page, or null where there is none.
export async function localNetwork() {
  for (const name of ['local-network', 'local-network-access']) {
    try {
      return await navigator.permissions.query({ name });
    } catch { /* not a permission of this browser */ }
  }
  return null;
}
