// Pairing another computer of this network: the code that its screen shows as well.

import { call } from './api.js';
import { $, klass, show, text } from './dom.js';
import { heard, put, t } from './words.js';

// The hub takes the dialog for closed when nobody has looked for 5 s.
const LOOK_EVERY_MS = 1000;

export class Comparing {
  constructor() {
    this.timer = null;
    // Whoever looks now; a hub that answers later is told that nobody does.
    this.looking = null;
    this.attempt = null;
    // Of which code the person has said something.
    this.said = null;
    $('comparing-same').onclick = () => this.say('same');
    $('comparing-different').onclick = () => this.say('different');
  }

  async start() {
    const looking = this.looking = {};
    this.said = null;
    show($('comparing'), true);
    this.state('');
    try {
      const view = await call('POST', '/comparing');
      if (this.looking === null) this.leave();
      if (this.looking !== looking) return;
      this.draw(view);
    } catch (error) {
      if (this.looking === looking) this.state(error.message);
      return;
    }
    clearInterval(this.timer);
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  stop() {
    show($('comparing'), false);
    clearInterval(this.timer);
    if (this.looking !== null) this.leave();
    this.looking = null;
  }

  leave() { call('DELETE', '/comparing').catch(() => {}); }

  async look() {
    const { looking } = this;
    const view = await call('GET', '/comparing').catch(() => null);
    if (view && this.looking !== null && this.looking === looking) this.draw(view);
  }

  draw({ state, code, attempt, relay, tries_left: left, wait_s: wait }) {
    this.attempt = attempt;
    const shown = code !== null;
    show($('comparing-do'), state !== 'joined');
    put($('comparing-do'), t('compare.do'));
    show($('comparing-code'), shown);
    text($('comparing-code'), code ?? '');
    show($('comparing-ask'), shown);
    text($('comparing-ask'), shown ? t('compare.ask', { name: relay }) : '');
    show($('comparing-choice'), shown && this.said !== attempt);
    if (state === 'joined') {
      this.state(t('pair.joined', { name: relay }), true);
      clearInterval(this.timer);
      return;
    }
    if (state === 'closed') this.state(t('compare.closed'));
    else if (shown) this.state(this.said === attempt ? t('compare.other') : '');
    else if (left === 0) this.state(t('compare.over'));
    else this.state(wait > 0 ? t('compare.wait', { seconds: Math.ceil(wait) }) : t('compare.waiting'));
  }

  async say(word) {
    const { attempt } = this;
    try {
      this.said = attempt;
      this.draw(await call('POST', `/comparing/${word}`, { attempt }));
    } catch (error) {
      this.state(heard(error.message));
    }
  }

  state(words, good = false) {
    text($('comparing-state'), words);
    klass($('comparing-state'), 'good', good);
  }
}
