// What happens while one looks elsewhere: a toy that goes, a battery that runs low, a guest that comes.

import { $ } from './dom.js';
import { t } from './words.js';

const SHOWN_MS = 8000;
const MOST = 4;
const LOW = 15;

export class Toasts {
  constructor() {
    this.names = new Map();
    this.low = new Set();
    this.guests = new Set();
  }

  // What changed since the last time; what is there at the beginning is no news.
  draw(state, change) {
    if (change.whole) {
      this.names = names(state);
      this.low = low(state);
      this.guests = guests(state);
      return;
    }
    if (change.devices) {
      const now = names(state);
      for (const [index, name] of this.names) if (!now.has(index)) this.show(t('toast.gone', { name }));
      for (const [index, name] of now) if (!this.names.has(index)) this.show(t('toast.here', { name }));
      this.names = now;
    }
    if (change.live) {
      const now = low(state);
      for (const index of now) {
        if (!this.low.has(index)) this.show(t('toast.battery', { name: this.names.get(index), percent: state.live[index].battery }));
      }
      this.low = now;
    }
    if (change.clients || change.shares) {
      const now = guests(state);
      for (const name of now) if (!this.guests.has(name)) this.show(t('toast.guest', { name }));
      this.guests = now;
    }
  }

  show(words) {
    const list = $('toasts');
    const item = document.createElement('p');
    item.textContent = words;
    list.append(item);
    while (list.childElementCount > MOST) list.firstElementChild.remove();
    setTimeout(() => item.remove(), SHOWN_MS);
  }
}

const names = state => new Map(Object.values(state.devices).map(device => [`${device.index}`, device.shown_name]));

const low = state => new Set(Object.entries(state.live)
  .filter(([, live]) => live.battery !== null && live.battery <= LOW).map(([index]) => index));

// By a link, or by a token of their own; whoever still waits is asked about elsewhere.
const guests = state => new Set([
  ...state.clients.filter(client => client.kind === 'guest').map(client => client.name),
  ...state.shares.filter(share => share.guests.some(guest => guest.here && guest.state === 'allowed')).map(share => share.name),
]);
