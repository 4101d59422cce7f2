// All toys with one control: a level or a pattern, for everything that has a level. The page itself
// says each value, so it ends with the page; the hub stops what nobody says any more.

import { PATTERNS, level, rescaled, steps } from './patterns.js';
import { $, attribute, show, text } from './dom.js';
import { t } from './words.js';

const TICK_MS = 100;
const LEVELS = new Set(['Vibrate', 'Rotate', 'Oscillate', 'Constrict']);
// From so many on: one toy has a control of its own.
const FROM = 2;

export class Together {
  constructor(feed) {
    this.feed = feed;
    this.pattern = '';
    this.began = 0;
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
    if (strength) this.tick();
    else this.rest();
  }

  play(pattern) {
    this.pattern = pattern;
    this.began = performance.now();
    show($('all-speed-line'), pattern !== '');
  }

  hurry(speed) {
    const now = performance.now();
    this.began = now - rescaled((now - this.began) / 1000, this.speed, speed) * 1000;
    this.speed = speed;
  }

  // A person, here or elsewhere, stopped everything: the control must not say otherwise.
  rest() {
    const moved = this.sent.size > 0;
    this.strength = 0;
    this.sent.clear();
    if ($('all-level').value !== '0') $('all-level').value = 0;
    text($('all-value'), t('off'));
    if (moved) this.feed.release();
  }

  get part() {
    if (!this.pattern) return this.strength;
    return level(PATTERNS[this.pattern], (performance.now() - this.began) / 1000, this.speed, this.strength);
  }

  tick() {
    if (!this.strength || document.hidden) return;
    const { part } = this;
    for (const { device, feature, type, range } of this.outputs) {
      const value = steps(part, Math.max(0, range[0]), range[1]);
      const key = `${device} ${feature} ${type}`;
      if (this.sent.get(key) === value) continue;
      this.sent.set(key, value);
      this.feed.drive(device, feature, type, value);
    }
    attribute($('all-level'), 'aria-valuetext', $('all-value').textContent);
  }
}
