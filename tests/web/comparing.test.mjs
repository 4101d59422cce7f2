// The dialog in which a code is compared: whoever has closed it looks no more, whenever the hub
// answers. Run by test_plays.py, with an api.js that is told what to answer and a page of no elements.

import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const page = name => import(pathToFileURL(`${process.env.PAGE}/${name}`));
const api = await page('api.js');
const { Comparing } = await page('comparing.js');

const WAITING = { state: 'waiting', code: null, attempt: null, relay: null, tries_left: 3, wait_s: 0 };
const settle = async () => { for (let turn = 0; turn < 8; turn++) await null; };
const said = () => api.asked.splice(0).map(([method]) => method);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['setInterval'] });
  api.asked.length = 0;
  api.answers(() => WAITING);
});

test('it looks each second while it is open, and closes it in the end', async () => {
  const dialog = new Comparing();
  await dialog.start();
  mock.timers.tick(2000);
  await settle();
  assert.deepEqual(said(), ['POST', 'GET', 'GET']);
  dialog.stop();
  dialog.stop();
  mock.timers.tick(5000);
  await settle();
  assert.deepEqual(said(), ['DELETE']);
});

test('one that was closed before the hub answered is closed there, and not looked at', async () => {
  let open;
  api.answers(method => (method === 'POST' ? new Promise(resolve => { open = resolve; }) : WAITING));
  const dialog = new Comparing();
  const started = dialog.start();
  dialog.stop();
  open(WAITING);
  await started;
  mock.timers.tick(5000);
  await settle();
  assert.deepEqual(said(), ['POST', 'DELETE', 'DELETE']);
});

test('of two that were opened at once one looks', async () => {
  const dialog = new Comparing();
  await Promise.all([dialog.start(), dialog.start()]);
  mock.timers.tick(1000);
  await settle();
  assert.deepEqual(said(), ['POST', 'POST', 'GET']);
  dialog.stop();
});
