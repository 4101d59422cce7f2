// What the controls are set to, and so what each output is told at a moment. Knows no page and no hub.

import { PATTERNS, level, loop, place, rescaled, steps, LOOP_POINTS } from './patterns.js';

// How often values are told (ms): motors follow no faster.
export const TICK_MS = 50;
// A position that a hand drags is reached within this (ms).
const DRAG_MS = 120;

// One control: `mode` is hand, a pattern's id, or loop.
export class Setting {
  mode = 'hand';
  part = 0; // by hand: -1 to 1, or a place 0 to 1
  speed = 1;
  strength = 1;
  backwards = false; // a pattern in the other direction
  points = Array.from({ length: LOOP_POINTS }, (_, at) => Math.round(50 * (1 - Math.cos((2 * Math.PI * at) / LOOP_POINTS))) / 100);
  #began = 0;

  constructor(control) { this.control = control; }

  get playing() { return this.mode !== 'hand'; }

  get pattern() { return this.mode === 'loop' ? loop(this.points) : PATTERNS[this.mode]; }

  play(mode, now) {
    this.mode = mode;
    this.#began = now;
    if (mode === 'hand' && this.control.kind !== 'position') this.part = 0;
  }

  hurry(speed, now) {
    this.#began = now - rescaled((now - this.#began) / 1000, this.speed, speed) * 1000;
    this.speed = speed;
  }

  // Off; a position stays where it is.
  rest() {
    this.mode = 'hand';
    if (this.control.kind !== 'position') this.part = 0;
  }

  // -1 to 1, or a place.
  partAt(now) {
    if (!this.playing) return this.part;
    const value = level(this.pattern, (now - this.#began) / 1000, this.speed, this.strength);
    return this.backwards && this.control.kind === 'both' ? -value : value;
  }

  // { value, duration } for the hub.
  valueAt(now) {
    const { kind, low, high, timed } = this.control;
    const part = this.partAt(now);
    const value = kind === 'position' ? place(part, low, high) : steps(part, low, high);
    return { value, duration: timed ? (this.playing ? 2 * TICK_MS : DRAG_MS) : null };
  }
}

// The settings of all controls there are. `tell(control, value, duration)`.
export class Player {
  settings = new Map();
  #tell;

  constructor(tell) { this.#tell = tell; }

  // Follow the devices: what is new rests, what is gone is forgotten.
  follow(devices) {
    const controls = [...devices.values()].flatMap(device => device.controls);
    const known = this.settings;
    this.settings = new Map(controls.map(control => {
      const old = known.get(control.key);
      if (old) old.control = control;
      return [control.key, old ?? new Setting(control)];
    }));
  }

  get playing() { return [...this.settings.values()].some(setting => setting.playing); }

  rest() { for (const setting of this.settings.values()) setting.rest(); }

  // Tell what patterns are at now.
  tick(now) { for (const setting of this.settings.values()) if (setting.playing) this.tell(setting, now); }

  tell(setting, now) {
    const { value, duration } = setting.valueAt(now);
    this.#tell(setting.control, value, duration);
  }
}
