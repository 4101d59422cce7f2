// The controls of the devices on the page: a slider, a slider for both ways, or a pad; and patterns.

import { Curve } from './curve.js';
import { PATTERNS } from './patterns.js';
import { t } from './words.js';

const MODES = ['hand', ...Object.keys(PATTERNS), 'loop'];
// Around off, so that a thumb finds it.
const DETENT = 0.06;

const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
const stamp = id => document.getElementById(id).content.firstElementChild.cloneNode(true);
const percent = part => `${Math.round(part * 100)} %`;

export class Controls {
  #rows = new Map(); // control key → { node, setting, curve }
  #cards = new Map(); // device index → node
  #list;
  #player;
  #now;

  constructor(list, player, now) {
    this.#list = list;
    this.#player = player;
    this.#now = now;
  }

  // Show `devices` (Map of what guest.js calls shown), with `notes` of why they do not run.
  draw(devices, notes) {
    for (const [index, node] of this.#cards) {
      if (!devices.has(index)) { node.remove(); this.#cards.delete(index); }
    }
    for (const [index, device] of [...devices].sort(([a], [b]) => a - b)) {
      let node = this.#cards.get(index);
      if (!node) {
        node = stamp('device');
        this.#cards.set(index, node);
        this.#list.append(node);
      }
      text(node.querySelector('h2'), device.name);
      const why = notes[index] ?? null;
      const note = node.querySelector('.why');
      text(note, why ?? '');
      note.hidden = why === null;
      node.querySelector('.controls').inert = why !== null;
      this.#controls(node.querySelector('.controls'), device);
    }
  }

  #controls(list, device) {
    const wanted = new Set(device.controls.map(control => control.key));
    for (const node of [...list.children]) if (!wanted.has(node.dataset.key)) { this.#rows.delete(node.dataset.key); node.remove(); }
    for (const control of device.controls) {
      const setting = this.#player.settings.get(control.key);
      const row = this.#rows.get(control.key);
      if (row && row.setting === setting && row.node.isConnected && row.kind === control.kind) continue;
      row?.node.remove();
      const made = this.#row(setting, device);
      this.#rows.set(control.key, made);
      list.append(made.node);
    }
    this.tick();
  }

  #row(setting, device) {
    const { control } = setting;
    const node = stamp('control');
    node.dataset.key = control.key;
    const [slide, pad] = [node.querySelector('.slide'), node.querySelector('.pad')];
    const several = device.controls.filter(other => other.type === control.type).length > 1;
    const kind = t(`kind.${control.type}`);
    const title = several ? `${kind} ${device.controls.filter(other => other.type === control.type).indexOf(control) + 1}` : kind;
    text(node.querySelector('h3'), control.title && !control.title.toLowerCase().includes(kind.toLowerCase()) && control.title.length < 30 ? `${title}: ${control.title}` : title);
    const named = t('of', { what: title, name: device.name });
    const tell = () => { this.#player.tell(setting, this.#now()); this.tick(); };
    const byHand = part => {
      if (setting.playing) this.#mode(setting, 'hand');
      setting.part = part;
      tell();
    };
    slide.hidden = control.kind === 'position';
    pad.hidden = !slide.hidden;
    node.querySelector('.ends').hidden = control.kind !== 'both';
    if (control.kind === 'position') this.#pad(pad, named, byHand);
    else {
      slide.min = control.kind === 'both' ? -1 : 0;
      slide.max = 1;
      slide.setAttribute('aria-label', named);
      slide.oninput = () => {
        const part = Number(slide.value);
        byHand(Math.abs(part) < DETENT && control.kind === 'both' ? 0 : part);
      };
      // Twenty steps from end to end, whatever `any` would make of a key.
      slide.onkeydown = event => {
        const by = { ArrowRight: 0.05, ArrowUp: 0.05, ArrowLeft: -0.05, ArrowDown: -0.05, PageUp: 0.2, PageDown: -0.2 }[event.key];
        const end = { Home: Number(slide.min), End: 1 }[event.key];
        if (by === undefined && end === undefined) return;
        event.preventDefault();
        slide.value = `${end ?? Math.round((Number(slide.value) + by) * 100) / 100}`;
        byHand(Number(slide.value));
      };
    }
    const modes = node.querySelector('.modes');
    modes.setAttribute('aria-label', t('how.of', { what: named }));
    for (const id of MODES) {
      const button = document.createElement('button');
      button.type = 'button';
      button.dataset.mode = id;
      text(button, t(`pattern.${id}`));
      button.onclick = () => {
        this.#mode(setting, id);
        tell();
      };
      modes.append(button);
    }
    const [speed, strength, backwards] = ['.speed', '.strength', '.backwards'].map(name => node.querySelector(name));
    speed.setAttribute('aria-label', t('speed.of', { what: named }));
    strength.setAttribute('aria-label', t('strength.of', { what: named }));
    speed.oninput = () => { setting.hurry(2 ** Number(speed.value), this.#now()); this.tick(); };
    strength.oninput = () => { setting.strength = Number(strength.value) / 100; this.tick(); };
    backwards.onchange = () => { setting.backwards = backwards.checked; tell(); };
    node.querySelector('.turn').hidden = control.kind !== 'both';
    return { node, setting, kind: control.kind, curve: new Curve(node.querySelector('.curve'), setting, () => this.tick()) };
  }

  #pad(pad, named, byHand) {
    pad.setAttribute('aria-label', named);
    const at = event => {
      const box = pad.getBoundingClientRect();
      byHand(Math.min(1, Math.max(0, 1 - (event.clientY - box.top - 24) / (box.height - 48))));
    };
    let held = false;
    pad.onpointerdown = event => { pad.setPointerCapture(event.pointerId); held = true; at(event); };
    pad.onpointermove = event => { if (held) at(event); };
    pad.onpointerup = pad.onpointercancel = () => { held = false; };
    pad.onkeydown = event => {
      const now = Number(pad.getAttribute('aria-valuenow')) / 100;
      const part = { ArrowUp: now + 0.05, ArrowRight: now + 0.05, ArrowDown: now - 0.05, ArrowLeft: now - 0.05, Home: 0, End: 1 }[event.key];
      if (part === undefined) return;
      event.preventDefault();
      byHand(Math.min(1, Math.max(0, part)));
    };
  }

  #mode(setting, id) {
    setting.play(id, this.#now());
  }

  // Show where everything is.
  tick() {
    const now = this.#now();
    for (const { node, setting, curve } of this.#rows.values()) {
      const { control } = setting;
      const part = setting.partAt(now);
      text(node.querySelector('.value'), control.kind === 'position' ? percent(part) : part ? percent(part) : t('off'));
      const slide = node.querySelector('.slide');
      if (!slide.hidden && document.activeElement !== slide || setting.playing || part === 0) slide.value = `${part}`;
      slide.setAttribute('aria-valuetext', part ? percent(part) : t('off'));
      const pad = node.querySelector('.pad');
      if (!pad.hidden) {
        pad.setAttribute('aria-valuenow', `${Math.round(part * 100)}`);
        pad.setAttribute('aria-valuetext', percent(part));
        node.querySelector('.spot').style.bottom = `calc(${part} * (100% - 3rem))`;
      }
      for (const button of node.querySelectorAll('.modes button')) {
        const on = `${button.dataset.mode === setting.mode}`;
        if (button.getAttribute('aria-pressed') !== on) button.setAttribute('aria-pressed', on);
      }
      node.querySelector('.tune').hidden = !setting.playing;
      if (!setting.playing) continue;
      node.querySelector('.speed').value = `${Math.log2(setting.speed)}`;
      node.querySelector('.strength').value = `${Math.round(setting.strength * 100)}`;
      text(node.querySelector('.speed-value'), `${setting.speed.toFixed(1)} ×`);
      text(node.querySelector('.strength-value'), percent(setting.strength));
      const draw = node.querySelector('.draw');
      if (draw.hidden !== (setting.mode !== 'loop')) {
        draw.hidden = setting.mode !== 'loop';
        if (!draw.hidden) curve.draw();
      }
    }
  }
}
