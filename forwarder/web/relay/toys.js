// The toys of this phone: offered, being connected, connected, kept for a hub to come back, missing.
// The counterpart of relay/peripherals/table.py.
//
// A connection that is being made belongs to whoever asked for it last, or to nobody: when a link
// ends, it is offered to the next one. A toy that was lost while it may run owes a stop: the page
// connects it by itself, stops it, and lets it go, unless a hub asks for it.

import { Chosen } from './chosen.js';
import { Alarm, now } from './clock.js';
import { Owed } from './debts.js';
import { Peripheral } from './peripheral.js';
import { RadioError } from './radio.js';
import { Records } from './records.js';
import { settle } from './settle.js';
import { recordOf } from './toy.js';

// Android's stack takes about seven connections; a toy more than that fails in odd ways.
export const MOST_PERIPHERALS = 7;
// How long toys stay connected (and stopped) while the hub is away (s): a router's restart.
export const HOLD_S = 180;
// How long (s) one that was connected for its stop alone is kept, so that the hub can have it: a
// browser that has just let a toy go makes a poor connection to it.
const OFFER_S = 3;
// A toy that went away is offered to the hub again after these pauses (s), doubled: a battery change
// takes seconds, a toy in a drawer must not keep the radio busy.
const RETURN_FIRST_S = 2;
const RETURN_MOST_S = 60;
// How often (s) records are compared with what they are about: running numbers go on with each write.
const RECORD_S = 1;
const EMERGENCY = 'the wearer has pressed stop at this relay: only they can resume';

export class Toys {
  hub = null; // { send, activeS, idleS } while there is a link
  asleep = false; // the page goes: what is connected now stays so, with nobody to stop it
  #byNumber = new Map(); // p → peripheral
  #watch = new Alarm(() => this.#refresh());

  // `block`: of the gate. `maxRunS()`: the wearer's limit. `changed()` is called often,
  // `debtsChanged()` when what may be running and is not connected has changed.
  constructor({ store, radio, key, block, maxRunS, changed, debtsChanged }) {
    Object.assign(this, { radio, block, maxRunS, changed, debtsChanged });
    this.records = new Records(store, address => this.#elsewhere(address));
    this.chosen = new Chosen({ store, records: this.records, radio, key, changed, idle: toy => this.#idle(toy) });
    this.all = this.chosen.all;
  }

  find(p) { return this.#byNumber.get(p); }

  get peripherals() { return [...this.all.values()].map(toy => toy.peripheral).filter(Boolean); }
  get owed() { return [...this.all.values()].filter(toy => toy.owed); }

  // What waits, connected, for a hub.
  get held() { return [...this.all.values()].filter(({ peripheral }) => peripheral && !peripheral.bound && !peripheral.leaving); }

  // The wearer puts it away. One that does not take its stop stays named until it has.
  async remove(toy) {
    toy.removed = true;
    if (toy.attempt && !toy.owed) toy.attempt.giveUp.abort();
    if (toy.owed) {
      toy.owed.record = { ...toy.owed.record, removed: true };
      this.records.set(toy.address, toy.owed.record);
    }
    this.changed();
    if (toy.peripheral) await toy.peripheral.leave('the wearer put it away');
    else if (!toy.attempt) this.#idle(toy);
  }

  // --- offering ------------------------------------------------------------------------------------

  // It is not connected, or no hub has it: see what is to be done about it.
  #idle(toy, later = false) {
    if (toy.removed && !toy.owed && !toy.peripheral) this.chosen.discard(toy);
    else if (toy.owed) this.#chase(toy);
    else if (later) this.#offerLater(toy);
    else this.offer(toy);
    this.changed();
  }

  offerAll() { for (const toy of [...this.all.values()]) this.offer(toy); }

  // Tell the hub that this toy is there; it connects when it wants to.
  offer(toy) {
    toy.clear('offer');
    const { peripheral } = toy;
    if (!toy.device || toy.removed || toy.owed || toy.attempt || peripheral?.bound || peripheral?.leaving) return;
    // One that was kept while the hub was away is offered too: after a restart the hub has forgotten it.
    this.hub?.send({ t: 'Advertisements', items: [{ address: toy.address, name: toy.name || undefined, services: toy.device.services }] });
  }

  #offerLater(toy) {
    toy.set('offer', Math.min(RETURN_FIRST_S * 2 ** toy.failures++, RETURN_MOST_S), () => this.offer(toy));
  }

  // The wearer wants it now.
  retry(toy) {
    toy.failures = 0;
    toy.text = '';
    toy.owed?.urge(now());
    this.#idle(toy);
  }

  // --- connecting ----------------------------------------------------------------------------------

  // Connect a toy for the hub, or give it one that was held; answers.
  connect({ id, p, address, timeout_ms: limit = 20000 }) {
    const claim = { hub: this.hub, id, p };
    const toy = this.all.get(address);
    const refusal = this.#refusal(toy, p);
    if (refusal) fail(claim, ...refusal);
    else if (toy.attempt) Object.assign(toy.attempt, { claim, asked: true });
    else if (toy.peripheral) this.#resume(toy, claim);
    else this.#attempt(toy, claim, limit);
    this.changed();
  }

  // [code, text] why this Connect cannot be, or null.
  #refusal(toy, p) {
    const claims = [...this.all.values()].map(other => other.attempt?.claim).filter(Boolean);
    if (this.block.cause === 'emergency') return ['gate', EMERGENCY];
    if (this.block.cause === 'shutdown' || this.asleep) return ['busy', 'this page is about to leave'];
    if (!toy?.device || toy.removed) return ['not_found', 'this toy has to be chosen again on the phone'];
    if (this.#byNumber.has(p) || claims.some(claim => claim.p === p)) return ['refused', `number ${p} is taken`];
    if (toy.attempt?.claim) return ['busy', 'the phone is connecting this toy already'];
    if (toy.peripheral?.leaving) return ['busy', 'the phone is letting this toy go'];
    if (toy.peripheral?.bound) return ['busy', 'this toy is connected already'];
    if (toy.peripheral || toy.attempt) return null;
    if (this.peripherals.length + claims.length >= MOST_PERIPHERALS) return ['busy', `a phone holds ${MOST_PERIPHERALS} toys at most`];
    return null;
  }

  // Let a toy go, or stop connecting it; answers.
  disconnect(message) {
    const claimed = [...this.all.values()].find(toy => toy.attempt?.claim?.p === message.p);
    if (claimed) {
      const { attempt } = claimed;
      failed(attempt, 'gone', 'it was given up');
      if (!claimed.owed) attempt.giveUp.abort();
      this.hub.send({ t: 'Done', id: message.id });
      return true;
    }
    return false;
  }

  // Connect it: for a hub, or (`claim` null) because it owes a stop.
  async #attempt(toy, claim, limitMs) {
    const attempt = { claim, asked: claim !== null, lost: null, giveUp: new AbortController(), peripheral: null };
    toy.attempt = attempt;
    toy.clear('offer');
    toy.clear('chase');
    let connection = null;
    let stays = false;
    let error = null;
    try {
      connection = await this.radio.connect(toy.device, limitMs, text => {
        attempt.lost = text;
        attempt.peripheral?.left(text);
      }, attempt.giveUp.signal);
      const { owed } = toy;
      if (owed) {
        await settle(connection, owed.record);
        if (toy.owed === owed) this.#owesNothing(toy);
      }
      if (this.block.cause === 'emergency') failed(attempt, 'gate', EMERGENCY);
      if (attempt.lost !== null) throw new RadioError('gone', attempt.lost);
      if (attempt.giveUp.signal.aborted) throw new RadioError('gone', 'it was given up');
      // What is kept for the next hub has been asked for by one. What was connected for its stop alone
      // is let go, unless the hub wants it at once.
      const mayStay = !toy.removed && !['emergency', 'shutdown'].includes(this.block.cause);
      stays = mayStay && (attempt.asked || this.hub !== null);
    } catch (caught) {
      if (!(caught instanceof RadioError)) console.error(caught); // ours, and the hub is told all the same
      error = caught;
    }
    toy.attempt = null;
    if (stays) {
      this.#connected(toy, attempt, connection);
      return;
    }
    if (attempt.lost === null) connection?.disconnect();
    this.#unreached(toy, attempt, error);
  }

  #unreached(toy, attempt, error) {
    toy.owed?.tried(now());
    if (error) {
      failed(attempt, error instanceof RadioError ? error.code : 'radio', error.message);
      // In vain is what most looks for a toy out of reach are; why it went says more.
      if (attempt.asked || !toy.text) toy.text = error.message;
      toy.unusable = error.code === 'unsupported';
    } else {
      failed(attempt, 'gone', 'this toy was put away on the phone');
      Object.assign(toy, { text: '', unusable: false, failures: 0 });
    }
    this.#idle(toy, Boolean(error));
  }

  #connected(toy, attempt, connection) {
    const peripheral = new Peripheral({
      connection, block: this.block, changed: this.changed, maxRunS: this.maxRunS(), owes: false,
      gone: (text, asked, owes) => this.#gone(toy, peripheral, text, asked, owes),
      record: () => this.#note(toy),
    });
    attempt.peripheral = peripheral;
    Object.assign(toy, { peripheral, text: '', unusable: false, failures: 0, fresh: true });
    if (attempt.claim) this.#bind(toy, attempt.claim);
    else {
      this.#hold(toy, attempt.asked ? HOLD_S : OFFER_S);
      this.offer(toy);
    }
    this.changed();
  }

  // What was held is handed out once it has stopped: its hub would be refused until then.
  async #resume(toy, claim) {
    const { peripheral } = toy;
    const error = await peripheral.afterStop();
    // Anything may have happened while it was being stopped.
    const gone = toy.peripheral !== peripheral || peripheral.leaving;
    const refusal = gone ? ['gone', 'this toy is not connected any more'] : this.#refusal(toy, claim.p);
    if (error !== null) fail(claim, error.code ?? 'radio', error.message);
    else if (refusal) fail(claim, ...refusal);
    else if (claim.hub === this.hub) this.#bind(toy, claim);
  }

  #bind(toy, claim) {
    const { peripheral } = toy;
    const { hub, id, p } = claim;
    const { services, mtu } = peripheral.connection;
    const resumed = !toy.fresh;
    toy.fresh = false;
    toy.clear('hold');
    this.#byNumber.set(p, peripheral);
    peripheral.bind(p, message => hub.send(message), hub);
    hub.send({ t: 'Connected', id, services, mtu, resumed: resumed || undefined });
  }

  #gone(toy, peripheral, text, asked, owes) {
    if (toy.peripheral !== peripheral) return;
    if (this.#byNumber.get(peripheral.p) === peripheral) this.#byNumber.delete(peripheral.p);
    toy.clear('hold');
    Object.assign(toy, { peripheral: null, text: asked ? '' : text });
    const armed = peripheral.armedStop;
    // Without packets, the end of its connection was all that stops it.
    if (owes && armed?.stop.length) this.#owes(toy, armed);
    else this.records.set(toy.address, null);
    if (asked && !toy.owed && !toy.removed) this.changed();
    else this.#idle(toy, !asked);
  }

  // --- the end of a link ---------------------------------------------------------------------------

  opened(hub) {
    this.hub = hub;
    for (const toy of [...this.all.values()]) {
      toy.failures = 0;
      this.offer(toy);
    }
  }

  // The hub is gone. Every stop is under way when this returns.
  closed() {
    this.hub = null;
    this.#byNumber.clear();
    for (const toy of this.all.values()) {
      if (toy.attempt) toy.attempt.claim = null;
      if (!toy.peripheral) continue;
      toy.peripheral.unbind();
      this.#hold(toy);
    }
  }

  // Keep it for a hub to come back.
  #hold(toy, seconds = HOLD_S) {
    toy.set('hold', seconds, () => toy.peripheral?.leave('the hub stayed away'));
  }

  // Stop everything and let it go; resolves when that is over, whether the radio took it or not.
  async leaveAll(text) {
    for (const { attempt, owed } of this.all.values()) {
      if (!attempt) continue;
      Object.assign(attempt, { claim: null, asked: false });
      if (!owed) attempt.giveUp.abort();
    }
    await Promise.all(this.peripherals.map(peripheral => peripheral.leave(text)));
  }

  // The page goes, perhaps for ever: stop everything in this moment, and connect nothing any more.
  sleep() {
    this.asleep = true;
    for (const peripheral of this.peripherals) peripheral.blurt('shutdown');
    for (const { attempt } of this.all.values()) attempt?.giveUp.abort();
  }

  // It goes on after all.
  wake() {
    this.asleep = false;
    for (const toy of this.owed) this.#chase(toy);
  }

  // --- what is owed --------------------------------------------------------------------------------

  // A person has looked: it is off. Also for what owes nothing.
  forgive(toy) {
    if (!toy?.owed) return;
    this.#owesNothing(toy);
    this.#released(toy);
  }

  // Somebody pressed stop: look for all of them at once.
  urge() {
    for (const toy of this.owed) {
      toy.owed.urge(now());
      this.#chase(toy);
    }
  }

  debts() { return this.owed.map(toy => toy.owed.debt(now())); }

  #owes(toy, armed) {
    const record = recordOf(toy, armed);
    toy.owed = new Owed(record, now(), now());
    this.records.set(toy.address, record);
    this.debtsChanged();
  }

  #owesNothing(toy) {
    toy.owed = null;
    this.records.set(toy.address, null);
    this.debtsChanged();
  }

  // Another tab has stopped it, or has it.
  #elsewhere(address) {
    const toy = this.all.get(address);
    if (!toy?.owed) return;
    toy.owed = null;
    this.debtsChanged();
    this.#released(toy);
  }

  // Nobody has to look for it any more.
  #released(toy) {
    toy.text = '';
    if (!toy.attempt) this.#idle(toy);
    else if (!toy.attempt.claim) toy.attempt.giveUp.abort();
  }

  #chase(toy) {
    toy.clear('chase');
    toy.clear('offer');
    if (!toy.owed || !toy.device || toy.peripheral || toy.attempt || this.asleep) return;
    const wait = toy.owed.due(now()) - now();
    if (wait > 0) toy.set('chase', wait, () => this.#chase(toy));
    else this.#attempt(toy, null, toy.owed.lookS(now()) * 1000);
  }

  // How to stop it, or whether it may run, has changed. Settles once that is written down.
  #note(toy) {
    const { peripheral } = toy;
    if (!peripheral) return undefined; // it has gone, see #gone
    const armed = peripheral.mayRun ? peripheral.armedStop : null;
    if (!armed?.stop.length) return this.records.set(toy.address, null);
    this.#watch.by(now() + RECORD_S);
    return this.records.set(toy.address, recordOf(toy, armed));
  }

  #refresh() { for (const toy of this.all.values()) if (toy.peripheral?.mayRun) this.#note(toy); }
}

function fail({ hub, id }, code, text) {
  hub.send({ t: 'Failed', id, code, text: text.slice(0, 512) });
}

// Tell whoever waits for it.
function failed(attempt, code, text) {
  const { claim } = attempt;
  attempt.claim = null;
  if (claim) fail(claim, code, text);
}
