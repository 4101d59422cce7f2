// What the pages say, in the language of whoever reads. All words of a language stand in one file
// beside this one (en.js, de.js), under the same keys; a page names keys only. In what is said
//
//     {name}        is the value of that name
//     [one, many]   is chosen by the value n
//     `x` **x** [[x]]   is code, weighty, a key of the keyboard (where a page fills elements)
//
// What the hub itself says comes in English. A language that knows such a sentence has it under `hub`;
// others are shown as they come.

export const LANGUAGES = { en: 'English', de: 'Deutsch' };
const KEPT = 'forwarder-language';
const USUAL = 'en';

// The first of `asked` (language tags, best first) that there is; what a person has chosen comes before.
export function best(asked, kept = null) {
  const known = tag => Object.hasOwn(LANGUAGES, tag);
  if (kept !== null && known(kept)) return kept;
  return asked.map(tag => tag.toLowerCase().split('-')[0]).find(known) ?? USUAL;
}

// A browser that keeps nothing may still be spoken to.
function kept() {
  try {
    return globalThis.localStorage?.getItem(KEPT) ?? null;
  } catch {
    return null;
  }
}

export let language = best(globalThis.navigator?.languages ?? [], kept());
let { words, hub } = await import(`./${language}.js`);
let sentences = null;

// What stands under `key`. A key that is missing shows itself; tests see to it that none is.
export function t(key, values = {}) {
  let said = words[key] ?? key;
  if (Array.isArray(said)) said = said[values.n === 1 ? 0 : 1];
  return said.replaceAll(/\{(\w+)\}/g, (whole, name) => (name in values ? `${values[name]}` : whole));
}

// A kind of output within a sentence.
export const within = key => (language === 'de' ? t(key) : t(key).toLowerCase());

// A sentence of the hub.
export function heard(text) {
  if (typeof text !== 'string') return text;
  sentences ??= Object.entries(hub).map(([said, ours]) => [pattern(said), ours]);
  for (const [known, ours] of sentences) {
    const found = known.exec(text);
    if (found) return ours.replaceAll(/\{(\w+)\}/g, (whole, name) => found.groups?.[name] ?? whole);
  }
  return text;
}

function pattern(said) {
  const escaped = said.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll(/\{(\w+)\}/g, '(?<$1>.+?)')}$`, 's');
}

const MARKED = /(`[^`]+`|\*\*[^*]+\*\*|\[\[[^\]]+\]\])/;
const MARKS = [['`', 'code', 1], ['**', 'b', 2], ['[[', 'kbd', 2]];

// Put what is said into `node`, with its marks as elements.
export function put(node, said) {
  node.replaceChildren(...said.split(MARKED).filter(Boolean).map(part => {
    const mark = MARKED.test(part) && MARKS.find(([sign]) => part.startsWith(sign));
    if (!mark) return part;
    const inner = node.ownerDocument.createElement(mark[1]);
    inner.textContent = part.slice(mark[2], -mark[2]);
    return inner;
  }));
}

// Fill the elements below `root` that name a key: data-w for their text, data-w-x for their attribute
// x. Templates are filled as well.
export function fill(root = document) {
  for (const node of root.querySelectorAll('[data-w]')) put(node, t(node.dataset.w));
  for (const name of ['aria-label', 'placeholder', 'title']) {
    for (const node of root.querySelectorAll(`[data-w-${name}]`)) node.setAttribute(name, t(node.getAttribute(`data-w-${name}`)));
  }
  for (const { content } of root.querySelectorAll('template')) fill(content);
}

// Speak another language from now on, and the next time.
export async function speak(other) {
  ({ words, hub } = await import(`./${best([], other)}.js`));
  language = best([], other);
  sentences = null;
  try {
    localStorage.setItem(KEPT, language);
  } catch { /* for this time only */ }
  document.documentElement.lang = language;
  fill();
}

// Fill the page, and let people choose in `select`. `changed()` after another choice.
export function start(select, changed) {
  document.documentElement.lang = language;
  fill();
  select.replaceChildren(...Object.entries(LANGUAGES).map(([tag, name]) => {
    const option = new Option(name, tag);
    option.lang = tag;
    return option;
  }));
  select.value = language;
  select.onchange = () => speak(select.value).then(changed);
}
