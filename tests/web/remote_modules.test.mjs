// The guest's page without a browser: patterns, settings, frames, what a browser is. Run by
// test_remote_modules.py, with the folder of the page as it is served.

import assert from 'node:assert/strict';
import test from 'node:test';
import { pathToFileURL } from 'node:url';

const page = name => import(pathToFileURL(`${process.env.REMOTE_PAGE}/${name}`));
const { PATTERNS, LEAST_SPEED, MOST_SPEED, drawn, level, loop, place, rescaled, steps } = await page('patterns.js');
const { Player, Setting, TICK_MS } = await page('player.js');
const { BadFrame, Unpacker, packed } = await page('frames.js');
const { browserName, elsewhere, insideApp } = await page('visitor.js');
const { shown } = await page('guest.js');
const { left } = await page('texts.js');

const all = { ...PATTERNS, loop: loop([0, 1, 0.5, -3, 9, NaN]) };

test('every pattern stays between off and all at every moment, speed and strength', () => {
  for (const [name, pattern] of Object.entries(all)) {
    for (let t = 0; t < 20; t += 0.013) {
      for (const speed of [0, LEAST_SPEED, 1, 2.5, MOST_SPEED, 1000, NaN]) {
        const value = level(pattern, t, speed, 1);
        assert.ok(value >= 0 && value <= 1, `${name} at ${t}`);
        assert.ok(level(pattern, t, speed, 0.3) <= 0.3 + 1e-12);
      }
    }
  }
});

test('every pattern moves, comes to rest or near it, and repeats', () => {
  for (const [name, pattern] of Object.entries(PATTERNS)) {
    const values = Array.from({ length: 400 }, (_, at) => level(pattern, (at / 400) * pattern.period));
    assert.ok(Math.max(...values) > 0.95, name);
    assert.ok(Math.min(...values) < 0.05, name);
    for (let t = 0; t < pattern.period; t += 0.07) {
      assert.ok(Math.abs(level(pattern, t) - level(pattern, t + 3 * pattern.period)) < 1e-6, name);
    }
  }
});

test('the hub plays the same, by the vectors that both are held to', async () => {
  const { readFile } = await import('node:fs/promises');
  const vectors = JSON.parse(await readFile(process.env.PLAY_VECTORS, 'utf8'));
  const near = (one, other) => assert.ok(Math.abs(one - other) < 1e-9, `${one} is not ${other}`);
  for (const { pattern, points, turn_s, seconds, speed, strength, level: wanted } of vectors.levels) {
    near(level(pattern === 'loop' ? loop(points, turn_s) : PATTERNS[pattern], seconds, speed, strength), wanted);
  }
  for (const [part, low, high, wanted] of vectors.steps) assert.equal(steps(part, low, high), wanted + 0);
  for (const [part, low, high, wanted] of vectors.places) assert.equal(place(part, low, high), wanted);
  for (const [at, before, after, wanted] of vectors.rescaled) near(rescaled(at, before, after), wanted);
  assert.equal(vectors.levels.length, 200);
});

test('another speed goes on where it is', () => {
  for (const pattern of Object.values(all)) {
    for (const [before, after] of [[1, 2], [0.5, 4], [4, 0.25]]) {
      const t = 1.234;
      assert.ok(Math.abs(level(pattern, t, before) - level(pattern, rescaled(t, before, after), after)) < 1e-9);
    }
  }
});

test('a loop passes its points and runs into its beginning', () => {
  const mine = loop([0, 1, 0.5, 0.25], 4);
  assert.deepEqual([0, 1, 2, 3, 4].map(t => level(mine, t)), [0, 1, 0.5, 0.25, 0]);
  assert.equal(level(mine, 3.5), 0.125);
});

test('a stroke takes everything that it passes over, in both directions', () => {
  const flat = Array(8).fill(0);
  assert.deepEqual(drawn(flat, { x: 0, y: 1 }, { x: 0.99, y: 1 }), Array(8).fill(1));
  assert.deepEqual(drawn(flat, { x: 0.99, y: 0 }, { x: 0, y: 0.7 }).map(value => Number(value.toFixed(1))), [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0]);
  assert.deepEqual(drawn(flat, { x: -5, y: 9 }, { x: 7, y: -9 }).map(value => value >= 0 && value <= 1), Array(8).fill(true));
});

test('steps stay within both ends, and a little is not off', () => {
  for (const [low, high] of [[0, 20], [-20, 20], [-7, 7], [0, 1], [0, 100]]) {
    for (let part = -2; part <= 2; part += 0.01) {
      const value = steps(part, low, high);
      assert.ok(Number.isInteger(value) && value >= low && value <= high, `${part} of ${low}..${high}`);
      if (part >= 0.01) assert.ok(value > 0);
      if (part <= -0.01) assert.ok(low < 0 ? value < 0 : value === 0);
    }
    assert.equal(steps(NaN, low, high), 0);
  }
  assert.deepEqual([place(0, 0, 60), place(1, 0, 60), place(2, 0, 60), place(-1, 0, 60)], [0, 60, 60, 0]);
});

const nora = {
  DeviceIndex: 3, DeviceName: 'Lovense Nora', DeviceFeatures: {
    0: { FeatureIndex: 0, FeatureDescription: '', Output: { Vibrate: { Value: [0, 12] } } },
    1: { FeatureIndex: 1, FeatureDescription: 'Head', Output: { Rotate: { Value: [-12, 12] } } },
    2: { FeatureIndex: 2, FeatureDescription: '', Output: { Position: { Value: [0, 60] }, HwPositionWithDuration: { Value: [0, 60], Duration: [0, 9] } } },
    3: { FeatureIndex: 3, FeatureDescription: '', Input: { Battery: {} } },
  },
};

test('each output is a control of its kind, and a feature that moves to places has one pad', () => {
  const { controls, name } = shown(nora);
  assert.equal(name, 'Lovense Nora');
  assert.deepEqual(controls.map(({ type, kind, low, high }) => [type, kind, low, high]), [
    ['Vibrate', 'level', 0, 12], ['Rotate', 'both', -12, 12], ['HwPositionWithDuration', 'position', 0, 60],
  ]);
});

test('what is played stays in its range, both ways, and rests when told', () => {
  const [vibration, rotation, position] = shown(nora).controls.map(control => new Setting(control));
  rotation.play('wave', 0);
  rotation.backwards = true;
  const values = Array.from({ length: 200 }, (_, at) => rotation.valueAt(at * TICK_MS).value);
  assert.equal(Math.min(...values), -12);
  assert.ok(Math.max(...values) <= 0);
  vibration.part = 1;
  assert.equal(vibration.valueAt(0).value, 12);
  position.part = 0.5;
  for (const setting of [vibration, rotation, position]) setting.rest();
  assert.deepEqual([vibration, rotation, position].map(setting => setting.valueAt(99).value), [0, 0, 30]);
});

test('the player tells what plays, and forgets what is gone', () => {
  const told = [];
  const player = new Player((control, value) => told.push([control.key, value]));
  const device = shown(nora);
  player.follow(new Map([[3, device]]));
  player.settings.get('3.0.Vibrate').play('pulse', 0);
  player.tick(100);
  assert.deepEqual(told, [['3.0.Vibrate', 12]]);
  player.follow(new Map());
  player.tick(200);
  assert.equal(told.length, 1);
  player.follow(new Map([[3, device]]));
  assert.equal(player.playing, false);
});

test('frames of any length arrive whole, and words apart from messages', () => {
  const unpacker = new Unpacker();
  assert.deepEqual(unpacker.take(packed({ t: 'lease', at: 1 })[0]), { word: { t: 'lease', at: 1 } });
  const long = [{ Ping: { Id: 1, Long: 'ü'.repeat(100_000) } }];
  const parts = packed(long);
  assert.ok(parts.length > 1 && parts.every(part => part.length <= 65_519));
  assert.deepEqual(parts.map(part => unpacker.take(part)).at(-1), { messages: long });
  assert.throws(() => unpacker.take(new TextEncoder().encode('{')), BadFrame);
  assert.throws(() => new Unpacker().take(new TextEncoder().encode('+[')), BadFrame);
  unpacker.take(parts[0]);
  assert.throws(() => unpacker.take(new TextEncoder().encode('[]')), BadFrame);
});

const SAFARI = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1';
const INSTAGRAM = SAFARI.replace(/ Version.*/, ' Mobile/15E148 Instagram 300.0.0');
const WEBVIEW = 'Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0 Mobile Safari/537.36';
const CHROME = 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

test('browsers are told from apps that show pages', () => {
  assert.deepEqual([SAFARI, CHROME, FIREFOX].map(insideApp), [null, null, null]);
  assert.deepEqual([INSTAGRAM, WEBVIEW, `${CHROME} [FBAN/EMA]`].map(insideApp), ['Instagram', '', 'Facebook']);
  assert.deepEqual([SAFARI, CHROME, FIREFOX].map(browserName), ['Safari on iPhone', 'Chrome on Android', 'Firefox on Linux']);
  assert.equal(elsewhere(INSTAGRAM, 'https://m.example/remote/#x'), 'x-safari-https://m.example/remote/#x');
  assert.equal(elsewhere(WEBVIEW, 'https://m.example/remote/#x'), null);
});

test('time that is left is said as people say it', () => {
  const said = [59_000, 61_000, 3_600_000, 7_100_000, 86_400_000 * 3].map(left);
  assert.deepEqual(said, ['59 s left', '2 min left', '1 h left', '1 h 59 min left', '3 days left']);
});
