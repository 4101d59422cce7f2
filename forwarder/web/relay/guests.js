// Who is here by a link to what this phone drives: the wearer sees them, allows each once, and ends
// any of them at any time.

import { t } from './words.js';

const $ = id => document.getElementById(id);
const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const show = (element, visible) => { if (element.hidden === visible) element.hidden = !visible; };

export function guestLine({ share, browser, waits, drives }) {
  const who = browser ? `${share} (${browser})` : share;
  return t(waits ? 'phone.guest.asks' : drives ? 'phone.guest.drives' : 'phone.guest.here', { who });
}

export class GuestList {
  #rows = new Map();

  // `answer(guest, allow)`.
  constructor(answer) {
    this.answer = answer;
    $('guests-end').onclick = () => { for (const { guest } of this.#rows.values()) answer(guest, false); };
  }

  draw(guests) {
    show($('guests'), guests.length > 0);
    show($('guests-end'), guests.length > 1);
    const wanted = new Map(guests.map(guest => [`${guest.named} ${guest.guest}`, guest]));
    for (const [key, { node }] of this.#rows) if (!wanted.has(key)) { node.remove(); this.#rows.delete(key); }
    for (const [key, guest] of wanted) {
      let row = this.#rows.get(key);
      if (!row) {
        const node = $('guest').content.firstElementChild.cloneNode(true);
        row = { node, guest };
        const made = row;
        node.querySelector('.guest-yes').onclick = () => this.answer(made.guest, true);
        node.querySelector('.guest-no').onclick = () => this.answer(made.guest, false);
        this.#rows.set(key, row);
        $('guest-list').append(node);
      }
      row.guest = guest;
      const { node } = row;
      say(node.querySelector('.guest-text'), guestLine(guest));
      node.setAttribute('role', guest.waits ? 'alert' : 'listitem');
      node.classList.toggle('running', Boolean(guest.drives));
      show(node.querySelector('.guest-yes'), Boolean(guest.waits));
      say(node.querySelector('.guest-no'), t(guest.waits ? 'refuse' : 'end'));
      node.querySelector('.guest-no').setAttribute('aria-label', t(guest.waits ? 'refuse.of' : 'end.of', { name: guest.share }));
    }
  }
}
