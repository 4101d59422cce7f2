// Which toys this phone knows: those that were chosen, and those that may run. Addresses are made
// here; the browser's own ids change when it restarts.

import { now } from './clock.js';
import { Owed } from './debts.js';
import { concat, sha256 } from './noise.js';
import { Toy } from './toy.js';

export class Chosen {
  all = new Map(); // address → Toy

  // `idle(toy)`: there is one (again), see what is to be done about it.
  constructor({ store, records, radio, key, changed, idle }) {
    Object.assign(this, { store, records, radio, key, changed, idle });
  }

  // Find out what there is. What may still run comes first.
  async load() {
    for (const toy of await this.store.toys()) this.remember(toy);
    const at = now();
    for (const record of await this.records.load()) {
      const toy = this.all.get(record.address) ?? this.remember(record);
      const lostAt = at - Math.max(0, (Date.now() - record.since) / 1000);
      Object.assign(toy, { owed: new Owed(record, lostAt, at), shown: record.shown, removed: record.removed ?? false });
    }
    for (const device of await this.radio.remembered()) await this.adopt(device);
  }

  remember(kept) {
    const toy = new Toy(kept);
    this.all.set(toy.address, toy);
    return toy;
  }

  // Let the person choose a toy; null if they chose none.
  async choose(interests, all, kind) {
    return this.#picked(await this.radio.choose(interests, all, kind));
  }

  // Something is there (again): take it if it is one of ours.
  async returned(device) {
    if (![...this.all.values()].some(toy => toy.id === device.id)) return;
    device.chosen = true;
    await this.adopt(device);
  }

  // Let the person choose a toy that owes a stop, which the browser has forgotten. Needs no hub.
  async seek(toy, interests) {
    const services = [...new Set([...toy.owed.record.stop.map(packet => packet.service), ...interests?.services ?? []])];
    const kind = this.radio.kindOf(toy.owed.record.stop[0]?.service);
    return this.#picked(await this.radio.choose({ services, names: [toy.name] }, !toy.name, kind), toy);
  }

  async #picked(device, wanted = null) {
    if (!device) return null;
    const toy = await this.adopt(device, wanted);
    toy.removed = false; // who chooses it wants it, also after having put it away
    return toy;
  }

  // A toy that may be used: chosen just now (as `wanted`, if it may be that one), or remembered by
  // the browser.
  async adopt(device, wanted = null) {
    const name = device.name ?? '';
    const toy = this.#known(device, name, wanted)
      ?? this.remember({ address: await this.#address(device.id), id: device.id, name });
    const same = toy.device === device;
    Object.assign(toy, { id: device.id, name: name || toy.name, shown: toy.shown || name, device });
    toy.owed?.urge(now());
    if (toy.owed) this.idle(toy);
    // Kept before the hub hears of it: the address must be the same the next time.
    await this.store.keepToy({ address: toy.address, id: toy.id, name: toy.name, used: Date.now() })
      .catch(error => console.warn(error));
    if (!same || !toy.peripheral) this.idle(toy);
    return toy;
  }

  #known(device, name, wanted) {
    const known = [...this.all.values()];
    const same = known.find(other => other.id === device.id);
    if (same) return same;
    // A browser that forgets gives the same toy another id each time. One toy of this name that is
    // missing is this one: what the hub knows about it stays right. Among several, one that may be
    // running goes first: what stops it stops the others.
    const alike = known.filter(toy => !toy.device && toy.name === name && (name || toy === wanted));
    if (alike.includes(wanted)) return wanted;
    return alike.find(toy => toy.owed) ?? (alike.length === 1 ? alike[0] : null);
  }

  async #address(id) {
    const hash = await sha256(concat(this.key.public, new TextEncoder().encode(id)));
    return `web-${[...hash.slice(0, 8)].map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
  }

  discard(toy) {
    for (const timer of Object.keys(toy.timers)) toy.clear(timer);
    this.all.delete(toy.address);
    toy.device?.forget?.().catch(error => console.warn(error));
    this.store.forgetToy(toy).catch(error => console.warn(error));
    this.changed();
  }
}
