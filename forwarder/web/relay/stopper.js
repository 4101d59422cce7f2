// The stops of one peripheral: those that the hub sends, and the armed one, which the page runs of
// its own accord. Each is retried, and told about once when it fails.

import { now, sleep } from './clock.js';
import { SHUT, STOPPING } from './gate.js';

// How long a stop may take (ms), and the first pause before another attempt (s), doubled.
const STOP_MS = 1000;
const RETRY_FIRST_S = 0.05;
// The least pause before an armed stop that nobody acknowledges is written again, and the longest
// that a stop may ask for between two of its packets (s).
const SECOND_ROUND_S = 0.02;
const STOP_DELAY_MOST_S = 0.5;
// An operation that gave way to a stop may still reach the toy; the stop is repeated after this (s).
const STRAGGLER_S = 0.5;

const delayS = packet => Math.min((packet.after_ms ?? 0) / 1000, STOP_DELAY_MOST_S);

export class Stopper {
  armed = { stop: [], going: true };
  stopping = false;
  failing = false; // the radio has not taken the armed stop yet
  #stops = [];
  #again = null; // { at, packets }: a stop to repeat
  #waiting = [];

  // `host` is the peripheral: done(id), fail(id, code, text), stopped(cause, ok, text), strike(cause),
  // left(reason) and `leaving`. The rest is its own, too.
  constructor({ gate, slots, written, connection, operation, host }) {
    Object.assign(this, { gate, slots, written, connection, operation, host });
  }

  get due() { return this.#again?.at ?? null; }
  get waitingStop() { return this.#stops[0] ?? null; }
  get ids() { return this.#stops.map(stop => stop.id); }
  get length() { return this.#stops.length; }

  // The armed stop as { uuid, service, d, r }, which holds beyond this connection.
  get lasting() {
    const found = new Map();
    for (const service of this.connection.services) {
      for (const { h, uuid } of service.characteristics) found.set(h, { uuid, service: service.uuid });
    }
    return this.armed.stop.map(({ h, d, r = false }) => ({ ...found.get(h), d, r }));
  }

  // A Stop of the hub is to be written.
  add({ id, packets, all, rest }) {
    const at = now();
    this.#stops.push({ id, packets, all, rest, since: at, readyAt: at + delayS(packets[0]), next: 0, attempts: 0 });
  }

  // The armed stop stands for every stop that waits: the ids that it will answer.
  join() { return this.#stops.splice(0).map(stop => stop.id); }

  // Something newer than the stop is being written.
  superseded() { this.#again = null; }

  // The gate has begun to stop; true the first time.
  begin() {
    if (this.gate.state !== STOPPING || this.stopping) return false;
    this.stopping = true;
    this.failing = false;
    return true;
  }

  // Resolves when the armed stop was written (null) or has failed for the first time (the error).
  outcome() { return new Promise(resolve => this.whenStopped(resolve)); }
  whenStopped(then) { this.#waiting.push(then); }

  tellWaiting(error) {
    for (const resolve of this.#waiting.splice(0)) resolve(error);
  }

  // Hand every packet of the armed stop to the browser in this very moment.
  blurt() {
    const { stop, going } = this.armed;
    for (const packet of stop) {
      this.connection.writeNow(packet.h, this.written.number(packet), packet.r ?? false)
        .catch(() => {}); // nobody is left who could do something about it; the worker tries too
    }
    if (going) this.connection.disconnect();
  }

  // Write the next packet of a Stop; retry it for STOP_MS, then it is the armed stop's turn.
  async writeNext() {
    const [stop] = this.#stops;
    const straggler = this.operation.abandoned;
    // It is called a stop, but nobody says that anything is off after it.
    if (!stop.rest) this.gate.wrote(now(), false);
    try {
      await this.#write(stop.packets[stop.next]);
    } catch (error) {
      this.#refused(stop, error);
      return;
    }
    if (stop !== this.#stops[0]) return; // the armed stop has taken its place
    stop.next++;
    stop.attempts = 0;
    const at = now();
    if (straggler) this.#again = { at: at + STRAGGLER_S, packets: stop.packets };
    if (stop.next < stop.packets.length) {
      stop.readyAt = at + delayS(stop.packets[stop.next]);
      return;
    }
    this.#stops.shift();
    for (const packet of stop.packets) this.written.note(packet, at);
    if (stop.rest) this.gate.wrote(at, true);
    if (stop.all) this.written.stopped(stop.packets, at);
    this.host.done(stop.id);
  }

  #refused(stop, error) {
    if (error.code === 'gone') {
      this.host.left(error.message);
      return;
    }
    if (stop !== this.#stops[0]) return;
    const at = now();
    if (at - stop.since < STOP_MS / 1000) {
      stop.readyAt = at + RETRY_FIRST_S * 2 ** stop.attempts++;
      return;
    }
    this.#stops.shift();
    this.host.fail(stop.id, error.code ?? 'radio', error.message);
    this.host.strike('radio');
  }

  async repeat() {
    const { packets } = this.#again;
    this.#again = null;
    try {
      for (const packet of packets) await this.#write(packet);
    } catch (error) {
      if (error.code === 'gone') this.host.left(error.message);
      else this.host.strike('radio');
    }
  }

  #write(packet) {
    this.slots.wrote(now());
    const data = this.written.number(packet);
    return this.operation.run(() => this.connection.write(packet.h, data, packet.r ?? false, STOP_MS), true);
  }

  // Try once to write the armed stop, and tell everybody how that went.
  async writeArmed() {
    const { stop, going } = this.armed;
    const straggler = this.operation.abandoned;
    try {
      if (stop.length) await this.#writeAll(stop);
      else if (going) this.connection.disconnect();
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.gate.state === SHUT || this.host.over !== null) return;
    const at = now();
    const { cause } = this.gate;
    this.gate.stopWritten();
    this.stopping = false;
    this.written.stopped(stop, at);
    this.#again = straggler && stop.length ? { at: at + STRAGGLER_S, packets: stop } : null;
    if (cause !== null || this.failing) this.host.stopped(cause, true);
    this.failing = false;
    this.tellWaiting(null);
    if (going) this.host.left('letting it go is its stop');
  }

  // Every packet once; then those again that nobody acknowledges, for one may be lost.
  async #writeAll(stop) {
    for (const packet of stop) {
      if (delayS(packet)) await sleep(delayS(packet) * 1000);
      await this.#write(packet);
    }
    const unanswered = stop.filter(packet => !packet.r);
    if (!unanswered.length) return;
    await sleep(Math.min(Math.max(this.slots.gapS, SECOND_ROUND_S), STOP_DELAY_MOST_S) * 1000);
    for (const packet of unanswered) await this.#write(packet);
  }

  #failed(error) {
    const hopeless = this.gate.stopFailed(now());
    if (error.code === 'gone') this.host.left(error.message);
    if (this.host.over !== null) return;
    if (!this.failing) {
      this.failing = true;
      this.host.stopped(this.gate.cause, false, error.message);
      this.tellWaiting(error);
    }
    if (hopeless) {
      this.connection.disconnect();
      this.host.left('it could not be stopped otherwise');
    }
  }

  // The peripheral has left: ids still to be answered, and whether a stop was still to be written.
  end() {
    const ended = { ids: this.ids, unstopped: this.stopping };
    this.#stops = [];
    this.stopping = false;
    return ended;
  }
}
