// What this page says of a state: from what is to words.

import { heard, t } from './words.js';

// How many lines each card has below its title.
const CARDS = {
  start: 2, again: 1, none: 1, broken: 1, inside: 1, insecure: 1, old: 1, forgetful: 1, asked: 1, dialing: 0, waiting: 0,
};
const PROBLEMS = new Set(['unreachable', 'silent', 'busy', 'mixed']);
const OVERS = new Set(['ended', 'expired', 'renewed', 'refused', 'passed', 'elsewhere', 'unknown', 'wrong-hub', 'version', 'token']);

// [title, lines]
export const card = name => [t(`card.${name}`), Array.from({ length: CARDS[name] }, (_, at) => t(`card.${name}.${at + 1}`))];

// Why there is no connection.
export const problem = name => (PROBLEMS.has(name) ? t(`problem.${name}`) : '');

// What is over, and what to do: [title, lines]. `said`: by the hub, for what has no words here.
export function over(why, said) {
  const known = OVERS.has(why) ? why : 'refused';
  return [t(`over.${known}`), [known === why || !said ? t(`over.${known}.text`) : heard(said)]];
}

// How long a share still is, for a person: nobody needs seconds of an hour.
export function left(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  if (s < 60) return t('left.s', { s });
  const minutes = Math.ceil(s / 60);
  if (minutes < 60) return t('left.min', { minutes });
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return t(rest ? 'left.h.min' : 'left.h', { hours, minutes: rest });
  return t('left.days', { n: Math.floor(hours / 24) });
}
