// What the page says of a state: plain functions from what is to words.

import { placeName } from './places.js';
import { heard, t } from './words.js';

// Idle hubs speak every 2.5 s; what is late by more than this (s) is said.
const SILENT_S = 3.5;

// The line under the hub's name. `silentS`: since when the hub has said nothing.
export function linkLine({ phase, place, roundTripMs }, seconds, { paused, stopped, away }, silentS) {
  switch (phase) {
    case 'open': {
      if (silentS > SILENT_S) return t('line.silent', { s: Math.floor(silentS) });
      const trip = roundTripMs === null ? '' : ` · ${Math.max(1, Math.round(roundTripMs))} ms`;
      return `${t(stopped ? 'stopped' : paused || away ? 'paused' : 'connected')}${trip}`;
    }
    case 'dialing': return place ? t('line.dialing', { place: placeName(place) }) : t('connecting');
    case 'waiting': return seconds > 1 ? t('line.waiting', { s: seconds }) : t('line.again');
    case 'refused': return t('line.refused');
    default: return t('line.none');
  }
}

// The box at the top for a link that does not work, or null. `hub`: what to call the hub.
export function linkNotice({ phase, problem, text, place }, { hub, pairing, online, localNetwork, ownHub }) {
  if (phase !== 'waiting' && phase !== 'refused') return null;
  const where = place ? placeName(place) : t('it');
  const pairAgain = t('pair.anew');
  switch (problem) {
    case 'unreachable':
      if (!online) return bad('offline', {}, 'retry');
      if (localNetwork === 'denied') return bad('denied', {}, 'retry');
      return { ...bad(ownHub ? 'unreachable.own' : 'unreachable', { hub, where }, 'retry'), other: ownHub ? 'reload' : null };
    case 'mixed': return bad('mixed', { where }, 'retry');
    case 'silent': return bad('silent', { hub }, 'retry');
    case 'busy': return bad('busy', { hub }, 'retry');
    case 'version': return bad('version', {}, 'reload');
    case 'code-spent': return bad('code-spent', { pairAgain }, pairing ? 'back' : null);
    case 'wrong-code': return bad('wrong-code', { pairAgain }, pairing ? 'back' : null);
    case 'wrong-hub': return bad('wrong-hub', { hub, where }, 'retry');
    case 'revoked':
      return text && text !== 'revoked by the hub' ? bad('revoked.said', { hub, said: heard(text) }, 'retry') : bad('revoked', { hub, pairAgain }, 'retry');
    default: return bad('strange', {}, 'reload');
  }
}

// The box for the wearer's own pause and stop, or null.
export function wearerNotice({ paused, stopped, away }, failing) {
  if (failing) return { ...bad('failing'), urgent: true };
  if (stopped) return calm('stopped');
  if (paused) return calm('paused');
  if (away) return calm('away');
  return null;
}

// The box for toys that may be running and are not connected, or null.
export function owedNotice(toys, radioOn) {
  // One that has to be chosen again comes first: nobody else can do that.
  const toy = toys.find(one => !one.device) ?? toys[0];
  if (!toy) return null;
  const seek = radioOn && !toy.device;
  const others = toys.filter(one => one !== toy).map(one => one.shown || t('toy.another'));
  const also = others.length ? ` ${t('owed.also', { names: others.join(', ') })}` : '';
  const how = t(!radioOn ? 'owed.radio' : toy.device ? 'owed.looks' : 'owed.find') + also;
  return {
    ...bad('owed', { name: toy.shown || t('toy.a'), how }, seek ? 'find' : 'seen'),
    urgent: true, other: seek ? 'seen' : null, toy,
  };
}

export const forgetful = () => bad('forgetful');
export const newer = () => ({ ...calm('newer'), action: 'reload' });
export const radioOff = () => bad('radio');
export const elsewhere = () => ({ ...calm('elsewhere'), action: 'takeover' });
export const reloaded = () => calm('reloaded');

// Why this browser cannot be a relay at all, and what to do.
export function unsupported(reason) {
  switch (reason) {
    case 'insecure': case 'ios': case 'old': case 'storage': return bad(reason);
    case 'silent': return bad('storage.silent', {}, 'reload');
    case 'blocked': case 'broken': return bad(reason, {}, 'reload');
    default: return bad('bluetooth');
  }
}

// One line about a toy. `driven`: what the hub says about it, or null.
export function toyLine(toy, driven, { open, wearer }) {
  const { peripheral } = toy;
  if (toy.owed && !peripheral) return t(toy.device ? 'toy.owed.looks' : 'toy.owed.choose');
  switch (toy.phase) {
    case 'ready': {
      if (peripheral.stopFailing) return t('toy.failing');
      if (peripheral.leaving) return t('toy.leaving');
      const who = driven?.clients.length ? driven.clients.join(', ') : '';
      if (wearer.stopped) return t('toy.stopped');
      if (wearer.paused || wearer.away) return t('toy.paused');
      if (driven?.level > 0) return t('toy.driven', { who: who || t('toy.app'), percent: Math.round(driven.level * 100) });
      if (peripheral.running) return who ? t('toy.drives', { who }) : t('toy.running');
      if (!open) return t('toy.waits');
      return who ? t('toy.used', { who }) : t('toy.ready');
    }
    case 'connecting': return t('connecting');
    case 'lost': return t('toy.lost', { why: heard(toy.text) });
    case 'failed': return t('toy.failed', { why: heard(toy.text) });
    case 'forgotten': return t('toy.forgotten');
    default:
      if (wearer.stopped) return t('toy.held');
      return t(open ? 'toy.offered' : 'toy.hub');
  }
}

export function chooserProblem(error) {
  switch (error.code) {
    case 'not_found': return t('choose.none');
    case 'unsupported': return t('choose.refused', { why: heard(error.message) });
    default: return t('choose.failed', { why: heard(error.message) });
  }
}

// Title and text of a box both stand under its name.
const box = (tone, name, values, action) => ({ tone, title: t(`box.${name}`, values), text: t(`box.${name}.text`, values), action });
const bad = (name, values = {}, action = null) => box('bad', name, values, action);
const calm = name => box('calm', name, {}, null);
