// Figures and kinds in words.

import { language, t, within } from './words.js';

const KINDS = new Set([
  'Vibrate', 'Rotate', 'Oscillate', 'Constrict', 'Temperature', 'Led', 'Spray', 'Position', 'HwPositionWithDuration',
]);

export const kind = type => (KINDS.has(type) ? t(`kind.${type}`) : type);

// The same within a sentence.
export const kindWithin = type => (KINDS.has(type) ? within(`kind.${type}`) : type);

// What to call each of a device's outputs: by kind, numbered where there are several.
export function labels(types) {
  return types.map((type, i) => {
    const same = types.filter(other => other === type).length > 1;
    const number = types.slice(0, i + 1).filter(other => other === type).length;
    return same ? `${kind(type)} ${number}` : kind(type);
  });
}

const LEVELS = new Set(['Vibrate', 'Rotate', 'Oscillate', 'Constrict']);
export const PLACES = new Set(['HwPositionWithDuration', 'Position']);

// What a pattern can play on: [{ feature, type, range, label }], places before levels of one feature.
export function playable(device) {
  const outputs = device.features.flatMap(feature => {
    const types = Object.keys(feature.outputs);
    // The smoother way to a place is that which takes a time.
    const type = [...PLACES].find(one => types.includes(one)) ?? types.find(one => LEVELS.has(one));
    return type ? [{ feature: feature.index, type, range: feature.outputs[type].range }] : [];
  });
  const named = labels(outputs.map(one => one.type));
  return outputs.map((one, at) => ({ ...one, label: named[at] }));
}

export const ms = value => (value === null || value === undefined ? '–'
  : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`);

// Received signal strength as people judge it; the figures are common practice for Bluetooth LE.
export function signal(dbm) {
  const word = dbm >= -60 ? 'strong' : dbm >= -75 ? 'good' : dbm >= -88 ? 'weak' : 'faint';
  return t(`signal.${word}`, { dbm });
}

export function level(one) {
  if (!one || !one.steps) return t('off');
  return `${Math.round(one.percent)} %`;
}

export const devices = n => t('count.devices', { n });

const CLOCK = { hour: '2-digit', minute: '2-digit', hour12: false };

// When something began, as a person says it: the time, and the day unless it is today.
export function since(seconds) {
  const when = new Date(seconds * 1000);
  const time = when.toLocaleTimeString(language, CLOCK);
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString(language)}, ${time}`;
}
