// Play by hand with all toys: a level or a pattern, for everything that has a level, and strokes where
// one says so. The page itself says a level; a pattern runs in the hub, to which the page says that it
// is still there. So both end with the page, unless the pattern is told to go on for a time.

import { Curve } from './curve.js';
import { LOOP_POINTS, PATTERNS, PRESETS, steps } from './patterns.js';
import { $, attribute, show, text } from './dom.js';
import { HubPlay, plays } from './plays.js';
import { t } from './words.js';

const TICK_MS = 100;
const LEVELS = new Set(['Vibrate', 'Rotate', 'Oscillate', 'Constrict']);
const STROKES = ['HwPositionWithDuration', 'Position'];
// From so many on: one toy has a control of its own.
const FROM = 2;
const MINUTES = [5, 15, 30, 60];
// Back under the page's lease, whatever time was given before (s).
const LONGEST_S = 3600;

export class Together {
  pattern = '';
  speed = 1;
  strength = 0;
  points = Array.from({ length: LOOP_POINTS }, (_, at) => Math.round(50 * (1 - Math.cos((2 * Math.PI * at) / LOOP_POINTS))) / 100);
  outputs = [];
  strokes = [];
  hub = null; // the pattern that runs
  starting = false;
  anew = false; // other outputs were chosen while it began
  sent = new Map();
  looked = false;

  // `say(words)`: what went wrong, for the person.
  constructor(feed, say) {
    this.feed = feed;
    this.say = say;
    const group = (label, ids, name) => {
      const made = document.createElement('optgroup');
      made.label = label;
      made.append(...ids.map(id => new Option(t(`${name}.${id}`), id)));
      $('all-pattern').append(made);
    };
    group(t('patterns'), [...Object.keys(PATTERNS), 'loop'], 'pattern');
    group(t('presets'), Object.keys(PRESETS), 'preset');
    for (const minutes of MINUTES) $('all-time').append(new Option(t('all.minutes', { n: minutes }), minutes * 60));
    $('all-level').oninput = () => this.set(Number($('all-level').value) / 100);
    $('all-pattern').onchange = () => this.play($('all-pattern').value);
    $('all-speed').oninput = () => this.hurry(2 ** Number($('all-speed').value));
    $('all-time').onchange = () => this.hub?.change(this.time);
    $('all-strokes').onchange = () => { this.draw(); this.again(); };
    for (const id of ['all-low', 'all-high']) $(id).oninput = () => this.hub?.change(this.range);
    this.curve = new Curve($('all-loop'), this, () => this.hub?.change({ points: this.points }));
    // Nobody sees any more what it does.
    document.addEventListener('visibilitychange', () => { if (document.hidden && !this.hub?.view.stays) this.rest(); });
    setInterval(() => this.tick(), TICK_MS);
  }

  // Toys came or went; also the first time, when this was loaded for them.
  open(state) { this.draw(state); }

  draw(state) {
    if (state) this.follow(state);
    const toys = new Set([...this.outputs, ...this.strokes].map(one => one.device)).size;
    show($('together'), toys >= FROM);
    text($('all-count'), t('count.toys', { n: toys }));
    show($('all-more'), this.pattern !== '');
    show($('all-strokes-line'), this.pattern !== '' && this.strokes.length > 0);
    show($('all-range'), this.pattern !== '' && this.strokes.length > 0 && $('all-strokes').checked);
    show($('all-loop'), this.pattern === 'loop');
    if (this.pattern === 'loop') this.curve.draw();
    if (toys < FROM) this.rest();
  }

  follow(state) {
    const all = Object.values(state.devices)
      // What is made of others moves with them.
      .filter(device => device.protocol !== 'virtual')
      .flatMap(device => device.features.map(feature => ({ device: device.index, feature: feature.index, outputs: feature.outputs })));
    const named = types => all.flatMap(({ device, feature, outputs }) => {
      const type = types.find(one => one in outputs);
      return type ? [{ device, feature, type, range: outputs[type].range }] : [];
    });
    this.outputs = all.flatMap(({ device, feature, outputs }) => Object.entries(outputs)
      .filter(([type]) => LEVELS.has(type))
      .map(([type, { range }]) => ({ device, feature, type, range })));
    this.strokes = named(STROKES);
    if (!this.looked) this.adopt();
  }

  // One that went on while this page was closed.
  async adopt() {
    this.looked = true;
    const found = await plays().catch(() => []);
    const view = found.find(one => one.stays);
    if (!view || this.hub || this.starting) return;
    this.hub = new HubPlay(view, words => this.over(words));
    this.strength = view.percent / 100;
    this.pattern = view.pattern;
    this.speed = view.speed;
    if (view.points.length) this.points = view.points;
    $('all-level').value = view.percent;
    $('all-pattern').value = view.pattern === 'steady' ? '' : view.pattern;
    $('all-speed').value = Math.log2(view.speed);
    text($('all-value'), `${Math.round(view.percent)} %`);
    this.shape();
  }

  set(strength) {
    this.strength = strength;
    text($('all-value'), strength ? `${Math.round(strength * 100)} %` : t('off'));
    attribute($('all-level'), 'aria-valuetext', $('all-value').textContent);
    if (!strength) this.rest();
    else if (this.pattern) this.inHub();
    else this.tick();
  }

  play(chosen) {
    const preset = PRESETS[chosen];
    this.pattern = preset ? preset.pattern : chosen;
    if (preset) {
      this.speed = preset.speed;
      $('all-speed').value = Math.log2(preset.speed);
    }
    this.shape();
    if (this.pattern && this.strength) this.inHub();
    // By hand from here on: what is said first takes each toy from the pattern.
    if (!this.pattern) {
      this.tick();
      this.leaveHub();
    }
  }

  shape() {
    show($('all-speed-line'), this.pattern !== '');
    this.draw();
  }

  hurry(speed) {
    this.speed = speed;
    this.hub?.change({ speed });
  }

  get time() {
    const seconds = Number($('all-time').value);
    return seconds ? { for_s: seconds, stays: true } : { for_s: LONGEST_S, stays: false };
  }

  get range() {
    const ends = [Number($('all-low').value), Number($('all-high').value)];
    return { low: Math.min(...ends), high: Math.max(...ends) };
  }

  get wanted() {
    const what = this.pattern === 'loop' ? { points: this.points } : { pattern: this.pattern };
    return { ...what, percent: Math.round(this.strength * 100), speed: this.speed, ...this.range };
  }

  get first() {
    const place = ({ device, feature, type }) => ({ device, feature, type });
    const strokes = $('all-strokes').checked ? this.strokes : [];
    const outputs = strokes.length || !this.outputs.length ? { outputs: [...this.outputs, ...strokes].map(place) } : {};
    return { ...this.wanted, ...($('all-time').value ? this.time : {}), ...outputs };
  }

  // Begin anew, on other outputs.
  again() {
    this.anew = this.starting;
    if (!this.hub) return;
    this.leaveHub();
    this.inHub();
  }

  async inHub() {
    this.sent.clear();
    if (this.hub) this.hub.change(this.wanted);
    if (this.hub || this.starting) return;
    this.starting = true;
    try {
      const play = await HubPlay.start(this.first, words => this.over(words));
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
    if (this.anew) this.again();
  }

  over(words) {
    this.hub = null;
    this.rest();
    if (words) this.say(words);
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
