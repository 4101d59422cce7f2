// Why is my toy not there? Everything that relays hear, each with the reason and what to do.

import { call } from './api.js';
import { $, keyed, klass, show, stamp, text, warn } from './dom.js';
import * as figures from './figures.js';
import { heard as translated, t } from './words.js';

// Long enough for every toy that advertises; nothing is connected for that.
const LISTEN_S = 10;
const LOOK_MS = 2_000;
// Of what nobody knows; a house has dozens of televisions and lamps.
const UNKNOWN_SHOWN = 20;

export class Seen {
  constructor() {
    this.timer = 0;
    this.until = 0;
    $('seen-again').onclick = () => this.listen();
  }

  // The box was opened, or closed.
  open() { return this.listen(); }

  async listen() {
    clearTimeout(this.timer);
    if (!$('seen').open) return;
    try {
      await call('POST', '/seen', { for_s: LISTEN_S });
    } catch (error) {
      warn(error.message);
      return;
    }
    this.until = Date.now() + LISTEN_S * 1000;
    this.look();
  }

  async look() {
    clearTimeout(this.timer);
    if (!$('seen').open) return;
    let seen;
    try {
      seen = await call('GET', '/seen');
    } catch {
      return; // the hub is gone, which is said elsewhere
    }
    this.draw(seen.toys);
    const listening = Date.now() < this.until;
    text($('seen-state'), listening ? t('seen.listening') : t('seen.lately', { minutes: seen.lately_s / 60 }));
    show($('seen-again'), !listening);
    if (listening) this.timer = setTimeout(() => this.look(), LOOK_MS);
  }

  draw(toys) {
    const unknown = toys.filter(toy => toy.reason === 'unknown');
    const shown = [...toys.filter(toy => toy.reason !== 'unknown'), ...unknown.slice(0, UNKNOWN_SHOWN)];
    keyed($('seen-list'), shown.map(toy => [toy.address, toy]), () => stamp('heard'), (row, toy) => {
      text(row.querySelector('h3'), toy.name);
      text(row.querySelector('.value'), toy.model ?? t('seen.unknown'));
      const line = row.querySelector('.why');
      text(line, toy.again_s === null ? translated(toy.text) : `${translated(toy.text)} ${t('seen.next', { seconds: Math.round(toy.again_s) })}`);
      klass(line, 'blocked', !['connected', 'opening', 'soon', 'unknown'].includes(toy.reason));
      text(row.querySelector('.by'), toy.heard.map(by).join(', '));
    });
    show($('seen-none'), !shown.length);
  }
}

function by(heard) {
  const where = heard.radio === null ? heard.relay : `${heard.relay}, ${heard.radio}`;
  return heard.signal_dbm === null ? where : `${where}: ${figures.signal(heard.signal_dbm)}`;
}
