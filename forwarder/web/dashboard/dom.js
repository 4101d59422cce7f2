// Small helpers: nothing is written to the page that is there already, so that a page with twenty
// busy devices costs little and screen readers hear of changes only.

import { heard, t } from './words.js';

export const $ = id => document.getElementById(id);

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, on) {
  // The attribute: drawings (SVG) have no property of that name.
  if (node.hasAttribute('hidden') === on) node.toggleAttribute('hidden', !on);
}

export function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function klass(node, name, on) {
  if (node.classList.contains(name) !== on) node.classList.toggle(name, on);
}

// A copy of what a template holds.
export const stamp = id => $(id).content.firstElementChild.cloneNode(true);

// Make the children of `list` those of `entries` ([key, value], in order), each made once by
// `make(key, value)` and brought up to date by `update(node, value)`.
export function keyed(list, entries, make, update) {
  const known = new Map([...list.children].map(node => [node.dataset.key, node]));
  let place = list.firstElementChild;
  for (const [key, value] of entries) {
    let node = known.get(`${key}`);
    if (node) {
      known.delete(`${key}`);
    } else {
      node = make(key, value);
      node.dataset.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
    update(node, value);
  }
  for (const node of known.values()) node.remove();
}

// A part of the page that is loaded when it is first opened. `load()` resolves to it; `here` is it,
// or null before.
export function later(load) {
  let coming = null;
  const part = {
    here: null,
    async open(...about) {
      try {
        coming ??= load();
        part.here = await coming;
      } catch {
        coming = null;
        warn(t('hub.unreachable'));
        return;
      }
      part.here.open(...about);
    },
  };
  return part;
}

// Show a code, which is an SVG document.
export function qr(node, svg) {
  const picture = new DOMParser().parseFromString(svg, 'image/svg+xml');
  node.replaceChildren(document.importNode(picture.documentElement, true));
}

// Ask the person; resolves to whether the answer was yes.
export function sure(question, yes) {
  const dialog = $('sure');
  text($('sure-text'), question);
  text($('sure-yes'), yes);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise(resolve => {
    $('sure-yes').onclick = () => dialog.close('yes');
    $('sure-no').onclick = () => dialog.close('');
    dialog.onclose = () => resolve(dialog.returnValue === 'yes');
  });
}

// Say something to those who cannot see it.
export function say(words) {
  $('said').textContent = '';
  requestAnimationFrame(() => { $('said').textContent = words; });
}

// What did not take its stop, with what to do.
export const byHand = failed => `${failed.map(heard).join(' ')} ${t('by.hand')}`;

// Something went wrong that a person has to know.
export function warn(words) {
  $('notice-text').textContent = words;
  $('notice').hidden = false;
}
