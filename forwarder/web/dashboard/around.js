// What is around the devices: relays, apps, web pages that ask, and the log.

import { call } from './api.js';
import { $, attribute, byHand, keyed, klass, show, stamp, sure, text, warn } from './dom.js';
import * as figures from './figures.js';
import { heard, language, put, t } from './words.js';

// Origins that say little to people.
const ASKS = {
  'file://': 'asks.file',
  '(empty)': 'asks.silent',
  null: 'asks.hidden',
};

export class Around {
  constructor(plumbing) {
    this.plumbing = plumbing;
    this.line = 0;
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
      row.querySelector('.hops').onclick = () => this.plumbing.open(`relay ${row.relay.name}`, row.relay.name);
      return row;
    }, (row, relay) => {
      row.relay = relay;
      text(row.querySelector('h3'), relay.name);
      text(row.querySelector('.value'), relay.connected ? [by(relay.path), figures.ms(relay.round_trip_ms)].filter(Boolean).join(' · ') : t('away'));
      const line = row.querySelector('.text');
      text(line, heard(relay.blocked) ?? about(relay));
      klass(line, 'blocked', relay.blocked !== null || relay.radio?.on === false);
      show(row.querySelector('.row'), relay.paired);
      show(row.querySelector('.hops'), relay.connected);
    });
    show($('relay-list'), entries.length > 0);
    show($('no-relays'), entries.length === 0);
  }

  async revoke(relay) {
    if (!await sure(t('revoke.sure', { name: relay.name }), t('revoke'))) return;
    try {
      await call('DELETE', `/relays/${encodeURIComponent(relay.name)}`);
    } catch (error) {
      warn(error.message);
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
      text(row.querySelector('.value'), client ? kindOf(client) : t('away'));
      const line = row.querySelector('.text');
      text(line, mute ? t(mute.by ? 'muted.by' : 'muted', { by: mute.by, since: figures.since(mute.since) }) : drives(client, state.live));
      klass(line, 'muted', Boolean(mute));
      show(row.querySelector('.mute'), app && !mute);
      show(row.querySelector('.unmute'), Boolean(mute));
      show(row.querySelector('.end'), app);
      show(row.querySelector('.row'), app || Boolean(mute));
      for (const [button, what] of [['mute', 'mute.of'], ['unmute', 'unmute.of'], ['end', 'disconnect.of']]) {
        attribute(row.querySelector(`.${button}`), 'aria-label', t(what, { name }));
      }
    });
    show($('client-list'), entries.length > 0);
    show($('no-clients'), entries.length === 0);
  }

  async app(path, name) {
    try {
      const done = await call('POST', path, { name, by: 'Dashboard' });
      if (done.failed?.length) warn(byHand(done.failed));
    } catch (error) {
      warn(error.message);
    }
  }

  async disconnect(name) {
    if (!await sure(t('disconnect.sure', { name }), t('disconnect'))) return;
    await this.app('/apps/disconnect', name);
  }

  // --- web pages ------------------------------------------------------------------------------

  origins({ asked, allowed }) {
    keyed($('asked'), Object.entries(asked), origin => this.question(origin), () => {});
    keyed($('origin-list'), allowed.map(origin => [origin, origin]), origin => {
      const row = document.createElement('li');
      const forget = button(t('forget'), () => this.answer('DELETE', origin));
      forget.setAttribute('aria-label', t('forget.of', { name: origin }));
      row.append(span(origin), forget);
      return row;
    }, () => {});
    show($('origins'), allowed.length > 0);
  }

  question(origin) {
    const row = document.createElement('li');
    row.className = 'notice ask';
    const line = document.createElement('p');
    put(line, t(ASKS[origin] ?? 'asks.page', { origin }));
    const yes = button(t('allow'), () => this.answer('POST', origin));
    yes.className = 'main';
    const choice = document.createElement('div');
    choice.className = 'row';
    const no = button(t('refuse'), () => this.answer('DELETE', origin));
    yes.setAttribute('aria-label', t('allow.of', { name: origin }));
    no.setAttribute('aria-label', t('refuse.of', { name: origin }));
    choice.append(yes, no);
    row.append(line, choice);
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
      time.textContent = when.toLocaleTimeString(language, { hour12: false });
      row.append(time, span(line.text, line.level));
      list.append(row);
    }
    while (list.childElementCount > lines.length) list.firstElementChild.remove();
    this.line = lines.at(-1)?.n ?? 0;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

const kindOf = ({ kind, version }) => `${t(`client.${kind}`)}${version === null ? '' : `, v${version}`}`;

// A guest is muted by its token: it can call itself anything.
function muteOf(client, muted) {
  const names = [client.name, client.token].filter(Boolean).map(name => name.toLowerCase());
  return muted.find(mute => names.includes(mute.name.toLowerCase())) ?? null;
}

function about(relay) {
  if (!relay.connected) return t('relay.away');
  const parts = [figures.devices(relay.devices.length)];
  for (const one of relay.radio?.parts.length ? relay.radio.parts : [relay.radio]) {
    if (one) parts.push(one.on ? radio(one) : offline(one, relay.radio));
  }
  if (relay.platform) parts.push(relay.platform);
  if (relay.path?.where) parts.push(t(relay.path.kind === 'meeting' || relay.path.kind === 'relayed' ? 'path.by' : 'path.from', { where: relay.path.where }));
  for (const limit of relay.ceilings) parts.push(t('relay.limit', { output: limit.output ? figures.kindWithin(limit.output) : '', percent: limit.percent }));
  return parts.join(' · ');
}

// What carries a relay's link, in a word; nothing for one of this machine.
const BY = {
  network: 'path.network', internet: 'path.internet', meeting: 'path.meeting', direct: 'path.direct', relayed: 'path.relayed',
};

function by(path) {
  return BY[path?.kind] ? t(BY[path.kind]) : '';
}

function radio({ kind, name }) {
  if (kind === 'simulated') return t('radio.simulated');
  return kind === 'web' ? t('radio.web') : name || 'Bluetooth';
}

// Of several radios each is named, also the one that is off.
function offline(one, all) {
  return t('radio.off', { radio: all.parts.length ? radio(one) : t('radio'), why: heard(one.text) });
}

function drives(client, live) {
  const token = client.token && client.kind !== 'guest' ? `${t('client.token', { token: client.token })} ` : '';
  if (!client.drives.length) return `${token}${t('client.idle')}`;
  const devices = new Map();
  for (const one of client.drives) {
    const percent = live[one.device]?.levels[one.feature]?.percent ?? 0;
    const now = `${figures.kindWithin(one.type)} ${one.steps ? `${Math.round(percent)} %` : t('off')}`;
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

function button(words, act) {
  const node = document.createElement('button');
  node.type = 'button';
  node.textContent = words;
  node.onclick = act;
  return node;
}
