// What is around the devices: relays, apps, web pages that ask, and the log.

import { call } from './api.js';
import { $, attribute, keyed, klass, show, stamp, sure, text, warn } from './dom.js';
import { Spark } from './spark.js';
import * as words from './words.js';

// Origins that say little to people.
const ASKS = {
  'file://': ['A page that was opened from a file'],
  '(empty)': ['A page that does not say where it is from'],
  null: ['A page that hides where it is from, which any site can,'],
};

export class Around {
  constructor() {
    this.sparks = new Map();
    this.line = 0;
    setInterval(() => this.sample(), 1000);
  }

  draw(state, change) {
    if (change.relays || change.whole) this.relays(state);
    if (change.clients || change.devices || change.hold || change.whole) this.clients(state);
    if (change.origins) this.origins(state.origins);
    if (change.log || change.whole) this.log(state.log);
  }

  // --- relays ---------------------------------------------------------------------------------

  relays(state) {
    const entries = Object.values(state.relays)
      .sort((a, b) => a.name.localeCompare(b.name))
      .map(relay => [relay.name, relay]);
    keyed($('relay-list'), entries, () => {
      const row = stamp('relay');
      row.querySelector('.revoke').onclick = () => this.revoke(row.relay);
      return row;
    }, (row, relay) => {
      row.relay = relay;
      text(row.querySelector('h3'), relay.name);
      text(row.querySelector('.value'), relay.connected ? words.ms(relay.round_trip_ms) : 'away');
      const line = row.querySelector('.text');
      text(line, relay.blocked ?? about(relay));
      klass(line, 'blocked', relay.blocked !== null || relay.radio?.on === false);
      show(row.querySelector('.row'), relay.paired);
      show(row.querySelector('.spark'), relay.connected);
    });
    show($('relay-list'), entries.length > 0);
    show($('no-relays'), entries.length === 0);
  }

  async revoke(relay) {
    if (!await sure(`${relay.name} loses its link at once, its devices stop, and it has to be paired again.`, 'Revoke')) return;
    try {
      await call('DELETE', `/relays/${encodeURIComponent(relay.name)}`);
    } catch (error) {
      warn(error.message);
    }
  }

  sample() {
    if (document.hidden) return;
    for (const row of $('relay-list').children) {
      const spark = this.sparks.get(row.dataset.key) ?? new Spark();
      this.sparks.set(row.dataset.key, spark);
      spark.add({ link: row.relay.round_trip_ms });
      spark.draw(row.querySelector('.spark'));
    }
  }

  // --- apps -----------------------------------------------------------------------------------

  clients(state) {
    const seen = new Map();
    const muted = state.hold?.muted ?? [];
    const entries = state.clients.map(client => {
      const number = (seen.get(client.name) ?? 0) + 1;
      seen.set(client.name, number);
      return [`${client.kind} ${client.name} ${number}`, { client, mute: muteOf(client, muted) }];
    });
    // Whoever is muted stays so while it is away, and can be unmuted.
    const here = new Set(entries.map(([, { mute }]) => mute));
    for (const mute of muted) if (!here.has(mute)) entries.push([`muted ${mute.name}`, { client: null, mute }]);
    keyed($('client-list'), entries, () => {
      const row = stamp('client');
      row.querySelector('.mute').onclick = () => this.app('/apps/mute', row.client.token ?? row.client.name);
      row.querySelector('.unmute').onclick = () => this.app('/apps/unmute', row.mute.name);
      row.querySelector('.end').onclick = () => this.disconnect(row.client.name);
      return row;
    }, (row, { client, mute }) => {
      row.client = client;
      row.mute = mute;
      const name = client?.name ?? mute.name;
      const app = ['app', 'hub', 'guest'].includes(client?.kind);
      text(row.querySelector('h3'), name);
      text(row.querySelector('.value'), client ? (client.version === null ? client.kind : `${client.kind}, v${client.version}`) : 'away');
      const line = row.querySelector('.text');
      text(line, mute ? `Muted${mute.by ? ` by ${mute.by}` : ''} since ${words.since(mute.since)}.` : drives(client, state.live));
      klass(line, 'muted', Boolean(mute));
      show(row.querySelector('.mute'), app && !mute);
      show(row.querySelector('.unmute'), Boolean(mute));
      show(row.querySelector('.end'), app);
      show(row.querySelector('.row'), app || Boolean(mute));
      for (const [button, what] of [['mute', 'Mute'], ['unmute', 'Unmute'], ['end', 'Disconnect']]) {
        attribute(row.querySelector(`.${button}`), 'aria-label', `${what} ${name}`);
      }
    });
    show($('client-list'), entries.length > 0);
    show($('no-clients'), entries.length === 0);
  }

  async app(path, name) {
    try {
      const done = await call('POST', path, { name, by: 'Dashboard' });
      if (done.failed?.length) warn(`${done.failed.join(' ')} Switch it off by hand.`);
    } catch (error) {
      warn(error.message);
    }
  }

  async disconnect(name) {
    if (!await sure(`What ${name} drives is stopped, and its connection ends. It may come back by itself; Mute keeps it from driving.`, 'Disconnect')) return;
    await this.app('/apps/disconnect', name);
  }

  // --- web pages ------------------------------------------------------------------------------

  origins({ asked, allowed }) {
    keyed($('asked'), Object.entries(asked), origin => this.question(origin), () => {});
    keyed($('origin-list'), allowed.map(origin => [origin, origin]), origin => {
      const row = document.createElement('li');
      const forget = button('Forget', () => this.answer('DELETE', origin));
      forget.setAttribute('aria-label', `Forget ${origin}`);
      row.append(span(origin), forget);
      return row;
    }, () => {});
    show($('origins'), allowed.length > 0);
  }

  question(origin) {
    const row = document.createElement('li');
    row.className = 'notice ask';
    const words = document.createElement('p');
    words.append(...ASKS[origin] ?? ['The web page ', strong(origin)], ' wants to connect to your devices.');
    const yes = button('Allow', () => this.answer('POST', origin));
    yes.className = 'main';
    const choice = document.createElement('div');
    choice.className = 'row';
    const no = button('Refuse', () => this.answer('DELETE', origin));
    yes.setAttribute('aria-label', `Allow ${origin}`);
    no.setAttribute('aria-label', `Refuse ${origin}`);
    choice.append(yes, no);
    row.append(words, choice);
    return row;
  }

  async answer(method, origin) {
    try {
      if (method === 'POST') await call('POST', '/origins', { origin });
      else await call('DELETE', `/origins?origin=${encodeURIComponent(origin)}`);
    } catch (error) {
      warn(error.message);
    }
  }

  // --- log ------------------------------------------------------------------------------------

  log(lines) {
    const list = $('log');
    if (!lines.length || lines[0].n > this.line + 1) list.replaceChildren();
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    for (const line of lines) {
      if (list.childElementCount && line.n <= this.line) continue;
      const row = document.createElement('li');
      const time = document.createElement('time');
      const when = new Date(line.time * 1000);
      time.dateTime = when.toISOString();
      time.textContent = when.toLocaleTimeString([], { hour12: false });
      row.append(time, span(line.text, line.level));
      list.append(row);
    }
    while (list.childElementCount > lines.length) list.firstElementChild.remove();
    this.line = lines.at(-1)?.n ?? 0;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

// A guest is muted by its token: it can call itself anything.
function muteOf(client, muted) {
  const names = [client.name, client.token].filter(Boolean).map(name => name.toLowerCase());
  return muted.find(mute => names.includes(mute.name.toLowerCase())) ?? null;
}

function about(relay) {
  if (!relay.connected) return 'Paired; its devices are stopped.';
  const parts = [words.times(relay.devices.length, 'device')];
  for (const one of relay.radio?.parts.length ? relay.radio.parts : [relay.radio]) {
    if (one) parts.push(one.on ? radio(one) : offline(one, relay.radio));
  }
  if (relay.platform) parts.push(relay.platform);
  for (const limit of relay.ceilings) parts.push(`wearer's limit ${limit.output ?? ''} ${limit.percent} %`);
  return parts.join(' · ');
}

function radio({ kind, name }) {
  if (kind === 'simulated') return 'simulated';
  return kind === 'web' ? 'phone or browser' : name || 'Bluetooth';
}

// Of several radios each is named, also the one that is off.
function offline(one, all) {
  return all.parts.length ? `${radio(one)} off: ${one.text}` : `radio off: ${one.text}`;
}

function drives(client, live) {
  const token = client.token && client.kind !== 'guest' ? `Token ${client.token}. ` : '';
  if (!client.drives.length) return `${token}Drives nothing now.`;
  const devices = new Map();
  for (const one of client.drives) {
    const percent = live[one.device]?.levels[one.feature]?.percent ?? 0;
    const now = `${words.kind(one.type).toLowerCase()} ${one.steps ? `${Math.round(percent)} %` : 'off'}`;
    const all = devices.get(one.device) ?? { name: one.device_name, now: [] };
    all.now.push(now);
    devices.set(one.device, all);
  }
  return token + [...devices.values()].map(({ name, now }) => `${name}: ${now.join(', ')}`).join(' · ');
}

function span(words, name) {
  const node = document.createElement('span');
  node.textContent = words;
  if (name) node.className = name;
  return node;
}

function strong(words) {
  const node = document.createElement('b');
  node.textContent = words;
  return node;
}

function button(words, act) {
  const node = document.createElement('button');
  node.type = 'button';
  node.textContent = words;
  node.onclick = act;
  return node;
}
