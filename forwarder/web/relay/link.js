// The link to the hub: dials, proves both ends, greets, and then carries messages; comes back by
// itself after a loss. relay/link/README.md is normative.

import { Alarm, now, within } from './clock.js';
import { Refused, Violation, clean, shake } from './handshake.js';
import { LeaseClock } from './lease_clock.js';
import { checked } from './messages.js';
import { decode, encode } from './msgpack.js';
import { Dials } from './pipe.js';
import { nearFirst, placeName } from './places.js';

export const VERSION = 2;
const HANDSHAKE_MS = 5000;
const GREETING_MS = 5000;
// Nothing heard for this long (s) means a dead link: while anything may run, and else.
const ACTIVE_PATIENCE_S = 2;
const SILENCE_S = 10;
// After the phone's network has changed, the hub is to be heard within this (s): beats come every 2.5.
const DOUBT_S = 3;
// Pauses between attempts (s): any time up to a bound that doubles from the first to the last, so
// that the relays of a hub that restarts do not come back all at once; and never longer than it has
// been away, however the dice fell.
const RETRY_FIRST_S = 0.5;
const RETRY_MOST_S = 15;
// A hub that is busy greeting others: it is there, and has done with a thousand in ten seconds.
const RETRY_BUSY_S = 3;
const RETRY_LEAST_S = 0.1;
// After a refusal, which may not be the hub's own word (README, 3.2); "busy" is none.
const RETRY_REFUSED_S = 30;
// A link that held this long (s) was a good one.
const GOOD_S = 5;
// Bytes waiting in the websocket above which readings of sensors are left out.
const CONGESTED_BYTES = 262144;
// Pages may not send 1008 themselves; 4000 and up are theirs.
const POLICY = 4008;

// Seconds until the next attempt. `awayS`: since the last link; `chance`: 0 to 1.
export function pauseS(failures, awayS, chance) {
  const bound = Math.min(RETRY_FIRST_S * 2 ** failures, RETRY_MOST_S, Math.max(RETRY_FIRST_S, awayS));
  return Math.max(RETRY_LEAST_S, chance * bound);
}

// `key`: this page's key pair. Calls back: `hello()` returns the Hello to send; `opened(welcome)`;
// `message(m)` for each message after Welcome; `closed()` when an opened link is gone; `paired(hub)`
// before opened(), once a pairing link has become a hub; `changed()` when `state` has.
export class Link {
  // phase: idle, dialing, open, waiting, refused. problem: why the last attempt failed.
  state = { phase: 'idle', problem: null, text: '', place: null, retryAt: null, roundTripMs: null, heardAt: null };
  #target = null;
  #pipe = null;
  #send = null;
  #sent = Promise.resolve(); // settles once everything handed over so far has gone out
  #alarm = new Alarm(() => (this.open ? this.#listen() : this.#attempt()));
  #failures = 0;
  #round = 0;
  #leases = new LeaseClock();
  #activeMs = 900;
  #openedAt = 0;
  #awayAt = 0; // since when there has been no link
  #doubtedAt = -Infinity;
  #hasty = false; // the last dial was made without a pause

  constructor(key, callbacks) {
    this.key = key;
    this.on = callbacks;
  }

  // Go to `target` and stay with it: a hub { key, name, places } or a pairing { secret, places }.
  use(target) {
    this.stop();
    this.#target = target;
    this.#failures = 0;
    this.#awayAt = now();
    this.#attempt();
  }

  // The hub of the moment is to be found at `places` from now on.
  moved(places) { if (this.#target?.key) this.#target = { ...this.#target, places }; }

  // Leave, and do not come back by itself.
  stop(text = '') {
    this.#round++;
    this.#alarm.stop();
    this.#target = null;
    const wasOpen = this.open;
    const pipe = this.#pipe;
    if (wasOpen) this.#send({ t: 'Bye', text });
    // Encryption takes a moment; what was said last is still to go out.
    this.#sent.then(() => pipe?.close());
    this.#pipe = this.#send = null;
    this.state.phase = 'idle';
    if (wasOpen) this.on.closed();
    this.#set({ phase: 'idle', problem: null, text: '', place: null, retryAt: null });
  }

  // Do not wait any longer before the next attempt.
  retry() {
    if (this.state.phase !== 'waiting' && this.state.phase !== 'refused') return;
    this.#alarm.stop();
    this.#attempt();
  }

  // The phone's network has changed: a socket may be dead without a word, and says so to nobody.
  doubt() {
    if (!this.open) {
      this.retry();
      return;
    }
    this.#doubtedAt = now();
    this.#listen();
  }

  // The page goes to sleep or away: the hub is to see that at once.
  hangUp() { this.#pipe?.close(); }

  // Seconds since the hub was heard, on a link that is open.
  get silentS() { return this.open ? now() - this.state.heardAt : 0; }

  get open() { return this.state.phase === 'open'; }

  // Attempts that failed since the last link, or since use().
  get failures() { return this.#failures; }

  // Send a message. Without an open link it is dropped: nobody waits for it.
  send(message) {
    if (!this.open) return;
    if (message.t === 'Notification' && this.#pipe.waiting > CONGESTED_BYTES) return;
    this.#send(message);
  }

  #set(changes) {
    Object.assign(this.state, changes);
    this.on.changed();
  }

  async #attempt() {
    const round = ++this.#round;
    const target = this.#target;
    let failure = null;
    const dials = new Dials(target.places);
    this.#set({ phase: 'dialing', place: target.places[0], retryAt: null });
    try {
      for await (const { place, pipe, error } of dials.answers()) {
        if (round !== this.#round) {
          pipe?.close();
          return;
        }
        try {
          if (error) throw error;
          this.#set({ place });
          await this.#session(target, place, pipe, round);
          failure = null;
          break;
        } catch (problem) {
          if (round !== this.#round) return;
          // Another place may do better, unless this one is the hub and has said no, or it has just
          // become the hub: the next attempt is made with its key.
          failure = moreTelling(failure, problem);
          if ((problem instanceof Refused && problem.certain) || this.#target !== target) break;
        }
      }
    } finally {
      dials.stop();
    }
    if (round !== this.#round) return;
    if (failure) this.#failed(failure);
  }

  #failed(error, lost = false) {
    this.#drop();
    if (lost) this.#awayAt = now();
    const good = now() - this.#openedAt >= GOOD_S && this.#failures === 0;
    // Mostly the hub is there and the way has changed. Twice in a row only after a good link.
    this.#hasty = error.message === 'silent' && lost && (good || !this.#hasty);
    if (error instanceof Refused && error.reason !== 'busy') {
      const gaveUp = error.certain;
      this.#set({ phase: 'refused', problem: error.reason, text: error.message });
      if (gaveUp) return;
      this.#later(RETRY_REFUSED_S);
      return;
    }
    const problem = error instanceof Refused ? error.reason
      : ['unreachable', 'silent', 'mixed'].includes(error.message) ? error.message : 'broken';
    if (problem === 'broken') console.warn(error);
    this.#set({ phase: 'waiting', problem, text: '' });
    if (this.#hasty) {
      this.#later(0);
      return;
    }
    const chance = Math.random();
    const busy = error instanceof Refused;
    this.#later(busy ? Math.max(RETRY_LEAST_S, chance * RETRY_BUSY_S) : pauseS(this.#failures++, now() - this.#awayAt, chance));
  }

  #later(seconds) {
    const retryAt = now() + seconds;
    this.#alarm.by(retryAt);
    this.#set({ retryAt });
  }

  // Greet over `pipe`; returns once the link is open.
  async #session(target, place, pipe, round) {
    this.#pipe = pipe;
    try {
      const trust = target.secret
        ? { secret: target.secret, name: this.on.name() } : { hubKey: target.key };
      const shaken = await within(HANDSHAKE_MS, shake(pipe, { key: this.key, ...trust }), () => new Error('silent'));
      if (round !== this.#round) throw new Error('left');
      if (target.secret) {
        // The one-time secret is spent: from here on the hub's key is what this page knows it by.
        const places = nearFirst(target.places, place);
        this.#target = { key: shaken.hubKey, name: shaken.hubName || placeName(place), places };
        await this.on.paired(this.#target);
      }
      await this.#greet(pipe, shaken.transport, round);
    } catch (error) {
      pipe.close(error instanceof Violation ? POLICY : 1000);
      throw error;
    }
  }

  // Hello and Welcome, then messages as they come.
  #greet(pipe, transport, round) {
    let arrivals = Promise.resolve();
    let welcomed = false;
    const began = now();
    const opening = new Promise((resolve, reject) => {
      const fail = error => {
        if (!welcomed) reject(error);
        else if (round === this.#round && this.#pipe === pipe) this.#lost(error);
      };
      // The number of a frame is taken when it is handed over, so encryption may overlap; the
      // chain keeps the frames in order.
      this.#send = message => {
        const sealed = transport.seal(encode(message));
        this.#sent = this.#sent.then(() => sealed).then(frame => pipe.send(frame)).catch(fail);
      };
      const take = plain => {
        if (round !== this.#round || this.#pipe !== pipe) return;
        const message = checked(decode(plain));
        this.state.heardAt = now();
        if (message.t === 'Beat') {
          this.#send({ t: 'Echo', n: message.n, time_us: message.time_us, relay_us: Math.round(now() * 1e6) });
        }
        if (welcomed) this.#heard(message.t === 'Beat' ? this.#lessLate(message) : message);
        else if (message.t === 'Welcome') {
          if (message.version !== VERSION) throw new Refused('version', true);
          welcomed = true;
          this.#opened(message, now() - began);
          resolve();
        } else if (message.t === 'Bye') throw new Refused(message.retry === false ? 'revoked' : 'busy', message.retry === false, clean(message.text ?? '', 512));
        else throw new Violation(`the hub sent ${message.t} before Welcome`);
      };
      pipe.flow(frame => {
        if (typeof frame === 'string') {
          fail(new Violation('the hub sent text'));
          return;
        }
        const plain = transport.open(frame);
        plain.catch(() => {}); // told below, in its turn
        arrivals = arrivals.then(() => plain).then(take).catch(fail);
      }, () => fail(new Error('unreachable')));
    });
    this.#send(this.on.hello());
    return within(GREETING_MS, opening, () => new Error('silent'));
  }

  #opened(welcome, trip) {
    this.#failures = 0;
    this.#openedAt = now();
    this.#leases = new LeaseClock();
    this.#activeMs = welcome.active_ms ?? 900;
    this.#set({ phase: 'open', problem: null, text: '', retryAt: null, roundTripMs: trip * 1000 });
    this.#listen();
    this.on.opened(welcome);
  }

  #heard(message) {
    if (message.t === 'Bye') {
      const again = message.retry ?? true;
      const text = clean(message.text ?? '', 512);
      this.#lost(again ? new Error('unreachable') : new Refused('revoked', true, text));
    } else this.on.message(message);
  }

  // The Beat with what is left of its leases.
  #lessLate(beat) {
    const at = now();
    // Without entries there is nothing that makes it a map.
    const given = beat.leases instanceof Map ? beat.leases : new Map();
    const leases = this.#leases.left(given, beat.time_us, at, this.#activeMs);
    if (leases === null) throw new Error('silent');
    this.#alarm.by(this.#silenceEnds);
    return { ...beat, leases };
  }

  get #silenceEnds() {
    const { heardAt } = this.state;
    const ends = heardAt + (this.#leases.active ? ACTIVE_PATIENCE_S : SILENCE_S);
    return heardAt < this.#doubtedAt ? Math.min(ends, this.#doubtedAt + DOUBT_S) : ends;
  }

  // The hub has to be heard from time to time.
  #listen() {
    const ends = this.#silenceEnds;
    if (now() >= ends) this.#lost(new Error('silent'));
    else this.#alarm.by(ends);
  }

  #lost(error) {
    this.#alarm.stop();
    this.#round++;
    const code = error instanceof Violation ? POLICY : 1000;
    this.#drop(code);
    this.#failed(error, true);
  }

  #drop(code = 1000) {
    const pipe = this.#pipe;
    const wasOpen = this.open;
    this.#pipe = this.#send = null;
    pipe?.close(code);
    if (!wasOpen) return;
    this.state.phase = 'waiting';
    this.on.closed();
  }
}

// What a person is told of two failures: a hub's refusal says more than a place where nobody is.
function moreTelling(first, second) {
  return first instanceof Refused && !(second instanceof Refused) ? first : second;
}
