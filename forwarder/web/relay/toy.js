// One toy of this phone, whether it is there or not.

import { clock, now } from './clock.js';

export class Toy {
  device = null; // null: the browser wants it chosen again
  peripheral = null;
  attempt = null;
  owed = null;
  removed = false; // the wearer has put it away; it is gone once it owes nothing
  fresh = true; // no hub has had this connection yet
  text = ''; // why it is not there
  unusable = false;
  failures = 0;
  timers = { offer: null, chase: null, hold: null };

  constructor({ address, id, name = '', shown = name }) { Object.assign(this, { address, id, name, shown }); }

  get phase() {
    if (this.peripheral) return 'ready';
    if (this.attempt?.claim) return 'connecting';
    if (!this.device) return 'forgotten';
    if (this.unusable) return 'failed';
    return this.text ? 'lost' : 'offered';
  }

  set(timer, seconds, action) {
    this.clear(timer);
    this.timers[timer] = clock.set(now() + seconds, () => {
      this.timers[timer] = null;
      action();
    });
  }

  clear(timer) {
    if (this.timers[timer] !== null) clock.cancel(this.timers[timer]);
    this.timers[timer] = null;
  }
}

// How to stop it, to be written down (debts.js).
export const recordOf = ({ address, id, name, shown, removed }, { stop, gapMs }) => ({ address, id, name, shown, removed, stop, gapMs, since: Date.now() });
