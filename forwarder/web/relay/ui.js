// What people see and touch. Draws from the relay's state, at most once per frame, and changes only
// what has changed, so that focus and screen readers are left in peace.

import { now } from './clock.js';
import { inChrome } from './elsewhere.js';
import { GuestList } from './guests.js';
import { BadLink, localNetwork, placeName, readLink } from './places.js';
import {
  chooserProblem, elsewhere, forgetful, linkLine, linkNotice, newer, owedNotice, radioOff, toyLine, unsupported, wearerNotice,
} from './texts.js';
import { fill, put, t } from './words.js';

const ADD_HINTS = { serial: 'add.serial', pad: 'add.pad' };

const $ = id => document.getElementById(id);

function say(element, text) { if (element.textContent !== text) element.textContent = text; }
// Likewise what has marks in it.
function sayMarked(element, text) {
  if (element.dataset.said === text) return;
  element.dataset.said = text;
  put(element, text);
}
function show(element, visible) { if (element.hidden === visible) element.hidden = !visible; }

export class Ui {
  #relay = null;
  #awake = null;
  #drawing = false;
  #cards = new Map();
  #guests = new GuestList((guest, allow) => this.#relay.answer(guest, allow));
  #told = null; // a message that stays until it is tapped away
  #fixed = null;
  #link = { link: null, chrome: null };
  #localNetwork = null;
  #shown = null; // the notice
  #asked = new Map(); // button → time until which a second tap means yes

  // `take()`: become the one tab that is the relay.
  constructor(take) {
    this.take = take;
    $('pair-form').addEventListener('submit', event => {
      event.preventDefault();
      this.#pair($('pair-link').value);
    });
    $('notice-action').addEventListener('click', () => this.#act($('notice-action').dataset.action));
    $('notice-other').addEventListener('click', () => this.#act($('notice-other').dataset.action));
    $('add').addEventListener('click', () => this.#add(false));
    $('add-any').addEventListener('click', () => this.#add(true));
    $('add-serial').addEventListener('click', () => this.#add(false, 'serial'));
    $('add-pad').addEventListener('click', () => this.#add(false, 'pad'));
    $('stop').addEventListener('click', () => this.#relay.want({ stopped: true }));
    $('pause').addEventListener('click', () => this.#pauseOrResume());
    $('limit').addEventListener('input', () => say($('limit-text'), `${$('limit').value} %`));
    $('limit').addEventListener('change', () => this.#relay.set({ limit: $('limit').value / 100 }));
    $('run-time').addEventListener('change', () => this.#relay.set({ maxRunS: Number($('run-time').value) }));
    $('leave-stops').addEventListener('change', () => this.#relay.set({ leaveStops: $('leave-stops').checked }));
    $('forget-hub').addEventListener('click', () => this.#forgetHub($('forget-hub')));
    $('forget-all').addEventListener('click', () => this.#forgetAll());
    addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.#relay) this.#relay.want({ stopped: true });
    });
    setInterval(() => this.changed(), 1000); // countdowns
  }

  start(relay, awake) {
    this.#relay = relay;
    this.#awake = awake;
    const { limit = 1, maxRunS = 0, leaveStops = true } = relay.choices;
    $('limit').value = Math.round(limit * 100);
    say($('limit-text'), `${$('limit').value} %`);
    $('run-time').value = String(maxRunS);
    $('leave-stops').checked = leaveStops;
    this.#watchLocalNetwork();
    this.changed();
  }

  // --- states without a relay --------------------------------------------------------------------

  // `link`: what pairs this phone, for a browser that can.
  unsupported(reason, link = null) {
    const chrome = link && inChrome(link, navigator.userAgent);
    this.#link = { link, chrome };
    const copy = link ? 'copy' : null;
    const notice = unsupported(reason);
    this.#fix(notice.action ? notice : { ...notice, action: chrome ? 'chrome' : copy, other: chrome ? copy : null });
  }

  elsewhere() { this.#fix(elsewhere()); }

  #fix(notice) {
    this.#fixed = notice;
    for (const id of ['pairing', 'guests', 'toys', 'front', 'settings', 'hub-details', 'cannot', 'bar']) show($(id), false);
    say($('link-text'), t('phone.off'));
    $('dot').className = '';
    this.#notice(notice);
  }

  // Another language is spoken from now on.
  spoken() {
    for (const { element } of this.#cards.values()) fill(element);
    this.changed();
  }

  // A message that stays until it is tapped away.
  tell(notice) {
    this.#told = { ...notice, action: notice.action ?? 'dismiss' };
    this.changed();
  }

  complain(text) { say($('pair-error'), text); }

  // What is being done before there is a relay.
  say(text) { say($('link-text'), text); }

  // --- drawing -----------------------------------------------------------------------------------

  changed() {
    if (this.#drawing || !this.#relay || this.#fixed) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (!this.#fixed) this.#draw();
    });
  }

  #draw() {
    const relay = this.#relay;
    const { link, hub, wearer } = relay;
    const { state } = link;
    const paired = Boolean(hub?.key);
    const known = paired || Boolean(hub);
    const seconds = state.retryAt === null ? 0 : Math.max(0, Math.ceil(state.retryAt - now()));

    const pairing = known && state.phase === 'dialing';
    say($('hub'), paired ? hub.name : t(pairing ? 'pairing' : 'relay'));
    document.title = paired ? `${hub.name} · ${t('relay')}` : t('relay');
    say($('link-text'), relay.going ? t('phone.going') : linkLine(state, seconds, this.#failing ? {} : wearer, link.silentS));
    const tone = relay.going ? 'wait' : link.open ? (wearer.stopped ? 'bad' : wearer.paused || wearer.away ? 'wait' : 'good') : state.phase === 'refused' ? 'bad' : 'wait';
    if ($('dot').className !== tone) $('dot').className = tone;

    this.#notice(this.#mostImportant(paired));
    show($('pairing'), !known);
    show($('toys'), paired);
    show($('settings'), paired);
    show($('hub-details'), paired);
    show($('cannot'), paired);
    show($('bar'), paired || relay.owed.length > 0);
    this.#guests.draw(relay.guests);
    this.#drawToys();
    this.#drawFront();
    this.#drawFacts();
    this.#awake.check();

    const held = wearer.paused || wearer.stopped;
    say($('pause'), t(held ? 'resume' : 'pause'));
    const stopped = wearer.stopped && !this.#failing;
    $('stop').setAttribute('aria-pressed', String(stopped));
    say($('stop'), t(stopped ? 'stopped' : 'stop'));
    document.body.classList.toggle('stopped', stopped);
  }

  get #failing() { return [...this.#relay.toys.values()].some(toy => toy.peripheral?.stopFailing); }

  #mostImportant(paired) {
    const relay = this.#relay;
    const { link, hub, store } = relay;
    const wearer = wearerNotice(relay.wearer, this.#failing);
    if (this.#failing) return wearer;
    const { place } = link.state;
    const view = {
      hub: hub?.name ?? t('the.hub'), pairing: !paired && relay.known.length > 0,
      online: navigator.onLine, localNetwork: this.#localNetwork,
      // The page came from this hub, so that the browser's word about its certificate was for both.
      ownHub: relay.idle && Boolean(place) && new URL(place).protocol === 'wss:' && new URL(place).host === location.host,
    };
    // A single failed attempt is no news; the line under the name says it.
    const settled = link.failures > 1 || !['unreachable', 'silent', 'busy'].includes(link.state.problem);
    return owedNotice(relay.owed, relay.radioOn) ?? (store.forgetful ? forgetful() : null)
      ?? (hub && settled ? this.#stuck(linkNotice(link.state, view)) : null)
      ?? (relay.anyRadio ? null : radioOff()) ?? wearer ?? this.#told ?? (relay.newerPage && relay.idle ? newer() : null);
  }

  // A link notice with the way out of a hub or a pairing that does not work.
  #stuck(notice) {
    const { hub, link } = this.#relay;
    if (!notice || (link.state.phase !== 'refused' && hub.key)) return notice;
    return link.state.phase === 'refused' || notice.action === 'retry' ? { ...notice, other: hub.key ? 'forget' : 'another' } : notice;
  }

  #notice(notice) {
    const box = $('notice');
    show(box, Boolean(notice));
    this.#shown = notice;
    if (!notice) return;
    box.classList.toggle('bad', notice.tone === 'bad');
    box.setAttribute('role', notice.urgent ? 'alert' : 'status');
    say($('notice-title'), notice.title);
    sayMarked($('notice-text'), notice.text);
    for (const [button, action] of [[$('notice-action'), notice.action], [$('notice-other'), notice.other]]) {
      show(button, Boolean(action));
      if (action && !this.#asked.has(button)) say(button, t(`action.${action}`));
      button.dataset.action = action ?? '';
    }
    if (notice.action !== 'find') say($('notice-hint'), '');
  }

  #drawToys() {
    const relay = this.#relay;
    const { interests, link, radioOn } = relay;
    const toys = [...relay.toys.values()];
    for (const [address, card] of this.#cards) {
      if (!relay.toys.has(address)) {
        card.element.remove();
        this.#cards.delete(address);
      }
    }
    for (const toy of toys) this.#card(toy).draw(relay);
    show($('no-toys'), !toys.some(toy => !toy.removed));
    const possible = Boolean(interests) && link.open && radioOn;
    if ($('add').disabled === possible) $('add').disabled = !possible;
    for (const kind of relay.radio.kinds) {
      show($(`add-${kind}`), true);
      $(`add-${kind}`).disabled = !(interests && link.open);
    }
    const forgotten = toys.some(toy => toy.phase === 'forgotten');
    $('add').classList.toggle('main', !toys.some(toy => toy.device) || forgotten);
  }

  #card(toy) {
    let card = this.#cards.get(toy.address);
    if (!card) {
      card = new Card(toy, this.#relay, (button, hint) => this.#sure(button, hint));
      this.#cards.set(toy.address, card);
      $('toy-list').append(card.element);
    }
    return card;
  }

  #drawFront() {
    const { link, choices } = this.#relay;
    show($('front'), link.open);
    const leaving = choices.leaveStops ?? true ? ` ${t('front.leaving')}` : '';
    say($('front-text'), t(this.#awake.held ? 'front.on' : 'front.off') + leaving);
  }

  #drawFacts() {
    const { hub, identity, link } = this.#relay;
    const places = (hub?.places ?? []).map(placeName).join(', ');
    const trip = link.open && link.state.roundTripMs !== null ? t('facts.trip', { ms: Math.max(1, Math.round(link.state.roundTripMs)) }) : t('facts.unconnected');
    const facts = [[t('facts.hub'), hub?.name ?? ''], [t('facts.places'), places], [t('facts.delay'), trip], [t('facts.phone'), identity.name]];
    const text = facts.flat().join('\n');
    if ($('facts').dataset.text === text) return;
    $('facts').dataset.text = text;
    $('facts').replaceChildren(...facts.filter(([, fact]) => fact).flatMap(([name, fact]) => {
      const term = document.createElement('dt');
      const detail = document.createElement('dd');
      term.textContent = name;
      detail.textContent = fact;
      return [term, detail];
    }));
  }

  // --- what people do ----------------------------------------------------------------------------

  #pauseOrResume() {
    const { paused, stopped } = this.#relay.wearer;
    if (paused || stopped) this.#relay.resume();
    else this.#relay.want({ paused: true });
  }

  #pair(text) {
    try {
      const pairing = readLink(text);
      this.complain('');
      this.#relay.use(pairing);
      this.changed();
    } catch (error) {
      if (!(error instanceof BadLink)) throw error;
      this.complain(t('bad.link'));
    }
  }

  async #add(all, kind = null) {
    say($('add-hint'), '');
    show($('add-hint'), false);
    try {
      const toy = await this.#relay.choose(all, kind);
      show($('add-any'), !toy && !all && !kind);
      if (!toy) this.#hint(t(ADD_HINTS[kind] ?? 'add.hint'));
    } catch (error) {
      this.#hint(chooserProblem(error));
    }
    this.changed();
  }

  async #find(toy) {
    say($('notice-hint'), '');
    try {
      const found = await this.#relay.seek(toy);
      if (!found) say($('notice-hint'), t('find.hint'));
      else if (found !== toy) say($('notice-hint'), t('not.it'));
    } catch (error) {
      say($('notice-hint'), chooserProblem(error));
    }
    this.changed();
  }

  #hint(text) {
    say($('add-hint'), text);
    show($('add-hint'), true);
  }

  #act(action) {
    const relay = this.#relay; // none while another tab has it
    switch (action) {
      case 'chrome': location.href = this.#link.chrome; break;
      case 'copy': this.#copy(); break;
      case 'retry': relay.link.retry(); break;
      case 'seen': relay.forgive(this.#shown.toy); break;
      case 'find': this.#find(this.#shown.toy); break;
      case 'forget': this.#forgetHub($('notice-other')); break;
      case 'another': relay.forgetHub().then(() => this.changed()); break;
      case 'reload': location.reload(); break;
      case 'takeover': this.take(); break;
      case 'back': relay.use(relay.known[0]); break;
      case 'dismiss': this.#told = null; break;
    }
    this.changed();
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#link.link);
      say($('notice-hint'), t('copied.chrome'));
    } catch {
      say($('notice-hint'), t('copy.address'));
    }
  }

  // Destructive buttons want a second tap within five seconds.
  #sure(button, question) {
    if ((this.#asked.get(button) ?? 0) > now()) {
      this.#asked.delete(button);
      return true;
    }
    const label = button.textContent;
    this.#asked.set(button, now() + 5);
    say(button, question);
    setTimeout(() => { say(button, label); this.#asked.delete(button); }, 5000);
    return false;
  }

  async #forgetHub(button) {
    if (this.#relay.hub?.key && !this.#sure(button, t('again.forget'))) return;
    await this.#relay.forgetHub();
    this.changed();
  }

  async #forgetAll() {
    if (!this.#sure($('forget-all'), t('again.everything'))) return;
    await this.#relay.forgetAll();
    location.reload();
  }

  async #watchLocalNetwork() {
    const status = await localNetwork();
    if (!status) return;
    this.#localNetwork = status.state;
    status.onchange = () => {
      this.#localNetwork = status.state;
      this.changed();
    };
  }
}

// One toy on the page.
class Card {
  constructor(toy, relay, sure) {
    this.toy = toy;
    this.element = $('toy').content.firstElementChild.cloneNode(true);
    const part = name => this.element.querySelector(name);
    Object.assign(this, {
      name: part('h3'), battery: part('.battery'), text: part('.toy-text'), level: part('meter'), again: part('.toy-retry'), remove: part('.toy-forget'),
    });
    this.name.id = `name-${toy.address}`;
    for (const button of [this.again, this.remove]) button.setAttribute('aria-describedby', this.name.id);
    this.again.addEventListener('click', () => relay.retry(toy));
    this.remove.addEventListener('click', () => { if (sure(this.remove, t('again.remove'))) relay.remove(toy); });
  }

  draw(relay) {
    const { toy } = this;
    const driven = relay.driven(toy);
    const name = toy.shown || t('toy.nameless');
    show(this.element, !toy.removed || Boolean(toy.peripheral));
    show(this.remove, !toy.removed);
    say(this.name, name);
    say(this.text, toyLine(toy, driven, { open: relay.link.open, wearer: relay.wearer }));
    const battery = driven?.battery ?? null;
    say(this.battery, battery === null ? '' : t('battery', { percent: battery }));
    this.battery.classList.toggle('low', battery !== null && battery <= 15);
    const moving = toy.phase === 'ready' && (toy.peripheral.gate.state === 'open' || toy.peripheral.stopFailing);
    const level = moving ? driven?.level ?? 0 : 0;
    const running = moving && Boolean(level || toy.peripheral.running);
    show(this.level, toy.phase === 'ready' && driven !== null);
    if (this.level.value !== level) this.level.value = level;
    this.level.setAttribute('aria-label', t('level.of', { name }));
    show(this.again, toy.phase === 'lost' && (relay.link.open || Boolean(toy.owed)));
    this.element.className = `toy ${toy.phase}${running ? ' running' : ''}${toy.peripheral?.stopFailing || (toy.owed && !toy.peripheral) ? ' failing' : ''}`;
  }
}
