// A pattern of the hub as a page sees it, without a browser and without a hub. Run by test_plays.py,
// with the folder of the page as it is served, in which api.js is one that is told what to answer.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const listeners = new Map();
const listen = (kind, call) => listeners.set(kind, call);
globalThis.document = { hidden: false, addEventListener: listen, removeEventListener: kind => listeners.delete(kind) };
globalThis.addEventListener = listen;
globalThis.removeEventListener = kind => listeners.delete(kind);
const page = name => import(pathToFileURL(`${process.env.PAGE}/${name}`));
const api = await page('api.js');
const { HubPlay } = await page('plays.js');

const settle = async () => { for (let turn = 0; turn < 8; turn++) await null; };
const pass = async ms => { for (let at = 0; at < ms; at += 50) { mock.timers.tick(50); now += 50; await settle(); } };
let now = 0;
// What was asked, less what each word says about time.
const wanted = () => api.asked.splice(0).map(([method, path, { at, heard, ...body } = {}]) => [method, path, ...(method === 'DELETE' ? [] : [body])]);
globalThis.performance.now = () => now;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  document.hidden = false;
  now = 0;
  api.asked.length = 0;
  api.answers((method, path, body) => (method === 'DELETE' ? null : { id: 'p1', stays: body?.stays ?? false }));
});

test('it says four times a second that its page is there, and sends the newest of each change', async () => {
  const play = await HubPlay.start({ pattern: 'wave', percent: 10 });
  assert.deepEqual(api.asked.shift(), ['POST', '/plays', { pattern: 'wave', percent: 10, at: 0 }]);
  await pass(1000);
  assert.deepEqual(wanted(), Array(4).fill(['PUT', '/plays/p1', {}]));
  play.change({ percent: 20 });
  play.change({ percent: 30, speed: 2 });
  play.change({ percent: 40 });
  await settle();
  assert.deepEqual(wanted(), [['PUT', '/plays/p1', { percent: 20 }], ['PUT', '/plays/p1', { percent: 40, speed: 2 }]]);
  await play.end();
  assert.deepEqual(api.asked.splice(0), [['DELETE', '/plays/p1', undefined]]);
  await pass(1000);
  assert.deepEqual(api.asked, []);
  assert.equal(listeners.size, 0);
});

test('each word says when it was sent and the newest that was answered, so that the hub knows its age', async () => {
  now = 4000;
  const play = await HubPlay.start({});
  assert.equal(api.asked.shift()[2].at, 4000);
  const times = () => api.asked.splice(0).map(([, , { at, heard }]) => [at, heard]);
  await pass(500);
  assert.deepEqual(times(), [[4200, 4000], [4450, 4200]]);
  // One that is not answered is never named, and what comes late is named when it has come.
  api.answers(() => { throw new api.Refused(0, 'The hub cannot be reached.'); });
  await pass(250);
  let answer;
  api.answers(() => new Promise(resolve => { answer = () => resolve({ id: 'p1', stays: false }); }));
  await pass(500);
  assert.deepEqual(times(), [[4700, 4450], [4950, 4450]]);
  answer();
  await settle();
  await pass(250);
  assert.deepEqual(times(), [[5450, 4950]]);
  play.close();
  // What another page began is measured from this page's first word on.
  const adopted = new HubPlay({ id: 'p1', stays: true }, () => {});
  await pass(250);
  assert.deepEqual(times(), [[5700, null]]);
  adopted.close();
});

test('it ends when nobody sees it any more, unless it stays', async () => {
  const heard = [];
  const play = await HubPlay.start({}, said => heard.push(said));
  const staying = await HubPlay.start({ for_s: 60, stays: true }, said => heard.push(said));
  api.asked.length = 0;
  document.hidden = true;
  play.hidden();
  staying.hidden();
  await settle();
  assert.deepEqual(api.asked, [['DELETE', '/plays/p1', undefined]]);
  // Who comes back to the page reads that it is over.
  assert.deepEqual(heard, ['']);
  staying.close();
});

test('a page that was hidden while the hub answered ends it at once', async () => {
  const begun = HubPlay.start({});
  document.hidden = true;
  assert.equal((await begun).over, true);
  assert.deepEqual(api.asked.at(-1), ['DELETE', '/plays/p1', undefined]);
});

test('a hub that ended it says so once; one that refuses says why', async () => {
  for (const [status, words] of [[404, ''], [409, 'You stopped everything.']]) {
    const heard = [];
    await HubPlay.start({}, said => heard.push(said));
    api.answers(() => { throw new api.Refused(status, 'You stopped everything.'); });
    await pass(2000);
    assert.deepEqual(heard, [words]);
    api.answers(() => ({ id: 'p1', stays: false }));
  }
});

test('what the hub did not hear is said again, and a hub that is silent for 0.9 s has ended it', async () => {
  const heard = [];
  const play = await HubPlay.start({}, said => heard.push(said));
  api.answers(() => { throw new api.Refused(0, 'The hub cannot be reached.'); });
  play.change({ percent: 77 });
  await pass(300);
  api.answers(() => ({ id: 'p1', stays: false }));
  api.asked.length = 0;
  await pass(250);
  assert.deepEqual(wanted()[0], ['PUT', '/plays/p1', { percent: 77 }]);
  api.answers(() => { throw new api.Refused(0, 'The hub cannot be reached.'); });
  await pass(1400);
  assert.deepEqual(heard, ['The hub cannot be reached.']);
});

test('the end of one that stays is said until the hub hears it, or the person hears that it did not', async () => {
  const deaf = () => { throw new api.Refused(0, 'The hub cannot be reached.'); };
  const ends = () => api.asked.filter(([method]) => method === 'DELETE').length;
  const stays = { id: 'p1', stays: true };
  api.answers(() => stays);
  const play = await HubPlay.start({ for_s: 60, stays: true });
  api.answers(deaf);
  const ended = play.end();
  await pass(600);
  assert.ok(ends() > 1);
  api.answers(() => null);
  await pass(300);
  await ended;
  const told = ends();
  await pass(1000);
  assert.equal(ends(), told);

  // That it stays may have reached the hub, though its answer did not come.
  api.answers(() => ({ id: 'p1', stays: false }));
  const other = await HubPlay.start({});
  api.answers(deaf);
  other.change({ for_s: 60, stays: true });
  await settle();
  const lost = assert.rejects(other.end(), /cannot be reached/);
  await pass(8000);
  await lost;
});

test('one that the page takes for over because the hub refused a change is ended there, too', async () => {
  const heard = [];
  await HubPlay.start({ for_s: 60, stays: true }, said => heard.push(said));
  api.answers(method => { if (method === 'PUT') throw new api.Refused(422, 'No such speed.'); return null; });
  await pass(300);
  assert.deepEqual(heard, ['No such speed.']);
  assert.equal(api.asked.at(-1)[0], 'DELETE');
});
