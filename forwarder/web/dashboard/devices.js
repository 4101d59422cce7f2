// The devices: what they do, who makes them do it, test drives, and what the user decides.

import { call, callStop } from './api.js';
import { $, attribute, keyed, klass, say, show, stamp, sure, text, warn } from './dom.js';
import { draw, hue } from './pictures.js';
import * as figures from './figures.js';
import { heard, t } from './words.js';

// A hand on a slider makes up to a hundred events a second; the hub wants the newest of some.
const DRIVE_EVERY_MS = 50;
// From so many devices on each is one line, and opens when it is asked.
const COMPACT = 8;

export class Devices {
  // `play(device)`: the person wants patterns for it.
  constructor(feed, play, plumbing) {
    this.feed = feed;
    this.plumbing = plumbing;
    this.play = play;
    this.first = new Set();
    $('known').addEventListener('toggle', () => this.known());
  }

  draw(state) {
    const entries = this.sorted(state).map(device => [device.index, device]);
    klass($('device-list'), 'compact', entries.length >= COMPACT);
    keyed($('device-list'), entries, () => this.card(), (card, device) => this.update(card, device, state));
    show($('no-devices'), entries.length === 0);
    const radios = Object.values(state.relays).some(relay => relay.connected);
    show($('scan-here'), radios);
    text($('no-devices-text'), t(radios ? 'devices.scan' : 'devices.pair'));
  }

  // What runs comes first. Not while somebody is at the list: a button must not move away under a
  // finger that is about to press it.
  sorted(state) {
    const list = $('device-list');
    const busy = list.matches(':hover, :focus-within');
    if (!busy) this.first = new Set(Object.entries(state.live).filter(([, live]) => live.running).map(([index]) => index));
    const rank = device => (this.first.has(`${device.index}`) ? 0 : 1);
    return Object.values(state.devices).sort((a, b) => rank(a) - rank(b) || a.index - b.index);
  }

  // --- one card -------------------------------------------------------------------------------

  card() {
    const card = stamp('device');
    card.querySelector('.more').onclick = event => {
      klass(card, 'open', !card.classList.contains('open'));
      attribute(event.currentTarget, 'aria-expanded', `${card.classList.contains('open')}`);
    };
    card.querySelector('.stop-one').onclick = () => this.stop(card);
    card.querySelector('.hops').onclick = () => this.plumbing.open(`toy ${card.device.index}`, card.device.shown_name);
    card.querySelector('.play').onclick = () => this.play(card.device);
    card.querySelector('.drive').onclick = event => this.testDrive(card, event.currentTarget);
    card.querySelector('.settings').onclick = event => this.settings(card, event.currentTarget);
    card.querySelector('.deny').onclick = () => this.deny(card);
    card.querySelector('form').onsubmit = event => {
      event.preventDefault();
      this.save(card);
    };
    return card;
  }

  update(card, device, state) {
    if (card.device !== device) this.describe(card, device);
    const live = state.live[device.index];
    // Stopped by a person is said on each, for nothing that an app asks for moves it.
    const held = state.hold && state.hold.mode !== 'free' ? state.hold.mode : '';
    if (!live || (card.live === live && card.held === held)) return;
    card.live = live;
    card.held = held;
    klass(card, 'running', live.running);
    // Quicker at a higher level, in four paces; what may be running moves, too. Each pace that is new
    // makes the browser begin the movement anew.
    const pace = live.running ? Math.ceil(4 * Math.max(0.15, strongest(live))) / 4 : 0;
    card.querySelector('.picture').style.setProperty('--level', pace);
    text(card.querySelector('.summary'), summary(live, held));
    const notice = card.querySelector('.notice');
    const said = live.notice !== null ? heard(live.notice) : held ? t(`card.${held}`) : '';
    show(notice, said !== '');
    klass(notice, 'bad', live.notice !== null);
    text(notice, said);
    const battery = card.querySelector('.battery');
    show(battery, live.battery !== null);
    text(battery, t('battery', { percent: live.battery }));
    klass(battery, 'low', live.battery !== null && live.battery <= 15);
    const hops = card.querySelector('.hops');
    show(hops, live.link_ms !== null || live.rssi_dbm !== null || live.battery !== null);
    // Why it is there: the relays as they were judged, for whoever points at it.
    attribute(card.querySelector('.source'), 'title', live.choice.map(one => heard(one.text)).join('\n'));
    text(hops, live.link_ms === null ? t('history.open') : t('hops', { link: figures.ms(live.link_ms), radio: figures.ms(live.radio_ms) }));
    for (const row of card.querySelector('.outputs').children) this.level(row, live.levels[row.feature]);
  }

  // What changes seldom: name, place, and which outputs there are.
  describe(card, device) {
    card.device = device;
    card.live = null;
    text(card.querySelector('h3'), device.shown_name);
    draw(card.querySelector('.picture'), device);
    card.style.setProperty('--hue', hue(device.index));
    attribute(card.querySelector('.more'), 'aria-label', t('more.of', { name: device.shown_name }));
    text(card.querySelector('.source'), `${t('device.at', { source: device.source })}${pinned(device)}`);
    for (const name of ['stop-one', 'play', 'drive', 'settings']) {
      attribute(card.querySelector(`.${name}`), 'aria-label', t(`${name}.of`, { name: device.shown_name }));
    }
    const outputs = device.features.flatMap(feature =>
      Object.entries(feature.outputs).map(([type, output]) => ({ feature, type, output })));
    const labels = figures.labels(outputs.map(one => one.type));
    const entries = outputs.map((one, i) =>
      [`${one.feature.index} ${one.type} ${one.output.range}`, { ...one, label: labels[i] }]);
    keyed(card.querySelector('.outputs'), entries, (_, one) => this.output(card, one), () => {});
    show(card.querySelector('.none'), entries.length === 0);
    show(card.querySelector('.drive'), entries.length > 0);
    show(card.querySelector('.play'), figures.playable(device).length > 0);
  }

  output(card, { feature, type, output, label }) {
    const row = stamp('output');
    row.feature = feature.index;
    row.type = type;
    row.range = output.range;
    text(row.querySelector('.what'), label);
    attribute(row.querySelector('meter'), 'aria-label', label);
    const slider = row.querySelector('input');
    [slider.min, slider.max] = output.range;
    slider.value = 0;
    attribute(slider, 'aria-label', t('drive.label', { label }));
    slider.hidden = !card.driving;
    slider.oninput = () => this.drive(row, slider, card.device.index);
    return row;
  }

  level(row, level) {
    // A feature has one level at a time, of one of its outputs.
    const one = level?.type === row.type ? level : undefined;
    const on = Boolean(one?.steps);
    const by = on && one.driven_by ? ` ${t('by', { who: one.driven_by })}` : '';
    klass(row, 'on', on);
    text(row.querySelector('.value'), `${figures.level(one)}${by}`);
    const meter = row.querySelector('meter');
    const share = Math.abs(one?.steps ?? 0) / row.range[1];
    if (meter.value !== share) meter.value = share;
    const slider = row.querySelector('input');
    if (!slider.hidden && document.activeElement !== slider) slider.value = one?.steps ?? 0;
  }

  // --- driving --------------------------------------------------------------------------------

  testDrive(card, button) {
    card.driving = !card.driving;
    attribute(button, 'aria-expanded', `${card.driving}`);
    for (const slider of card.querySelectorAll('.output input')) {
      show(slider, card.driving);
      const row = slider.closest('.output');
      const level = card.live?.levels[row.feature];
      slider.value = level?.type === row.type ? level.steps : 0;
    }
    if (card.driving) card.querySelector('.output input')?.focus();
    else this.feed.release();
  }

  // The newest value at once, then at most one every 50 ms.
  drive(row, slider, device) {
    if (row.timer) return;
    const send = () => {
      const steps = Number(slider.value);
      row.timer = null;
      if (steps === row.sent) return;
      row.sent = steps;
      if (!this.feed.drive(device, row.feature, row.type, steps)) warn(t('hub.unreachable'));
      row.timer = setTimeout(send, DRIVE_EVERY_MS);
    };
    row.sent = null;
    send();
  }

  async stop(card) {
    for (const slider of card.querySelectorAll('.output input')) slider.value = 0;
    try {
      const stopped = await callStop('/stop', { device: card.device.index });
      if (stopped.failed.length) warn(stopped.failed.map(heard).join(' '));
      else say(t('device.stopped', { name: card.device.shown_name }));
    } catch (error) {
      warn(t('device.unstopped', { name: card.device.shown_name, why: error.message }));
    }
  }

  // The page stopped everything: sliders must not show what is not so.
  rest() {
    for (const slider of document.querySelectorAll('.output input')) slider.value = 0;
  }

  // --- settings -------------------------------------------------------------------------------

  settings(card, button) {
    const panel = card.querySelector('form');
    panel.hidden = !panel.hidden;
    attribute(button, 'aria-expanded', `${!panel.hidden}`);
    if (panel.hidden) return;
    const { device } = card;
    panel.querySelector('.error').textContent = '';
    const name = panel.querySelector('.name');
    name.value = device.display_name ?? '';
    name.placeholder = device.name;
    const pin = panel.querySelector('.pin');
    const relays = Object.values(this.feed.state.relays).map(relay => relay.name);
    pin.replaceChildren(new Option(t('any'), ''), ...relays.map(relay => new Option(relay)));
    const pinned = device.pins[0] ?? { relay: '', how: 'only' };
    pin.value = pinned.relay;
    panel.querySelector('.pin-how').value = pinned.how;
    const outputs = device.features.flatMap(feature =>
      [...new Set([...Object.keys(feature.outputs), ...Object.keys(feature.limits)])].map(type => ({ feature, type })));
    const labels = figures.labels(outputs.map(one => one.type));
    panel.querySelector('.limits').replaceChildren(
      ...outputs.map((one, i) => this.limit(one.feature, one.type, labels[i])));
    name.focus();
  }

  limit(feature, type, label) {
    const box = stamp('limit');
    const limit = feature.limits[type] ?? { lowest: 0, highest: 100, disabled: false };
    const slider = box.querySelector('.highest');
    const shown = () => text(box.querySelector('.top'), `${slider.value} %`);
    text(box.querySelector('legend'), label);
    slider.value = limit.highest;
    slider.oninput = shown;
    shown();
    box.querySelector('.disabled').checked = limit.disabled;
    box.before = { feature: feature.index, type, ...limit };
    return box;
  }

  async save(card) {
    const panel = card.querySelector('form');
    const { device } = card;
    const limits = [...panel.querySelectorAll('.limit')].map(box => {
      const highest = Number(box.querySelector('.highest').value);
      const moved = highest !== Math.round(box.before.highest / 5) * 5;
      return {
        ...box.before,
        highest: moved ? highest : box.before.highest,
        lowest: Math.min(box.before.lowest, Math.max(0, highest - 5)),
        disabled: box.querySelector('.disabled').checked,
        changed: moved || box.querySelector('.disabled').checked !== box.before.disabled,
      };
    });
    const body = {};
    const name = panel.querySelector('.name').value.trim();
    if (name !== (device.display_name ?? '')) body.display_name = name || null;
    const pin = panel.querySelector('.pin').value;
    const how = panel.querySelector('.pin-how').value;
    const pinned = device.pins[0] ?? { relay: '', how: 'only' };
    if (pin !== pinned.relay || (pin && how !== pinned.how)) {
      body.pin = pin || null;
      body.pin_how = how;
    }
    const changed = limits.filter(limit => limit.changed);
    if (changed.length) body.limits = changed.map(({ changed: _, ...limit }) => limit);
    try {
      if (Object.keys(body).length) say(heard((await call('PUT', `/devices/${device.index}`, body)).text));
      this.settings(card, card.querySelector('.settings'));
      card.querySelector('.settings').focus();
    } catch (error) {
      panel.querySelector('.error').textContent = error.message;
    }
  }

  async deny(card) {
    const { device } = card;
    if (!await sure(t('deny.sure', { name: device.shown_name }), t('deny'))) return;
    try {
      say(heard((await call('PUT', `/devices/${device.index}`, { deny: true })).text));
      this.known();
    } catch (error) {
      warn(error.message);
    }
  }

  async known() {
    if (!$('known').open) return;
    const known = (await call('GET', '/known').catch(() => [])).filter(device => !device.connected);
    keyed($('known-list'), known.map(device => [`${device.index} ${device.protocol} ${device.denied}`, device]), () => {
      const row = document.createElement('li');
      row.append(document.createElement('span'), document.createElement('button'));
      row.lastChild.type = 'button';
      row.lastChild.textContent = t('allow.again');
      return row;
    }, (row, device) => {
      text(row.firstChild, device.denied ? t('denied', { name: device.name }) : device.name);
      show(row.lastChild, device.denied && device.index !== null);
      row.lastChild.onclick = async () => {
        await call('PUT', `/devices/${device.index}`, { deny: false }).catch(error => warn(error.message));
        this.known();
      };
    });
    if (!known.length) {
      const none = document.createElement('li');
      none.textContent = t('none');
      $('known-list').replaceChildren(none);
    }
  }
}

function pinned(device) {
  if (device.pinned) return ` (${t('pinned')})`;
  return device.pins.some(pin => pin.how === 'prefer' && pin.relay === device.source) ? ` (${t('preferred')})` : '';
}

const strongest = live => Math.max(0, ...Object.values(live.levels).map(level => Math.abs(level.percent ?? 0) / 100));

function summary(live, held) {
  if (live.notice) return heard(live.notice);
  if (held) return t(`card.${held}`);
  const on = Object.values(live.levels).filter(level => level.steps);
  const by = [...new Set(on.map(level => level.driven_by).filter(Boolean))].join(', ');
  const levels = on.map(level => `${figures.kind(level.type)} ${figures.level(level)}`).join(', ');
  return levels ? `${levels}${by ? ` ${t('by', { who: by })}` : ''}` : t('off');
}
