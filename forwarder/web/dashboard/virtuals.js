// Groups and stand-ins in Setup: what there is, with its end, and a form for one more.

import { text } from './dom.js';
import { t } from './words.js';

const ROLES = ['stroker', 'vibrator'];

// What a table of hub.toml is for one kind: `make` its form, `read` the form, `say` what it is.
const KINDS = {
  groups: { fields: groupFields, read: readGroup, say: sayGroup },
  stand_ins: { fields: standInFields, read: readStandIn, say: sayStandIn },
};

export const isTables = kind => kind in KINDS;

// The editor of one switch: an element, whose `value` is the list of tables.
export class Tables {
  // `devices`: those that are here, by index.
  constructor(known, devices, disabled) {
    this.kind = KINDS[known.kind];
    this.devices = Object.values(devices).filter(device => device.protocol !== 'virtual');
    this.disabled = disabled;
    this.value = [...known.value];
    this.node = document.createElement('div');
    this.list = document.createElement('ul');
    this.list.className = 'plain tables';
    this.node.append(this.list);
    if (!disabled) this.node.append(this.form());
    this.draw();
  }

  draw() {
    this.list.replaceChildren(...this.value.map((table, at) => {
      const row = document.createElement('li');
      row.className = 'head';
      const words = document.createElement('span');
      words.textContent = this.kind.say(table, this.devices);
      row.append(words);
      if (!this.disabled) {
        const end = button(t('remove'), () => { this.value.splice(at, 1); this.draw(); });
        end.setAttribute('aria-label', t('remove.of', { name: words.textContent }));
        row.append(end);
      }
      return row;
    }));
  }

  form() {
    const box = document.createElement('details');
    const summary = document.createElement('summary');
    summary.textContent = t(this.kind === KINDS.groups ? 'group.new' : 'stand.new');
    const fields = this.kind.fields(this.devices);
    const error = document.createElement('p');
    error.className = 'error';
    const add = button(t('add'), () => {
      const table = this.kind.read(fields);
      text(error, typeof table === 'string' ? t(table) : '');
      if (typeof table === 'string') return;
      this.value.push(table);
      this.draw();
      box.open = false;
    });
    box.append(summary, ...fields.nodes, error, add);
    return box;
  }
}

// --- groups ---------------------------------------------------------------------------------------

function groupFields(devices) {
  const name = document.createElement('input');
  name.type = 'text';
  name.maxLength = 64;
  name.autocomplete = 'off';
  const boxes = devices.map(device => {
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.value = device.index;
    return box;
  });
  const choice = document.createElement('fieldset');
  const legend = document.createElement('legend');
  legend.textContent = t('group.which');
  choice.append(legend, ...boxes.map((box, at) => labelled(devices[at].shown_name, box, 'check')));
  return { nodes: [labelled(t('name'), name, 'field'), choice], name, boxes };
}

function readGroup({ name, boxes }) {
  if (!name.value.trim()) return 'group.named';
  const devices = boxes.filter(box => box.checked).map(box => box.value);
  // All of them means those that come later, too.
  return { name: name.value.trim(), devices: devices.length === boxes.length ? [] : devices };
}

function sayGroup({ name, devices = [] }, known) {
  const names = devices.map(selector => nameOf(selector, known));
  return `${name}: ${names.join(', ') || t('share.all')}`;
}

// --- stand-ins ------------------------------------------------------------------------------------

function standInFields(devices) {
  const device = document.createElement('select');
  device.append(...devices.map(each => new Option(each.shown_name, each.index)));
  const role = document.createElement('select');
  role.append(...ROLES.map(each => new Option(t(`stand.${each}`), each)));
  const low = range(0);
  const high = range(100);
  const strokes = document.createElement('div');
  strokes.className = 'pair';
  strokes.append(labelled(t('stroke.low'), low, 'field'), labelled(t('stroke.high'), high, 'field'));
  const shown = () => { strokes.hidden = role.value !== 'vibrator'; };
  role.onchange = shown;
  shown();
  return { nodes: [labelled(t('stand.which'), device, 'field'), labelled(t('stand.as'), role, 'field'), strokes], device, role, low, high };
}

function readStandIn({ device, role, low, high }) {
  if (!device.value) return 'stand.none';
  const table = { device: device.value, role: role.value };
  if (role.value !== 'vibrator') return table;
  const [from, to] = [Number(low.value) / 100, Number(high.value) / 100];
  return to - from < 0.05 ? 'stroke.narrow' : { ...table, low: from, high: to };
}

function sayStandIn({ device, role }, known) {
  return `${nameOf(device, known)}: ${t(`stand.${role}`)}`;
}

// --- small things ---------------------------------------------------------------------------------

const nameOf = (selector, known) => known.find(device => `${device.index}` === selector)?.shown_name ?? selector;

function range(value) {
  const node = document.createElement('input');
  Object.assign(node, { type: 'range', min: 0, max: 100, step: 5, value });
  return node;
}

function labelled(words, field, kind) {
  const label = document.createElement('label');
  const span = document.createElement('span');
  label.className = kind;
  span.textContent = words;
  label.append(...(kind === 'check' ? [field, span] : [span, field]));
  return label;
}

function button(words, act) {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = 'quiet';
  node.textContent = words;
  node.onclick = act;
  return node;
}
