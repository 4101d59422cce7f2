// Sharing: a link for one person as QR code, who of them is here, what they drive, and its end.

import { call } from './api.js';
import { $, attribute, keyed, klass, qr, say, show, stamp, sure, text, warn } from './dom.js';
import * as figures from './figures.js';
import { heard, language, t } from './words.js';

const NAMES = 3;

export class Shares {
  #shares = [];
  #made = null;
  #devices = {};

  constructor() {
    this.dialog = $('sharing');
    $('share').onclick = $('share-here').onclick = () => this.open();
    $('sharing-close').onclick = () => this.dialog.close();
    $('sharing-again').onclick = () => this.form();
    $('sharing-copy').onclick = () => this.copy();
    $('share-level').oninput = () => text($('share-top'), `${$('share-level').value} %`);
    $('share-form').onsubmit = event => {
      event.preventDefault();
      this.make();
    };
    $('shares-end').onclick = () => this.endAll();
    this.dialog.onclose = () => {
      // A link that is not seen any more is on no page.
      this.#made = null;
      $('sharing-link').value = '';
      $('sharing-qr').replaceChildren();
    };
  }

  // --- the dialog -----------------------------------------------------------------------------

  open() {
    this.form();
    this.dialog.showModal();
    $('share-name').focus();
  }

  form() {
    this.#made = null;
    $('share-form').reset();
    text($('share-top'), '100 %');
    text($('share-error'), '');
    keyed($('share-devices'), Object.entries(this.#devices), (index, device) => {
      const row = stamp('share-device');
      row.querySelector('input').value = index;
      text(row.querySelector('span'), device.shown_name);
      return row;
    }, () => {});
    for (const box of $('share-devices').querySelectorAll('input')) box.checked = true;
    show($('share-form'), true);
    show($('sharing-made'), false);
    show($('sharing-again'), false);
  }

  async make() {
    const boxes = [...$('share-devices').querySelectorAll('input')];
    const chosen = boxes.filter(box => box.checked);
    if (boxes.length && !chosen.length) {
      text($('share-error'), t('share.choose'));
      return;
    }
    const seconds = Number($('share-for').value);
    try {
      this.#made = await call('POST', '/shares', {
        name: $('share-name').value,
        // All of them means those that come later, too.
        devices: chosen.length === boxes.length ? [] : chosen.map(box => this.#named(box.value)),
        percent: Number($('share-level').value),
        for_s: seconds || null,
        uses: Number($('share-uses').value),
        ask: $('share-ask').checked,
      });
      this.shown(this.#made);
    } catch (error) {
      text($('share-error'), error.message);
    }
  }

  shown({ link, qr: picture, problems, hints, share }) {
    show($('share-form'), false);
    show($('sharing-made'), true);
    show($('sharing-again'), true);
    qr($('sharing-qr'), picture);
    $('sharing-link').value = link;
    const lines = [...problems, ...hints];
    $('sharing-hints').replaceChildren(...lines.map((line, at) => {
      const row = document.createElement('p');
      row.textContent = heard(line);
      row.className = at < problems.length ? 'error' : 'hint';
      return row;
    }));
    text($('sharing-do'), t('share.do', { name: share.name }));
    this.state();
  }

  // What became of the link that is shown.
  state() {
    if (!this.#made) return;
    const share = this.#shares.find(({ name }) => name === this.#made.share.name);
    const guest = share?.guests[0];
    const waits = guest?.state === 'asked';
    text($('sharing-state'), !share ? t('share.ended') : !guest ? t('share.unopened')
      : t(waits ? 'share.waits' : 'share.opened', { browser: guest.browser }));
    klass($('sharing-state'), 'good', Boolean(guest) && !waits);
  }

  async copy() {
    $('sharing-link').select();
    try {
      await navigator.clipboard.writeText($('sharing-link').value);
      text($('sharing-copy'), t('copied'));
    } catch {
      text($('sharing-copy'), t('copy.keys'));
    }
    setTimeout(() => text($('sharing-copy'), t('copy')), 2000);
  }

  // --- who is here ----------------------------------------------------------------------------

  draw(state, change) {
    this.#devices = state.devices;
    if (!change.shares && !change.whole) return;
    this.#shares = state.shares ?? [];
    this.state();
    this.asked();
    keyed($('share-list'), this.#shares.map(share => [share.name, share]), () => {
      const row = stamp('share-row');
      row.querySelector('.renew').onclick = () => this.renew(row.share);
      row.querySelector('.end').onclick = () => this.end(row.share);
      row.querySelector('.top').oninput = event => text(row.querySelector('.top-text'), `${event.target.value} %`);
      row.querySelector('.top').onchange = event => this.act('POST', '/shares/limit', { name: row.share.name, percent: Number(event.target.value) });
      return row;
    }, (row, share) => this.row(row, share));
    show($('share-list'), this.#shares.length > 0);
    show($('no-shares'), this.#shares.length === 0);
    show($('shares-end'), this.#shares.length > 0);
  }

  row(row, share) {
    row.share = share;
    text(row.querySelector('h3'), share.name);
    const here = share.guests.filter(guest => guest.here);
    text(row.querySelector('.value'), t(share.over ? 'share.over' : here.some(guest => guest.drives.length) ? 'share.drives' : here.length ? 'share.here' : share.guests.length ? 'away' : 'share.new'));
    klass(row.querySelector('.value'), 'good', here.length > 0);
    text(row.querySelector('.text'), about(share));
    const top = row.querySelector('.top');
    if (document.activeElement !== top) top.value = share.percent;
    attribute(top, 'aria-label', t('top.of', { name: share.name }));
    text(row.querySelector('.top-text'), `${Math.round(share.percent)} %`);
    for (const [button, what] of [['renew', 'share.renew.of'], ['end', 'share.end.of']]) {
      attribute(row.querySelector(`.${button}`), 'aria-label', t(what, { name: share.name }));
    }
    keyed(row.querySelector('.guests'), share.guests.map(guest => [guest.number, guest]), () => {
      const one = stamp('guest-row');
      one.querySelector('.end').onclick = () => this.act('POST', '/shares/refuse', { name: row.share.name, guest: one.guest.number });
      return one;
    }, (one, guest) => {
      one.guest = guest;
      text(one.querySelector('.who'), says(guest));
      show(one.querySelector('.end'), guest.state !== 'refused');
      attribute(one.querySelector('.end'), 'aria-label', t('guest.end.of', { browser: guest.browser, name: share.name }));
    });
  }

  // What means this device and no other: its name, unless another has it too, or it would be read as
  // a number or as a beginning of names.
  #named(index) {
    const { name } = this.#devices[index];
    const alike = Object.values(this.#devices).filter(each =>
      [each.name, each.shown_name].some(other => other?.toLowerCase() === name.toLowerCase()));
    return alike.length > 1 || /\*$|^\d+$/.test(name) ? `${index}` : name;
  }

  // Guests that wait: one question each.
  asked() {
    const waiting = this.#shares.flatMap(share => share.guests.filter(guest => guest.state === 'asked' && guest.here).map(guest => [`${share.name} ${guest.number}`, { share, guest }]));
    const before = $('guests-asked').childElementCount;
    keyed($('guests-asked'), waiting, () => {
      const row = stamp('question');
      const answer = path => () => this.act('POST', path, { name: row.share.name, guest: row.guest.number });
      row.querySelector('.yes').onclick = answer('/shares/allow');
      row.querySelector('.no').onclick = answer('/shares/refuse');
      return row;
    }, (row, { share, guest }) => {
      Object.assign(row, { share, guest });
      text(row.querySelector('b'), share.name);
      text(row.querySelector('.rest'), ` ${t('guest.asks', { browser: guest.browser, what: about(share) })}`);
      attribute(row.querySelector('.yes'), 'aria-label', t('allow.of', { name: share.name }));
      attribute(row.querySelector('.no'), 'aria-label', t('refuse.of', { name: share.name }));
    });
    if (waiting.length > before) say(t('guest.wants', { name: waiting.at(-1)[1].share.name }));
  }

  async renew(share) {
    if (!await sure(t('share.renew.sure', { name: share.name }), t('share.renew'))) return;
    try {
      this.#made = await call('POST', '/shares/renew', { name: share.name });
      this.dialog.showModal();
      this.shown(this.#made);
    } catch (error) {
      warn(error.message);
    }
  }

  // No question before: an end must come at once.
  end(share) { return this.act('DELETE', `/shares/${encodeURIComponent(share.name)}`); }

  endAll() { return this.act('DELETE', '/shares'); }

  async act(method, path, body) {
    try {
      await call(method, path, body);
    } catch (error) {
      warn(error.message);
    }
  }
}

function about(share) {
  const devices = share.devices.length > NAMES ? figures.devices(share.devices.length) : share.devices.join(', ') || t('share.all');
  const outputs = share.outputs.map(kind => figures.kindWithin(kind)).join(', ');
  return [devices, outputs, t('share.top', { percent: Math.round(share.percent) }), until(share)].filter(Boolean).join(' · ');
}

function until(share) {
  if (share.expires === null) return t('share.until.end');
  const when = new Date(share.expires * 1000);
  const today = when.toDateString() === new Date().toDateString();
  const shown = when.toLocaleString(language, { ...(today ? {} : { dateStyle: 'short' }), timeStyle: 'short', hour12: false });
  return share.over ? t('share.time') : t('share.until', { when: shown });
}

function says(guest) {
  if (guest.state === 'asked') return t('guest.asked', guest);
  if (guest.state === 'refused') return t('guest.refused', guest);
  if (guest.drives.length) return t('guest.drives', { browser: guest.browser, what: guest.drives.join(', ') });
  return t(guest.here ? 'guest.here' : 'guest.away', guest);
}
