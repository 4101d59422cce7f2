// The API as a page, made of its own description: every route, and a try of it with this page's token.

import { call, callStop, enter, token } from './api.js';
import { example, routes, shape } from './openapi.js';
import { $, show, stamp, text, warn } from './dom.js';
import { put, start, t } from './words.js';

start($('language'), () => location.reload());

$('stop').onclick = () => callStop('/stop', { by: 'Dashboard' }).then(() => { $('said').textContent = t('stopped'); }, error => warn(error.message));
addEventListener('keydown', event => { if (event.key === 'Escape' && !event.repeat) $('stop').click(); });

async function load() {
  const refused = await enter();
  if (refused) warn(refused);
  let described;
  try {
    described = await call('GET', '/openapi.json');
  } catch (error) {
    warn(error.message);
    return;
  }
  text($('about'), described.info.description.split('\n\n')[0]);
  const groups = Map.groupBy ? Map.groupBy(routes(described), route => route.group) : grouped(routes(described));
  $('list').replaceChildren(...[...groups].map(([name, all]) => {
    const section = stamp('group');
    text(section.querySelector('h2'), name);
    section.querySelector('.routes').append(...all.map(route => row(described, route)));
    return section;
  }));
  $('filter').oninput = filter;
}

function grouped(all) {
  const groups = new Map();
  for (const route of all) groups.set(route.group, [...groups.get(route.group) ?? [], route]);
  return groups;
}

function filter() {
  const wanted = $('filter').value.trim().toLowerCase();
  for (const section of $('list').children) {
    const rows = [...section.querySelectorAll('.route')];
    for (const each of rows) show(each, each.querySelector('summary').textContent.toLowerCase().includes(wanted));
    show(section, rows.some(each => !each.hidden));
  }
}

function row(described, route) {
  const node = stamp('route');
  const part = name => node.querySelector(name);
  text(part('.method'), route.method);
  part('.method').classList.add(route.method.toLowerCase());
  text(part('.path'), route.path);
  text(part('.what'), route.summary);
  text(part('.who'), route.who);
  const fields = route.parameters.map(parameter => {
    const field = stamp('field');
    text(field.querySelector('.name'), parameter.about ? `${parameter.name}: ${parameter.about}` : parameter.name);
    field.querySelector('input').required = parameter.within === 'path';
    part('.fields').append(field);
    return { ...parameter, input: field.querySelector('input') };
  });
  let body = null;
  if (route.body) {
    const field = stamp('body');
    body = field.querySelector('textarea');
    body.value = JSON.stringify(example(described, route.body), null, 2);
    part('.fields').append(field);
  }
  const [shapes, line] = node.querySelectorAll('.shape');
  shapes.querySelector('pre').textContent = route.answer ? JSON.stringify(shape(described, route.answer), null, 2) : t('ref.empty');
  line.ontoggle = () => text(line.querySelector('pre'), curl(route, address(route, fields), body?.value));
  // A websocket and a stream are not answered once.
  show(part('form'), !route.stream);
  part('form').onsubmit = event => {
    event.preventDefault();
    attempt(node, route, address(route, fields), body?.value);
  };
  return node;
}

function address(route, fields) {
  let path = route.path;
  const query = new URLSearchParams();
  for (const { name, within, input } of fields) {
    if (within === 'path') path = path.replace(`{${name}}`, encodeURIComponent(input.value || `{${name}}`));
    else if (input.value) query.set(name, input.value);
  }
  return query.size || `${query}` ? `${path}?${query}` : path;
}

async function attempt(node, route, path, body) {
  const began = performance.now();
  const status = node.querySelector('.status');
  show(node.querySelector('.answer'), true);
  let sent;
  try {
    sent = body === undefined ? undefined : JSON.stringify(JSON.parse(body));
  } catch (error) {
    put(status, t('ref.bad', { why: error.message }));
    return;
  }
  try {
    const answer = await fetch(`api/v1${path}`, {
      method: route.method,
      headers: { ...(token() ? { Authorization: `Bearer ${token()}` } : {}), ...(sent === undefined ? {} : { 'Content-Type': 'application/json' }) },
      body: sent,
      signal: AbortSignal.timeout(20_000),
    });
    const said = await answer.text();
    text(status, `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - began)} ms`);
    node.querySelector('.body').textContent = pretty(said) || t('ref.empty');
  } catch {
    text(status, t('hub.unreachable'));
  }
}

function pretty(said) {
  try {
    return JSON.stringify(JSON.parse(said), null, 2);
  } catch {
    return said;
  }
}

const quoted = words => `'${words.replaceAll("'", "'\\''")}'`;

function curl(route, path, body) {
  const parts = ['curl', ...(route.method === 'GET' ? [] : ['-X', route.method]), '-H', quoted('Authorization: Bearer TOKEN')];
  if (body !== undefined) parts.push('--json', quoted(pretty(body).replaceAll(/\n\s*/g, ' ')));
  return [...parts, quoted(`${location.origin}/api/v1${path}`)].join(' ');
}

load();
