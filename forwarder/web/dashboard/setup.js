// What a person may switch. Saving starts the hub anew: it says so before, and the page comes back.

import { call } from './api.js';
import { $, show, sure, text, warn } from './dom.js';
import { Tables, isTables } from './virtuals.js';
import { heard, t } from './words.js';

// Of what each can do: vibrate, twist, squeeze, stroke.
const SIMULATED = ['Lovense Hush', 'Lovense Nora', 'Lovense Max', 'Kiiroo Onyx 2'];

export class Setup {
  // `devices()`: those that are here, by index.
  constructor(devices) {
    this.devices = devices;
    this.fields = new Map();
    $('setup-close').onclick = () => $('setup').close();
    $('setup-form').onsubmit = event => {
      event.preventDefault();
      this.save();
    };
  }

  async open() {
    let known;
    try {
      known = await call('GET', '/switches');
    } catch (error) {
      warn(error.message);
      return;
    }
    this.fields.clear();
    $('setup-list').replaceChildren(...known.switches.map(each => this.row(each, known.can_change)));
    $('setup-only').replaceChildren(...known.file_only.map(only));
    text($('setup-trouble'), known.trouble ? t('setup.trouble', { why: heard(known.trouble) }) : '');
    show($('setup-trouble'), known.trouble !== null);
    show($('setup-elsewhere'), !known.can_change);
    show($('setup-save'), known.can_change);
    text($('setup-error'), '');
    $('setup').showModal();
  }

  row(known, canChange) {
    const row = document.createElement('li');
    if (isTables(known.kind)) return this.tables(row, known, canChange);
    const label = document.createElement('label');
    const field = document.createElement('input');
    const hint = document.createElement('p');
    const id = `setup-${known.name.replaceAll('.', '-')}`;
    field.id = id;
    label.htmlFor = id;
    field.type = known.kind === 'bool' ? 'checkbox' : 'text';
    if (known.kind === 'port') field.inputMode = 'numeric';
    if (known.kind === 'bool') field.checked = known.value;
    else field.value = known.kind === 'texts' ? known.value.join(', ') : `${known.value}`;
    field.disabled = known.fixed !== null || !canChange;
    field.autocomplete = 'off';
    field.spellcheck = false;
    hint.id = `${id}-hint`;
    hint.className = 'hint';
    field.setAttribute('aria-describedby', hint.id);
    hint.textContent = known.fixed === null ? heard(known.hint) : t('setup.fixed', { by: known.fixed });
    if (known.kind === 'bool') {
      label.className = 'check';
      label.append(field, heard(known.label));
    } else {
      label.className = 'field';
      label.append(heard(known.label), field);
    }
    row.append(label, hint);
    if (known.name === 'radio.simulate' && !field.disabled) row.append(this.more(id, field));
    this.fields.set(known.name, { known, field });
    return row;
  }

  // One more simulated toy, without a keyboard.
  more(id, field) {
    const button = document.createElement('button');
    button.type = 'button';
    button.id = `${id}-more`;
    button.className = 'quiet';
    button.textContent = t('setup.more');
    button.onclick = () => {
      const there = read('texts', field);
      const next = SIMULATED.find(name => !there.includes(name)) ?? SIMULATED[0];
      field.value = [...there, next].join(', ');
    };
    return button;
  }

  tables(row, known, canChange) {
    const heading = document.createElement('h3');
    const hint = document.createElement('p');
    heading.textContent = heard(known.label);
    hint.className = 'hint';
    hint.textContent = known.fixed === null ? heard(known.hint) : t('setup.fixed', { by: known.fixed });
    const field = new Tables(known, this.devices(), known.fixed !== null || !canChange);
    row.id = `setup-${known.name}`;
    row.append(heading, hint, field.node);
    this.fields.set(known.name, { known, field });
    return row;
  }

  // What differs from what counts now.
  changes() {
    const values = {};
    for (const [name, { known, field }] of this.fields) {
      if (field.disabled) continue;
      const value = read(known.kind, field);
      if (JSON.stringify(value) !== JSON.stringify(known.value)) values[name] = value;
    }
    return values;
  }

  async save() {
    const values = this.changes();
    if (Object.keys(values).length === 0) {
      $('setup').close();
      return;
    }
    if (!await sure(t('setup.sure'), t('setup.save'))) return;
    try {
      await call('PUT', '/switches', { values });
    } catch (error) {
      text($('setup-error'), error.message);
      return;
    }
    $('setup').close();
  }
}

// Options that are no switches, and why.
function only({ options, why }) {
  const row = document.createElement('li');
  const names = document.createElement('code');
  names.textContent = options.join(' ');
  row.append(names, ` ${heard(why)}`);
  return row;
}

function read(kind, field) {
  if (isTables(kind)) return field.value;
  if (kind === 'bool') return field.checked;
  const written = field.value.trim();
  if (kind === 'texts') return written.split(',').map(each => each.trim()).filter(Boolean);
  if (kind === 'port' && /^\d{1,5}$/.test(written)) return Number(written);
  return written;
}
