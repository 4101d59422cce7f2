// Shares of other hubs that this one has accepted: taking a link, how each stands, and leaving it.

import { call } from './api.js';
import { $, attribute, keyed, klass, show, stamp, sure, text, warn } from './dom.js';
import * as figures from './figures.js';
import { heard, t } from './words.js';

export class Accepted {
  constructor() {
    this.dialog = $('accepting');
    $('accept').onclick = () => this.open();
    $('accepting-close').onclick = () => this.dialog.close();
    $('accept-form').onsubmit = event => {
      event.preventDefault();
      this.accept();
    };
    // A link that is not seen any more is on no page.
    this.dialog.onclose = () => $('accept-form').reset();
  }

  open() {
    $('accept-form').reset();
    text($('accept-error'), '');
    this.busy(false);
    this.dialog.showModal();
    $('accept-link').focus();
  }

  busy(now) {
    $('accept-take').disabled = now;
    text($('accepting-state'), now ? t('accept.taking') : '');
  }

  async accept() {
    this.busy(true);
    text($('accept-error'), '');
    try {
      await call('POST', '/accepted', { link: $('accept-link').value, name: $('accept-name').value || null });
      this.dialog.close();
    } catch (error) {
      text($('accept-error'), error.message);
    }
    this.busy(false);
  }

  draw(state, change) {
    if (!change.accepted && !change.whole) return;
    const entries = (state.accepted ?? []).map(share => [share.name, share]);
    keyed($('accepted-list'), entries, () => {
      const row = stamp('accepted-row');
      row.querySelector('.leave').onclick = () => this.leave(row.share);
      return row;
    }, (row, share) => {
      row.share = share;
      text(row.querySelector('h3'), share.name);
      text(row.querySelector('.value'), t(`accepted.${share.state}`));
      klass(row.querySelector('.value'), 'good', share.state === 'allowed');
      text(row.querySelector('.text'), about(share));
      attribute(row.querySelector('.leave'), 'aria-label', t('accepted.leave.of', { name: share.name }));
    });
    show($('accepted-list'), entries.length > 0);
    show($('accepted-title'), entries.length > 0);
  }

  async leave(share) {
    if (!await sure(t('accepted.leave.sure', { name: share.name }), t('accepted.leave'))) return;
    try {
      await call('DELETE', `/accepted/${encodeURIComponent(share.name)}`);
    } catch (error) {
      warn(error.message);
    }
  }
}

function about(share) {
  if (share.text) return heard(share.text);
  const percent = share.percent === null ? '' : t('share.top', { percent: Math.round(share.percent) });
  return [figures.devices(share.devices), percent].filter(Boolean).join(' · ');
}
