// The state of the hub, kept up to date over one websocket, and the way test drives go back.

import { enter, token } from './api.js';

const MAPS = ['relays', 'devices', 'live'];
const PARTS = ['hub', 'hold', 'clients', 'origins', 'shares', 'accepted'];
const MOST_LINES = 300;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const ALIVE_MS = 1000;
// The hub says something each second; one that says nothing for so long hangs, or is not there.
const SILENT_MS = 2500;
export const UNKNOWN_TOKEN = 4401;

export class Feed {
  // `changed(state, change)` after every change; `link(up, code, reason)` when the websocket comes or
  // goes;
  // `silent(ms)` when it is there and has said nothing for so long, and with 0 when it speaks again;
  // `guest()` instead of all that, if the token is not its owner's.
  constructor(changed, link, silent, guest) {
    this.state = { hub: null, hold: null, relays: {}, devices: {}, live: {}, clients: [], origins: null, shares: [], accepted: [], log: [] };
    this.driving = false;
    this.changed = changed;
    this.link = link;
    this.silent = silent;
    this.guest = guest;
    this.heard = 0;
    this.quiet = false;
    this.wait = FIRST_WAIT_MS;
    this.socket = null;
    setInterval(() => this.alive(), ALIVE_MS);
    setInterval(() => this.listen(), ALIVE_MS / 2);
    document.addEventListener('visibilitychange', () => {
      // Nobody sees any more what the sliders do.
      if (document.hidden) this.release();
    });
    addEventListener('pagehide', () => this.release());
  }

  async open() {
    const refused = await enter();
    if (refused) {
      this.link(false, UNKNOWN_TOKEN, refused);
      return;
    }
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = this.socket = new WebSocket(`${scheme}://${location.host}/api/v1/events`);
    this.heard = performance.now();
    socket.onopen = () => socket.send(JSON.stringify({ t: 'hello', token: token() }));
    socket.onmessage = event => {
      this.speaks();
      this.take(JSON.parse(event.data));
    };
    socket.onclose = event => {
      this.socket = null;
      this.driving = false;
      this.quiet = false;
      this.link(false, event.code, event.reason);
      if (event.code === UNKNOWN_TOKEN) return;
      setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    };
  }

  take(change) {
    const state = this.state;
    // The hub says nothing of itself to guests.
    if (change.whole && !change.hub) {
      this.socket.onclose = null;
      this.socket.close();
      this.guest();
      return;
    }
    if (change.whole) {
      this.wait = FIRST_WAIT_MS;
      for (const name of MAPS) state[name] = {};
      state.log = [];
      this.link(true, 0, '');
    }
    for (const name of PARTS) if (name in change) state[name] = change[name];
    for (const name of MAPS) {
      for (const [key, value] of Object.entries(change[name] ?? {})) {
        if (value === null) delete state[name][key];
        else state[name][key] = value;
      }
    }
    if (change.log) state.log = [...state.log, ...change.log].slice(-MOST_LINES);
    this.changed(state, change);
  }

  speaks() {
    this.heard = performance.now();
    if (!this.quiet) return;
    this.quiet = false;
    this.silent(0);
  }

  listen() {
    const since = performance.now() - this.heard;
    if (this.socket === null || since < SILENT_MS) return;
    if (this.quiet) return;
    this.quiet = true;
    // What has left this page already will be heard late: then this comes behind it.
    this.release();
    this.silent(since);
  }

  say(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  // `ms`: how long a position takes to get there.
  drive(device, feature, type, steps, ms = 500) {
    this.driving = this.say({ t: 'drive', device, feature, type, steps, duration_ms: ms });
    return this.driving;
  }

  release() {
    if (this.driving) this.say({ t: 'release' });
    this.driving = false;
  }

  alive() {
    if (this.driving && !document.hidden) this.say({ t: 'alive' });
  }
}
