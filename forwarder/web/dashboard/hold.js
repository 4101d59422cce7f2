// The person's stop: Stop, Pause, Resume, and what holds now. A stop that does not arrive says so.

import { call, callStop } from './api.js';
import { $, keyed, klass, say, show, stamp, sure, text, warn } from './dom.js';
import * as words from './words.js';

const STOPPED_MS = 1500;
const WHO = { by: 'Dashboard' };
const NOT_ARRIVED = 'Relays stop by themselves what they do not hear of within a second. If a toy still moves, stop it'
  + ' at its relay, or switch it off by hand.';

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

  draw(hold, guest) {
    if (!hold) return;
    const held = hold.mode !== 'free';
    show($('hold'), held || hold.unsaved !== null);
    show($('resume'), held && !guest);
    show($('pause'), !guest);
    $('pause').disabled = held;
    text($('hold-what'), held ? `Everything is ${hold.mode}.` : '');
    const parts = [];
    if (held) parts.push(`${hold.by ? `By ${hold.by} since` : 'Since'} ${words.since(hold.since)}, until you resume.`);
    if (hold.unsaved !== null) parts.push(hold.unsaved);
    text($('hold-who'), parts.join(' '));
    const missing = hold.missing.map(toy => [`${toy.relay} ${toy.name}`, toy]);
    const kept = hold.kept.map(toy => [`kept ${toy.name}`, toy]);
    const back = hold.held_back.map(name => [`back ${name}`, name]);
    keyed($('missing'), [...missing, ...kept, ...back], (_, toy) => {
      const row = stamp('lost');
      if (typeof toy === 'string') {
        text(row.querySelector('p'), `${toy} is not connected: stopped by a person. It connects when you resume.`);
        show(row.querySelector('button'), false);
        return row;
      }
      if (toy.why) {
        text(row.querySelector('p'), `${toy.name} is kept from all other relays until its wearer resumes. ${toy.why}`);
        show(row.querySelector('button'), false);
        return row;
      }
      text(row.querySelector('p'), `${toy.name} is not connected and may be running: ${toy.relay} looks for it, and stops it. Switch it off by hand if you can.`);
      row.querySelector('button').onclick = () => this.forget(toy);
      return row;
    }, () => {});
  }

  async stop(path = '/stop') {
    const button = $('stop');
    this.before();
    text(button, path === '/stop' ? 'Stopping…' : 'Pausing…');
    try {
      const stopped = await callStop(path, WHO);
      this.owed = false;
      if (stopped.missing.length) say('Not everything could be reached, see the notices.');
      if (stopped.failed.length) {
        warn(`${stopped.failed.join(' ')} Switch it off by hand.`);
      } else if (!stopped.missing.length) {
        klass(button, 'done', true);
        text(button, path === '/stop' ? 'Stopped' : 'Paused');
        const what = path === '/stop' ? 'stopped' : 'paused';
        const until = stopped.held ? ' until you resume' : ' for the moment';
        say(`Everything is ${what}${until}: ${words.times(stopped.confirmed, 'device')}.`);
      }
    } catch (error) {
      // Refused is an answer; sending it again would not change it.
      this.owed = error.status === 0 || error.status >= 500;
      const again = this.owed ? ' It is sent again as soon as the hub is heard.' : '';
      warn(`The stop did not reach the hub: ${error.message} ${NOT_ARRIVED}${again}`);
    }
    setTimeout(() => {
      klass(button, 'done', false);
      text(button, 'Stop everything');
    }, STOPPED_MS);
  }

  // The hub is heard again.
  heard() {
    if (this.owed) this.stop();
  }

  async forget({ name, index }) {
    if (!await sure(`You have seen that ${name} is off. It is not looked for any more.`, 'It is off: forget')) return;
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
      say('Apps may drive again.');
    } catch (error) {
      warn(`It could not be resumed: ${error.message}`);
    }
  }
}
