// A guest of a share: dials, proves the key, renews the lease, and is a Buttplug client (spec v4).
//
//     phase    problem          what is so
//     idle                      nothing was dialed yet, or the person left
//     dialing  why the last try failed, or null
//     asked                     the owner was asked; nothing can be driven
//     open                      driving, while this page is seen
//     waiting  unreachable, silent, busy, …   it dials again at retryAt
//     over     ended, expired, renewed, refused, elsewhere, passed, wrong-hub, version: nothing more comes
//
// Nothing starts by itself: after every loss, pause or stop all levels are zero.

import { BadFrame, Unpacker, packed } from './frames.js';
import { Refused, clean, shake } from './handshake.js';

export const RENEW_MS = 300;
// The hub answers each lease at once. Silent for longer, it is shown so; then the line is given up.
export const SILENT_MS = 1200;
const DEAD_MS = 5000;
// The hub takes no lease that was longer on its way (ANSWER_S there, less the pause between two).
const SLOW_MS = 1200;
const HANDSHAKE_MS = 5000;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 8000;
// An output that was not answered for so long makes room for the next.
const ANSWER_MS = 2000;

const PROBLEMS = { 'code-spent': 'ended', 'wrong-code': 'unknown', 'wrong-hub': 'wrong-hub', version: 'version', busy: 'busy' };

export class Guest {
  state = {
    phase: 'idle', problem: null, text: '', retryAt: null, silent: false, trip: null,
    share: null, devices: new Map(), held: null, notes: {},
  };
  #share;
  #env;
  #on;
  #pipe = null;
  #transport = null;
  #sent = Promise.resolve();
  #round = 0;
  #failures = 0;
  #timers = new Set();
  #lease = null;
  #seen = true;
  #heardAt = 0;
  #answered = null; // `at` of the newest lease that was answered
  #answeredAt = 0;
  #id = 0;
  #asked = new Map(); // id → what to do with the answer
  #outputs = new Map(); // control → { value waiting, id under way }

  // `share`: { key, psk, places, hubKey or null, browser }, or { token, places } at the hub's own
  // address. `env`: { dial(places), now() ms,
  // later(ms, action) → cancel }. `on`: changed(), bound({ hubKey, owner }), gone(names), stopped(text).
  constructor(share, env, on) {
    this.#share = share;
    this.#env = env;
    this.#on = on;
  }

  // --- life -------------------------------------------------------------------------------------

  start() {
    this.#failures = 0;
    this.#dial();
  }

  // Leave; nothing is dialed any more.
  leave() {
    this.#drop();
    this.#set({ phase: 'idle', problem: null });
  }

  // Whether a person sees this page. Hidden, it stops what it drives, and says no lease.
  seen(yes) {
    if (this.#seen === yes) return;
    this.#seen = yes;
    if (!yes) this.rest();
    else if (this.state.phase === 'waiting') this.#dial();
    else if (this.#transport) this.#beat();
  }

  // Stop what this page drives, at once and by both ways: the hub's and Buttplug's.
  rest() {
    this.#outputs.clear();
    if (!this.#transport) return;
    this.#say({ t: 'rest' });
  }

  stop() {
    this.#outputs.clear();
    if (this.state.phase !== 'open') return;
    this.#ask('StopCmd', { Inputs: false, Outputs: true });
  }

  // Bring an output to `value` (whole steps); of values that come faster than answers, the newest.
  output(control, value, duration = null) {
    if (this.state.phase !== 'open' || !this.#transport || !this.#seen) return;
    const slot = this.#outputs.get(control.key) ?? { next: null, under: null, last: null };
    this.#outputs.set(control.key, slot);
    slot.next = { control, value, duration };
    // Until an answer has come again, the hub takes none of our leases: it waits for that.
    if (slot.under === null && this.#env.now() - this.#answeredAt <= SILENT_MS) this.#flush(control.key, slot);
  }

  #flush(key, slot) {
    const { control, value, duration } = slot.next;
    slot.next = null;
    if (value === slot.last) return;
    slot.last = value;
    const command = { [control.type]: { Value: value, ...(duration === null ? {} : { Duration: duration }) } };
    const then = () => {
      cancel();
      slot.under = null;
      if (slot.next && this.#outputs.get(key) === slot) this.#flush(key, slot);
    };
    const cancel = this.#later(ANSWER_MS, then);
    slot.under = this.#ask('OutputCmd', { DeviceIndex: control.device, FeatureIndex: control.feature, Command: command }, (name, fields) => {
      if (name === 'Error') {
        slot.last = null;
        this.#stopped(clean(String(fields.ErrorMessage ?? ''), 200));
      }
      then();
    });
  }

  // --- dialing ----------------------------------------------------------------------------------

  async #dial() {
    this.#drop();
    const round = ++this.#round;
    this.#set({ phase: 'dialing', retryAt: null });
    try {
      await this.#meet(round);
    } catch (error) {
      if (round !== this.#round) return;
      this.#drop();
      this.#failed(error);
    }
  }

  async #meet(round) {
    const pipe = await this.#env.dial(this.#share.places);
    if (round !== this.#round) {
      pipe.close();
      return;
    }
    this.#pipe = pipe;
    const { key, psk, browser, hubKey, token } = this.#share;
    const late = new Promise((_, reject) => { this.#later(HANDSHAKE_MS, () => reject(new Error('silent'))); });
    const shaken = token ? signedIn(pipe, token) : await Promise.race([shake(pipe, { key, name: browser, secret: psk }), late]);
    if (round !== this.#round) return;
    if (hubKey && !same(hubKey, shaken.hubKey)) throw new Refused('wrong-hub', true);
    this.#share.hubKey = shaken.hubKey;
    this.#on.bound?.({ hubKey: shaken.hubKey, owner: shaken.hubName });
    this.#transport = shaken.transport;
    this.#heardAt = this.#env.now();
    this.#listen(pipe, shaken.transport, round);
    this.#beat();
  }

  #listen(pipe, transport, round) {
    const unpacker = new Unpacker();
    let arrivals = Promise.resolve();
    const lost = error => { if (round === this.#round) this.#lost(error); };
    pipe.flow(frame => {
      if (typeof frame === 'string') { lost(new BadFrame('text')); return; }
      const plain = transport.open(frame);
      plain.catch(() => {}); // told below, in its turn
      arrivals = arrivals.then(() => plain).then(data => {
        if (round !== this.#round) return;
        const got = unpacker.take(data);
        if (got?.word) this.#hear(got.word);
        for (const message of got?.messages ?? []) this.#take(message);
      }).catch(lost);
    }, () => { arrivals.then(() => lost(new Error('unreachable'))); });
  }

  #lost(error) {
    if (this.state.phase === 'over') return;
    this.#drop();
    this.#stopped('');
    this.#failed(error);
  }

  #failed(error) {
    if (error instanceof Refused && error.reason !== 'busy') {
      const known = PROBLEMS[error.reason];
      this.#set({ phase: 'over', problem: known ?? (/another browser/.test(error.message) ? 'passed' : 'refused'), text: known ? '' : error.message });
      return;
    }
    const problem = error instanceof Refused ? 'busy' : ['silent', 'mixed'].includes(error.message) ? error.message : 'unreachable';
    const pause = Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures++, 6));
    this.#set({ phase: 'waiting', problem, retryAt: this.#env.now() + pause });
    this.#later(pause, () => this.#dial());
  }

  #drop() {
    this.#round++;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#lease = null;
    this.#answered = null;
    this.#answeredAt = 0;
    this.#transport = null;
    this.#pipe?.close();
    this.#pipe = null;
    this.#sent = Promise.resolve();
    this.#asked.clear();
    this.#outputs.clear();
    Object.assign(this.state, { silent: false, trip: null, devices: new Map(), notes: {}, held: null });
  }

  // --- the lease --------------------------------------------------------------------------------

  // The page's own timer: what is frozen or hidden does not renew.
  #beat() {
    this.#lease?.();
    const now = this.#env.now();
    const quiet = now - this.#heardAt;
    if (this.#seen) this.#say({ t: 'lease', at: now, heard: this.#answered });
    else this.#heardAt = now; // nobody was asked
    if (this.#seen && quiet > DEAD_MS) {
      this.#lost(new Error('silent'));
      return;
    }
    const silent = this.#seen && (quiet > SILENT_MS || this.state.trip > SLOW_MS);
    if (silent !== this.state.silent) {
      if (silent) this.#stopped('');
      this.#set({ silent });
    }
    this.#lease = this.#later(RENEW_MS, () => this.#beat());
  }

  // --- what the hub says ------------------------------------------------------------------------

  #hear(word) {
    switch (word.t) {
      case 'lease': {
        const now = this.#env.now();
        const back = now - this.#answeredAt > SILENT_MS;
        this.#heardAt = this.#answeredAt = now;
        this.state.trip = now - word.at;
        this.#answered = word.at;
        if (this.state.silent && this.state.trip <= SLOW_MS) this.#set({ silent: false });
        if (back) {
          this.#beat();
          for (const [key, slot] of this.#outputs) if (slot.next && slot.under === null) this.#flush(key, slot);
        }
        return;
      }
      case 'share': {
        const left = typeof word.left_s === 'number' ? word.left_s : null;
        const share = {
          owner: clean(String(word.owner ?? '')), name: clean(String(word.name ?? '')), percent: Number(word.percent ?? 100),
          until: left === null ? null : this.#env.now() + left * 1000,
        };
        const allowed = word.state === 'allowed';
        if (this.state.share && this.state.share.percent !== share.percent) this.#stopped('');
        if (allowed && this.state.phase !== 'open') this.#greet();
        if (!allowed) this.#set({ share, phase: 'asked', problem: null });
        else this.#set({ share });
        return;
      }
      case 'news': {
        const notes = Object.fromEntries(Object.entries(word.devices ?? {}).map(([index, why]) => [index, why && clean(String(why), 200)]));
        const held = word.held ? clean(String(word.held), 300) : null;
        if (held || Object.values(notes).some(Boolean)) this.#stopped('');
        this.#set({ notes, held });
        return;
      }
      case 'end':
        this.#drop();
        this.#stopped('');
        this.#set({ phase: 'over', problem: String(word.reason), text: clean(String(word.text ?? ''), 300) });
        return;
      default: // of a newer hub
    }
  }

  // Something else than this page has stopped what it drove: what was told before counts no more.
  #stopped(words) {
    this.#outputs.clear();
    this.#on.stopped?.(words);
  }

  #greet() {
    this.#ask('RequestServerInfo', { ClientName: this.#share.browser, ProtocolVersionMajor: 4, ProtocolVersionMinor: 0 }, () => {
      this.#ask('RequestDeviceList', {}, (name, fields) => {
        if (name === 'DeviceList') this.#devices(fields.Devices);
        this.#failures = 0;
        this.#set({ phase: 'open', problem: null });
      });
    });
  }

  #take(message) {
    const [[name, fields]] = Object.entries(message);
    const then = fields.Id ? this.#asked.get(fields.Id) : undefined;
    if (then) {
      this.#asked.delete(fields.Id);
      then(name, fields);
    } else if (name === 'DeviceList') this.#devices(fields.Devices);
    else if (name === 'Error') this.#stopped(clean(String(fields.ErrorMessage ?? ''), 200));
  }

  #devices(list) {
    const now = new Map();
    for (const device of Object.values(list ?? {})) now.set(device.DeviceIndex, shown(device));
    const gone = [...this.state.devices].filter(([index]) => !now.has(index)).map(([, device]) => device.name);
    this.#outputs.clear();
    this.#set({ devices: now });
    if (gone.length) this.#on.gone?.(gone);
  }

  // --- sending ----------------------------------------------------------------------------------

  #ask(name, fields, then = () => {}) {
    const id = ++this.#id;
    this.#asked.set(id, then);
    this.#say([{ [name]: { Id: id, ...fields } }]);
    return id;
  }

  // The number of a frame is taken when it is handed over; the chain keeps the frames in order.
  #say(value) {
    const [transport, pipe, round] = [this.#transport, this.#pipe, this.#round];
    for (const plaintext of packed(value)) {
      const sealed = transport.seal(plaintext);
      this.#sent = this.#sent.then(() => sealed).then(frame => { if (round === this.#round) pipe.send(frame); })
        .catch(error => { if (round === this.#round) this.#lost(error); });
    }
  }

  #later(ms, action) {
    const cancel = this.#env.later(ms, () => { this.#timers.delete(cancel); action(); });
    this.#timers.add(cancel);
    return () => { this.#timers.delete(cancel); cancel(); };
  }

  #set(changes) {
    Object.assign(this.state, changes);
    this.#on.changed?.();
  }
}

// Who came with a token says it, and is answered within the frames: the connection is this page's own.
function signedIn(pipe, token) {
  pipe.send(JSON.stringify({ t: 'hello', token }));
  return { hubKey: null, hubName: '', transport: { seal: async plaintext => plaintext, open: async frame => frame } };
}

const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

const KINDS = {
  Vibrate: 'level', Rotate: 'level', Oscillate: 'level', Constrict: 'level', Temperature: 'level', Led: 'level', Spray: 'level',
  Position: 'position', HwPositionWithDuration: 'position',
};

// A device as this page shows it: { index, name, controls }. A control is one output:
// { key, device, feature, type, kind: level|both|position, low, high, timed, title }.
export function shown(device) {
  const controls = [];
  for (const feature of Object.values(device.DeviceFeatures ?? {})) {
    const outputs = Object.entries(feature.Output ?? {}).filter(([type]) => KINDS[type]);
    // One pad for a feature that moves to places, by the smoother of its ways.
    const timed = outputs.some(([type]) => type === 'HwPositionWithDuration');
    for (const [type, { Value: [low, high] }] of outputs) {
      if (type === 'Position' && timed) continue;
      const kind = KINDS[type] === 'level' && low < 0 ? 'both' : KINDS[type];
      controls.push({
        key: `${device.DeviceIndex}.${feature.FeatureIndex}.${type}`, device: device.DeviceIndex, feature: feature.FeatureIndex,
        type, kind, low, high, timed: type === 'HwPositionWithDuration', title: clean(String(feature.FeatureDescription ?? ''), 60),
      });
    }
  }
  const name = clean(String(device.DeviceDisplayName || device.DeviceName || ''), 80) || 'A toy';
  return { index: device.DeviceIndex, name, controls };
}
