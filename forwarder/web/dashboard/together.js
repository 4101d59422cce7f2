// All toys with one control: a level or a pattern, for everything that has a level. The page itself
// says a level; a pattern runs in the hub, to which the page says that it is still there. So both end
// with the page.

import { PATTERNS, steps } from './patterns.js';
import { $, attribute, show, text } from './dom.js';
import { HubPlay } from './plays.js';
import { t } from './words.js';

const TICK_MS = 100;
const LEVELS = new Set(['Vibrate', 'Rotate', 'Oscillate', 'Constrict']);
// From so many on: one toy has a control of its own.
const FROM = 2;

export class Together {
  // `say(words)`: what went wrong, for the person.
  constructor(feed, say) {
    this.feed = feed;
    this.say = say;
    this.pattern = '';
    this.hub = null; // the pattern that runs
    this.starting = false;
    this.speed = 1;
    this.strength = 0;
    this.sent = new Map();
    for (const id of Object.keys(PATTERNS)) $('all-pattern').append(new Option(t(`pattern.${id}`), id));
    $('all-level').oninput = () => this.set(Number($('all-level').value) / 100);
    $('all-pattern').onchange = () => this.play($('all-pattern').value);
    $('all-speed').oninput = () => this.hurry(2 ** Number($('all-speed').value));
    // Nobody sees any more what it does.
    document.addEventListener('visibilitychange', () => { if (document.hidden) this.rest(); });
    setInterval(() => this.tick(), TICK_MS);
  }

  draw(state) {
    this.outputs = Object.values(state.devices)
      // What is made of others moves with them.
      .filter(device => device.protocol !== 'virtual')
      .flatMap(device => device.features.flatMap(feature => Object.entries(feature.outputs)
        .filter(([type]) => LEVELS.has(type))
        .map(([type, { range }]) => ({ device: device.index, feature: feature.index, type, range }))));
    const toys = new Set(this.outputs.map(one => one.device)).size;
    show($('together'), toys >= FROM);
    text($('all-count'), t('count.toys', { n: toys }));
    if (toys < FROM) this.rest();
  }

  set(strength) {
    this.strength = strength;
    text($('all-value'), strength ? `${Math.round(strength * 100)} %` : t('off'));
    attribute($('all-level'), 'aria-valuetext', $('all-value').textContent);
    if (!strength) this.rest();
    else if (this.pattern) this.inHub();
    else this.tick();
  }

  play(pattern) {
    this.pattern = pattern;
    show($('all-speed-line'), pattern !== '');
    if (pattern && this.strength) this.inHub();
    // By hand from here on: what is said first takes each toy from the pattern.
    if (!pattern) {
      this.tick();
      this.leaveHub();
    }
  }

  hurry(speed) {
    this.speed = speed;
    this.hub?.change({ speed });
  }

  get wanted() { return { pattern: this.pattern, percent: Math.round(this.strength * 100), speed: this.speed }; }

  async inHub() {
    this.sent.clear();
    if (this.hub) this.hub.change(this.wanted);
    if (this.hub || this.starting) return;
    this.starting = true;
    try {
      const play = await HubPlay.start(this.wanted, words => {
        this.hub = null;
        this.rest();
        if (words) this.say(words);
      });
      if (play.over) this.rest();
      else if (!this.strength || !this.pattern) await play.end();
      else {
        this.hub = play;
        play.change(this.wanted);
      }
    } catch (error) {
      this.rest();
      this.say(error.message);
    } finally {
      this.starting = false;
    }
  }

  leaveHub() {
    const { hub } = this;
    this.hub = null;
    hub?.end().catch(error => this.say(error.message));
  }

  // A person, here or elsewhere, stopped everything: the control must not say otherwise.
  rest() {
    const moved = this.sent.size > 0;
    this.strength = 0;
    this.sent.clear();
    if ($('all-level').value !== '0') $('all-level').value = 0;
    text($('all-value'), t('off'));
    if (moved) this.feed.release();
    this.leaveHub();
  }

  tick() {
    if (!this.strength || this.pattern || document.hidden) return;
    for (const { device, feature, type, range } of this.outputs) {
      const value = steps(this.strength, Math.max(0, range[0]), range[1]);
      const key = `${device} ${feature} ${type}`;
      if (this.sent.get(key) === value) continue;
      this.sent.set(key, value);
      this.feed.drive(device, feature, type, value);
    }
  }
}
