// Play with one toy: patterns that run in the hub, a loop of one's own, a time, the range of strokes;
// and a pad for places by hand. It ends with the dialog unless it was told to go on for a time.

import { Curve } from './curve.js';
import { $, attribute, say, show, text, warn } from './dom.js';
import { PLACES, playable } from './figures.js';
import { LOOP_POINTS, PATTERNS, place } from './patterns.js';
import { HubPlay } from './plays.js';
import { t } from './words.js';

const TIMES = [0, 60, 300, 900, 1800, 3600];
// A drag makes a hundred events a second; a stroker follows some.
const DRAG_EVERY_MS = 50;
// From the left edge of the pad to the right one (ms).
const [SLOW_MS, QUICK_MS] = [1000, 100];
const STEP = 0.05;

export class Playing {
  constructor(feed) {
    this.feed = feed;
    this.dialog = $('play');
    this.device = null;
    this.hub = null; // what runs
    this.points = Array.from({ length: LOOP_POINTS }, (_, at) => Math.round(50 * (1 - Math.cos((2 * Math.PI * at) / LOOP_POINTS))) / 100);
    this.at = { x: 0.5, y: 0 };
    this.sent = null;
    this.curve = new Curve($('play-curve'), this, () => this.change({ points: this.points }));
    for (const id of ['steady', ...Object.keys(PATTERNS), 'loop']) $('play-pattern').append(new Option(t(`pattern.${id}`), id));
    for (const seconds of TIMES) $('play-time').append(new Option(t(`play.time.${seconds}`), seconds));
    $('play-pattern').onchange = () => this.pattern();
    $('play-strength').oninput = () => { this.shown(); this.change({ percent: this.body.percent }); };
    $('play-speed').oninput = () => { this.shown(); this.change({ speed: this.body.speed }); };
    for (const id of ['play-low', 'play-high']) $(id).oninput = () => this.strokes(id);
    $('play-time').onchange = () => show($('play-stays-line'), this.seconds > 0);
    $('play-start').onclick = () => this.start();
    $('play-end').onclick = () => this.end();
    $('play-close').onclick = () => this.dialog.close();
    this.dialog.onclose = () => this.closed();
    this.pad();
    setInterval(() => this.state(), 1000);
  }

  open(device) {
    this.device = device;
    this.outputs = playable(device);
    this.places = this.outputs.filter(one => PLACES.has(one.type));
    text($('play-title'), t('play.title', { name: device.shown_name }));
    show($('play-strokes'), this.places.length > 0);
    show($('play-pad-box'), this.places.length > 0);
    const [up, side] = this.places;
    if (up) text($('play-pad-hint'), side ? t('play.pad.axes', { up: up.label, side: side.label }) : t('play.pad.quick'));
    this.pattern();
    this.shown();
    text($('play-state'), '');
    show($('play-stays-line'), this.seconds > 0);
    this.dialog.showModal();
  }

  // A toy that has gone cannot be played with.
  draw(state) {
    if (this.dialog.open && this.device && !Object.values(state.devices).some(one => one.index === this.device.index)) this.dialog.close();
  }

  get seconds() { return Number($('play-time').value); }

  get body() {
    const pattern = $('play-pattern').value;
    return {
      ...(pattern === 'loop' ? { points: this.points } : { pattern }),
      percent: Number($('play-strength').value),
      speed: 2 ** Number($('play-speed').value),
      low: Number($('play-low').value),
      high: Number($('play-high').value),
    };
  }

  pattern() {
    const loop = $('play-pattern').value === 'loop';
    show($('play-draw'), loop);
    if (loop) this.curve.draw();
    this.change(loop ? { points: this.points } : { pattern: $('play-pattern').value });
  }

  shown() {
    text($('play-strength-value'), `${$('play-strength').value} %`);
    text($('play-speed-value'), `${this.body.speed.toFixed(2)} ×`);
    text($('play-low-value'), `${$('play-low').value} %`);
    text($('play-high-value'), `${$('play-high').value} %`);
  }

  // The ends push each other along.
  strokes(moved) {
    const [low, high] = [Number($('play-low').value), Number($('play-high').value)];
    if (high - low < 5) {
      if (moved === 'play-low') $('play-high').value = low + 5;
      else $('play-low').value = high - 5;
    }
    this.shown();
    this.change({ low: this.body.low, high: this.body.high });
  }

  change(changes) { this.hub?.change(changes); }

  async start() {
    const { device, seconds } = this;
    const outputs = this.outputs.map(({ feature, type }) => ({ device: device.index, feature, type }));
    $('play-start').disabled = true;
    try {
      await this.end();
      const play = await HubPlay.start({
        ...this.body, outputs, ...(seconds ? { for_s: seconds, stays: $('play-stays').checked } : {}),
      }, words => {
        this.hub = null;
        this.state();
        text($('play-state'), words || t('play.over'));
      });
      if (play.over) return;
      this.hub = play;
      // The dialog was closed meanwhile, and may be about another toy by now.
      if (!this.dialog.open || this.device.index !== device.index) this.closed();
    } catch (error) {
      text($('play-state'), error.message);
    } finally {
      $('play-start').disabled = false;
      this.state();
    }
  }

  async end() {
    const { hub } = this;
    this.hub = null;
    this.state();
    try {
      await hub?.end();
    } catch (error) {
      warn(error.message);
    }
  }

  // Everything was stopped: what ran here has ended in the hub.
  rest() {
    this.sent = null;
    if (this.hub) this.end();
    if (this.dialog.open) text($('play-state'), t('stopped'));
  }

  closed() {
    this.feed.release();
    if (this.hub && !this.hub.view.stays) this.end();
    // It goes on in the hub, and is listed among the apps.
    else if (this.hub) { this.hub.close(); this.hub = null; }
  }

  state() {
    show($('play-end'), this.hub !== null);
    if (!this.hub || !this.dialog.open) return;
    const left = this.hub.view.left_s;
    const minutes = left === null || left === undefined ? '' : left > 60 ? `${Math.ceil(left / 60)} min` : `${Math.ceil(left)} s`;
    text($('play-state'), minutes && this.seconds ? t('play.left', { minutes }) : t('play.runs'));
  }

  // --- the pad ----------------------------------------------------------------------------------

  pad() {
    const pad = $('play-pad');
    const from = event => {
      const box = pad.getBoundingClientRect();
      const part = (value, size) => Math.min(1, Math.max(0, value / size));
      this.go(part(event.clientX - box.left, box.width), 1 - part(event.clientY - box.top, box.height));
    };
    let held = false;
    pad.onpointerdown = event => { pad.setPointerCapture(event.pointerId); held = true; from(event); };
    pad.onpointermove = event => { if (held) from(event); };
    pad.onpointerup = pad.onpointercancel = () => { held = false; };
    pad.onkeydown = event => {
      const move = { ArrowUp: [0, STEP], ArrowDown: [0, -STEP], ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.go(Math.min(1, Math.max(0, this.at.x + move[0])), Math.min(1, Math.max(0, this.at.y + move[1])));
    };
    this.spot();
  }

  go(x, y) {
    this.at = { x, y };
    this.spot();
    if (this.timer) return;
    const send = () => {
      this.timer = null;
      if (this.sent === this.at) return;
      this.sent = this.at;
      this.tell();
      this.timer = setTimeout(send, DRAG_EVERY_MS);
    };
    send();
  }

  tell() {
    const [up, side] = this.places;
    const within = part => (Number($('play-low').value) + part * (Number($('play-high').value) - Number($('play-low').value))) / 100;
    const ms = side ? 2 * DRAG_EVERY_MS : Math.round(SLOW_MS + this.at.x * (QUICK_MS - SLOW_MS));
    const told = this.feed.drive(this.device.index, up.feature, up.type, place(within(this.at.y), ...up.range), ms);
    if (side) this.feed.drive(this.device.index, side.feature, side.type, place(this.at.x, ...side.range), ms);
    if (!told) say(t('hub.unreachable'));
  }

  spot() {
    const { x, y } = this.at;
    const spot = $('play-pad').querySelector('.spot');
    spot.style.left = `calc(1rem + ${x} * (100% - 2rem))`;
    spot.style.bottom = `calc(1rem + ${y} * (100% - 2rem))`;
    attribute($('play-pad'), 'aria-valuenow', `${Math.round(y * 100)}`);
    attribute($('play-pad'), 'aria-valuetext', t('play.pad.at', { x: Math.round(x * 100), y: Math.round(y * 100) }));
  }
}
