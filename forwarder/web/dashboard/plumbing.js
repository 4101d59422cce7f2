// How a toy or a relay is reached: delay of each hop, signal, battery, as charts, one click away.

import { $, later, show, text } from './dom.js';
import * as figures from './figures.js';
import { t } from './words.js';

const POINTS = 600;

// The last ten minutes of some figures, one point a second; null where there was none.
class Measured {
  constructor() {
    this.lines = new Map();
  }

  add(figures) {
    for (const [name, value] of Object.entries(figures)) {
      const line = this.lines.get(name) ?? [];
      line.push(value ?? null);
      if (line.length > POINTS) line.shift();
      this.lines.set(name, line);
    }
  }

  line(name) { return this.lines.get(name) ?? []; }
}

export class Plumbing {
  constructor() {
    this.kept = new Map();
    this.shown = null; // key of what the dialog is about
    this.charts = later(() => import('./charts.js').then(({ chart }) => ({ open: () => {}, chart })));
    $('history-close').onclick = () => $('history').close();
    $('history').onclose = () => { this.shown = null; };
  }

  // One point a second of everything that is here.
  sample(state) {
    const now = new Map([
      ...Object.values(state.devices).map(device => {
        const live = state.live[device.index];
        return [`toy ${device.index}`, {
          link: live?.link_ms, radio: live?.radio_ms, signal: live?.rssi_dbm, battery: live?.battery,
        }];
      }),
      ...Object.values(state.relays).map(relay => [`relay ${relay.name}`, { link: relay.connected ? relay.round_trip_ms : null }]),
    ]);
    for (const [key, values] of now) {
      const history = this.kept.get(key) ?? new Measured();
      this.kept.set(key, history);
      history.add(values);
    }
    for (const key of this.kept.keys()) if (!now.has(key)) this.kept.delete(key);
    if (this.shown) this.draw();
  }

  async open(key, name) {
    await this.charts.open();
    if (!this.charts.here) return;
    this.shown = key;
    text($('history-title'), name);
    this.draw();
    $('history').showModal();
  }

  draw() {
    const history = this.kept.get(this.shown) ?? new Measured();
    const ago = seconds => t('history.ago', { seconds });
    const parts = [
      ['delay', ' ms', 0, 5, ['link', 'radio'].map(kind => ({ kind, line: history.line(kind) }))],
      ['signal', '', -90, -50, [{ kind: 'link', line: history.line('signal') }]],
      ['battery', ' %', 0, 100, [{ kind: 'link', line: history.line('battery') }]],
    ];
    $('history-charts').replaceChildren(...parts.flatMap(([name, unit, floor, roof, lines]) => {
      const there = lines.filter(({ line }) => line.some(value => value !== null));
      if (!there.length) return [];
      const heading = document.createElement('h3');
      heading.textContent = t(`history.${name}`);
      const legend = document.createElement('p');
      legend.className = 'hint legend';
      legend.replaceChildren(...there.map(({ kind, line }) => {
        const words = document.createElement('span');
        words.className = name === 'delay' ? kind : '';
        const last = line.findLast(value => value !== null);
        const value = name === 'delay' ? figures.ms(last) : name === 'signal' ? figures.signal(last) : `${last} %`;
        words.textContent = name === 'delay' ? `${t(`history.${kind}`)}: ${value}` : value;
        return words;
      }));
      return [heading, legend, this.charts.here.chart({ lines: there, unit, floor, roof, label: t(`history.${name}`), ago, now: t('history.now') })];
    }));
    show($('history-charts'), true);
  }
}
