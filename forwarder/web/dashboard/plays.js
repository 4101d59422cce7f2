// A pattern that runs in the hub, as this page sees it: begins it, changes it, and says again and
// again that the page is still there. The hub ends it when it hears nothing for 0.9 s, and counts
// what it hears from when it was said: each word says when that was, and which answer came last.

import { call } from './api.js';

// Three of these may be lost.
const RENEW_MS = 250;
// The hub has ended it by then.
const LOST_MS = 900;
const GONE = 404;
// How often the end of one that stays is said to a hub that does not hear.
const ENDS = 20;

export class HubPlay {
  // Begin `what` (the body of POST /plays). Resolves to the play; throws Refused with words for people.
  // `ended(words)`: it is over, and this page did not end it; words may be empty.
  static async start(what, ended = () => {}) {
    const at = performance.now();
    const play = new HubPlay(await call('POST', '/plays', { ...what, at }), ended, at);
    // The page went out of sight while the hub answered.
    if (document.hidden && !play.view.stays) await play.end();
    return play;
  }

  // view: as the hub described it last. answered: when the newest word was sent that has an answer;
  // null for one that another page began.
  constructor(view, ended, answered = null) {
    this.view = view;
    this.answered = answered;
    this.ended = ended;
    this.changes = {};
    this.busy = false;
    this.over = false;
    this.mayStay = view.stays; // once that was asked for, whether or not the hub was heard
    this.heard = performance.now();
    this.timer = setInterval(() => this.pump(), RENEW_MS);
    // Nobody sees any more what it does.
    this.hidden = () => { if (document.hidden && !this.view.stays) this.leave(''); };
    document.addEventListener('visibilitychange', this.hidden);
    addEventListener('pagehide', this.hidden);
  }

  // Play it otherwise (the body of PUT /plays/{id}); of several changes at once the newest of each
  // kind is sent. With { for_s, stays: true } it goes on without this page.
  change(changes) {
    Object.assign(this.changes, changes);
    this.mayStay ||= Boolean(changes.stays);
    this.pump();
  }

  // Stop it. Resolves once the hub has stopped what it drove. A hub that cannot be reached ends it by
  // itself; one that stays goes on there, so its end is said again and again, and fails in the end.
  async end() {
    if (this.over) return;
    this.close();
    for (let left = this.mayStay ? ENDS : 1; ; left--) {
      try {
        return void await call('DELETE', `/plays/${this.view.id}`, undefined, { keepalive: true });
      } catch (error) {
        if (error.status === GONE || (error.status === 0 && !this.mayStay)) return;
        if (error.status !== 0 || left <= 1) throw error;
      }
      await new Promise(resolve => { setTimeout(resolve, RENEW_MS); });
    }
  }

  close() {
    this.over = true;
    clearInterval(this.timer);
    document.removeEventListener('visibilitychange', this.hidden);
    removeEventListener('pagehide', this.hidden);
  }

  // One request at a time: what changes meanwhile goes with the next.
  async pump() {
    if (this.busy || this.over) return;
    this.busy = true;
    const changes = this.changes;
    this.changes = {};
    const at = performance.now();
    try {
      this.view = await call('PUT', `/plays/${this.view.id}`, { ...changes, at, heard: this.answered });
      this.answered = at;
      this.heard = performance.now();
    } catch (error) {
      this.failed(error, changes);
    } finally {
      this.busy = false;
    }
    if (Object.keys(this.changes).length) this.pump();
  }

  failed(error, changes) {
    if (this.over) return;
    const lost = error.status === 0 && !this.view.stays && performance.now() - this.heard > LOST_MS;
    if (error.status === 0 && !lost) {
      // Not heard: said again with the next.
      this.changes = { ...changes, ...this.changes };
    } else {
      this.leave(error.status === GONE ? '' : error.message, error.status === GONE);
    }
  }

  // It is over, and nobody here said so: what this page says is over must be.
  leave(words, gone = false) {
    if (gone) this.close();
    else this.end().catch(reason => { if (this.mayStay) this.ended(reason.message); });
    this.ended(words);
  }
}

// All patterns that run in the hub now, also those that went on without their page.
export const plays = () => call('GET', '/plays');
