// Pairing a radio: a code as QR code and link, and what becomes of it.

import { call } from './api.js';
import { Comparing } from './comparing.js';
import { $, klass, qr, show, sure, text } from './dom.js';
import { heard, put, t } from './words.js';

const ASK_EVERY_MS = 1000;
// The hub starts anew to let others in; the page that comes back opens this again (app.js).
const GOES_ON = 'forwarder-pair';
// What has to reach this hub by the network.
const NEEDS_NETWORK = ['https', 'site', 'computer'];


export class Pairing {
  // `hub`: as its state has it; `elsewhere` tells of changes. `busy()`: whether a start of the hub
  // would stop anything.
  constructor(hub, busy) {
    this.busy = busy;
    this.lan = true;
    this.dialog = $('pairing');
    this.code = null;
    this.timer = null;
    $('pairing-close').onclick = () => this.dialog.close();
    $('pairing-again').onclick = () => this.issue();
    $('pairing-copy').onclick = () => this.copy();
    $('pairing-let-in').onclick = () => this.letIn();
    this.points = [];
    this.direct = false;
    if (hub) this.elsewhere(hub);
    $('away').onchange = () => this.issue();
    $('site').onchange = () => this.issue();
    for (const way of document.querySelectorAll('input[name=way]')) way.onchange = () => this.issue();
    this.comparing = new Comparing();
    $('pairing-by-link').ontoggle = () => this.issue();
    this.dialog.onclose = () => {
      this.comparing.stop();
      this.withdraw();
    };
  }

  open() {
    sessionStorage.removeItem(GOES_ON);
    $('pairing-by-link').open = false;
    if (!this.dialog.open) this.dialog.showModal();
    this.issue();
  }

  // By what relays from elsewhere find this hub, as its state has it.
  elsewhere({ lan, meetings, direct }) {
    this.lan = lan;
    this.points = meetings;
    this.direct = Boolean(direct);
    show($('away-line'), this.direct || meetings.length > 0);
    text($('away-text'), t('pair.away', { point: (meetings.find(point => point.registered) ?? meetings[0])?.url ?? t('path.one') }));
  }

  get away() {
    return (this.direct || this.points.length > 0) && $('away').checked;
  }

  get way() {
    const way = document.querySelector('input[name=way]:checked').value;
    // From another home a page comes by the meeting point, whatever kind of phone asks for it.
    return this.away && this.points.length && way !== 'computer' ? 'meet' : way;
  }

  async issue() {
    const way = this.way;
    await this.withdraw();
    show($('site-line'), way === 'site');
    show($('pairing-again'), false);
    const shut = !this.lan && !this.away && NEEDS_NETWORK.includes(way);
    show($('pairing-shut'), shut);
    text($('pairing-shut-error'), '');
    // In this network a code is compared; from elsewhere, or if one likes, a link says all.
    const computer = way === 'computer';
    show($('pairing-by-link'), computer && !this.away);
    if (computer && !this.away) this.comparing.start();
    else this.comparing.stop();
    if (computer && !this.away && !$('pairing-by-link').open) {
      this.problems([]);
      show($('pairing-code'), false);
      this.state('');
      return;
    }
    if ((shut && !computer) || (way === 'site' && !$('site').value)) {
      this.problems([]);
      show($('pairing-code'), false);
      this.state(shut ? '' : t('pair.where'));
      return;
    }
    try {
      const { away } = this;
      const phone = way === 'computer' ? (away && this.points.length ? 'meet' : 'https') : way;
      const site = way === 'site' ? $('site').value : null;
      const code = await call('POST', '/pairing', { phone, site, away });
      if (way !== this.way || away !== this.away || !this.dialog.open) {
        await call('DELETE', `/pairing/${code.id}`);
        return;
      }
      this.shown(code, way);
    } catch (error) {
      this.problems([error.message]);
      show($('pairing-code'), false);
      this.state('');
    }
  }

  // Have the hub listen in the network, which it does from its next start on.
  async letIn() {
    if (this.busy() && !await sure(t('setup.sure'), t('setup.save'))) return;
    sessionStorage.setItem(GOES_ON, 'yes');
    $('pairing-let-in').disabled = true;
    try {
      const { restarts } = await call('PUT', '/switches', { values: { 'link.lan': true } });
      if (restarts) this.state(t('pair.starts'));
      else sessionStorage.removeItem(GOES_ON); // another tab was first
    } catch (error) {
      sessionStorage.removeItem(GOES_ON);
      text($('pairing-shut-error'), error.message);
    }
    $('pairing-let-in').disabled = false;
  }

  shown(code, way) {
    const computer = way === 'computer';
    const link = computer ? `relay pair '${code.link}'` : code.page_url;
    const problems = computer ? [] : code.problems;
    this.problems(problems);
    show($('pairing-code'), problems.length === 0 && link !== null);
    if (problems.length || link === null) {
      this.state('');
      call('DELETE', `/pairing/${code.id}`).catch(() => {});
      return;
    }
    this.code = code;
    qr($('qr'), computer ? code.link_qr : code.page_qr);
    show($('qr'), !computer);
    text($('pairing-do'), t(`pair.do.${way}`));
    $('pairing-link').value = link;
    put($('pairing-hint'), computer ? t('pair.secret') : code.hints.map(heard).join(' '));
    this.certificate(computer ? null : code.certificate);
    this.until = performance.now() + code.valid_s * 1000;
    this.tick();
    this.timer = setInterval(() => this.tick(), ASK_EVERY_MS);
  }

  async tick() {
    const { code } = this;
    if (!code) return;
    const left = Math.max(0, Math.round((this.until - performance.now()) / 1000));
    this.state(t('pair.waiting', { left }));
    const found = await call('GET', `/pairing/${code.id}`).catch(() => null);
    if (!found || this.code !== code || found.state === 'open') return;
    this.end();
    show($('pairing-code'), false);
    if (found.state === 'joined') {
      this.state(t('pair.joined', { name: found.relay }), true);
    } else {
      this.state(t('pair.expired'));
      show($('pairing-again'), true);
    }
  }

  end() {
    clearInterval(this.timer);
    this.code = this.timer = null;
    $('pairing-link').value = '';
    $('qr').replaceChildren();
  }

  async withdraw() {
    const { code } = this;
    this.end();
    if (code) await call('DELETE', `/pairing/${code.id}`).catch(() => {});
  }

  // In full, the first and the last four pairs set apart: that is what eyes compare best.
  certificate(fingerprint) {
    const pairs = (fingerprint ?? '').split(' ');
    const parts = [pairs.slice(0, 4), pairs.slice(4, -4), pairs.slice(-4)];
    [...$('pairing-certificate').children].forEach((part, i) => text(part, parts[i].join(' ')));
    show($('pairing-certificate'), Boolean(fingerprint));
  }

  async copy() {
    $('pairing-link').select();
    try {
      await navigator.clipboard.writeText($('pairing-link').value);
      text($('pairing-copy'), t('copied'));
    } catch {
      text($('pairing-copy'), t('copy.keys'));
    }
    setTimeout(() => text($('pairing-copy'), t('copy')), 2000);
  }

  problems(words) {
    $('pairing-problems').replaceChildren(...words.map(one => {
      const line = document.createElement('p');
      line.textContent = heard(one);
      return line;
    }));
    show($('pairing-problems'), words.length > 0);
  }

  state(words, good = false) {
    text($('pairing-state'), words);
    klass($('pairing-state'), 'good', good);
  }
}
