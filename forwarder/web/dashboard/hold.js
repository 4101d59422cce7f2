// The person's stop: Stop, Pause, Resume, and what holds now. A stop that does not arrive says so.

import { call, callStop } from './api.js';
import { $, byHand, keyed, klass, say, show, stamp, sure, text, warn } from './dom.js';
import * as figures from './figures.js';
import { heard, t } from './words.js';

const STOPPED_MS = 1500;
const WHO = { by: 'Dashboard' };

export class Hold {
  // `before()` is called with every stop: what this page drives ends first.
  constructor(before) {
    this.before = before;
    // A stop that did not arrive is sent again when the hub is heard.
    this.owed = false;
    $('stop').onclick = () => this.stop();
    $('pause').onclick = () => this.stop('/pause');
    $('resume').onclick = () => this.resume();
    // A dialog covers the page, but not the way to stop.
    for (const button of document.querySelectorAll('.stop-all')) button.onclick = () => this.stop();
  }

  draw(hold) {
    if (!hold) return;
    const held = hold.mode !== 'free';
    show($('hold'), held || hold.unsaved !== null);
    show($('resume'), held);
    $('pause').disabled = held;
    text($('hold-what'), held ? t(`hold.${hold.mode}`) : '');
    const parts = [];
    if (held) parts.push(t(hold.by ? 'hold.by' : 'hold.since', { by: hold.by, since: figures.since(hold.since) }));
    if (hold.unsaved !== null) parts.push(heard(hold.unsaved));
    text($('hold-who'), parts.join(' '));
    const missing = hold.missing.map(toy => [`${toy.relay} ${toy.name}`, toy]);
    const kept = hold.kept.map(toy => [`kept ${toy.name}`, toy]);
    const back = hold.held_back.map(name => [`back ${name}`, name]);
    keyed($('missing'), [...missing, ...kept, ...back], (_, toy) => {
      const row = stamp('lost');
      if (typeof toy === 'string') {
        text(row.querySelector('p'), t('hold.back', { toy }));
        show(row.querySelector('button'), false);
        return row;
      }
      if (toy.why) {
        text(row.querySelector('p'), t('hold.kept', { name: toy.name, why: heard(toy.why) }));
        show(row.querySelector('button'), false);
        return row;
      }
      text(row.querySelector('p'), t('hold.missing', toy));
      row.querySelector('button').onclick = () => this.forget(toy);
      return row;
    }, () => {});
  }

  async stop(path = '/stop') {
    const button = $('stop');
    this.before();
    const stops = path === '/stop';
    text(button, t(stops ? 'stopping' : 'pausing'));
    try {
      const stopped = await callStop(path, WHO);
      this.owed = false;
      if (stopped.missing.length) say(t('stop.partly'));
      if (stopped.failed.length) {
        warn(byHand(stopped.failed));
      } else if (!stopped.missing.length) {
        klass(button, 'done', true);
        text(button, t(stops ? 'stopped' : 'paused'));
        const what = `${stops ? 'stopped' : 'paused'}.${stopped.held ? 'held' : 'now'}`;
        say(t(`all.${what}`, { devices: figures.devices(stopped.confirmed) }));
      }
    } catch (error) {
      // Refused is an answer; sending it again would not change it.
      this.owed = error.status === 0 || error.status >= 500;
      warn(`${t('stop.lost', { why: error.message })}${this.owed ? ` ${t('stop.again')}` : ''}`);
    }
    setTimeout(() => {
      klass(button, 'done', false);
      text(button, t('stop.all'));
    }, STOPPED_MS);
  }

  // The hub is heard again.
  heard() {
    if (this.owed) this.stop();
  }

  async forget({ name, index }) {
    if (!await sure(t('forget.sure', { name }), t('forget.off'))) return;
    try {
      await call('POST', '/missing/forget', { name: `${index ?? name}` });
    } catch (error) {
      warn(error.message);
    }
  }

  async resume() {
    this.owed = false;
    try {
      await call('POST', '/resume', WHO);
      say(t('resumed'));
    } catch (error) {
      warn(t('resume.failed', { why: error.message }));
    }
  }
}
