// Patterns: how strong something is at a moment. Pure functions of time, for the remote page and the
// dashboard alike; who plays them asks as often as it likes, and asks again after any pause.

// A phase is a part of one turn, 0 up to 1; a level is a part of what is allowed, 0 to 1.
const wrapped = phase => phase - Math.floor(phase);
const bump = (phase, at, width) => Math.max(0, 1 - Math.abs(phase - at) / width);

// id → { period: seconds of one turn at speed 1, at(phase): level }.
export const PATTERNS = {
  pulse: { period: 1, at: phase => (phase < 0.5 ? 1 : 0) },
  wave: { period: 3, at: phase => (1 - Math.cos(2 * Math.PI * phase)) / 2 },
  ramp: { period: 4, at: phase => phase },
  heartbeat: { period: 1.2, at: phase => Math.max(bump(phase, 0.12, 0.12), 0.7 * bump(phase, 0.4, 0.14)) },
};

// Patterns with a speed of their own; how strong they are is the person's. id → { pattern, speed }.
export const PRESETS = {
  breeze: { pattern: 'wave', speed: 0.5 },
  climb: { pattern: 'ramp', speed: 0.25 },
  tease: { pattern: 'pulse', speed: 0.5 },
  racing: { pattern: 'heartbeat', speed: 2 },
  storm: { pattern: 'wave', speed: 4 },
};

export const LEAST_SPEED = 0.25;
export const MOST_SPEED = 4;
// Points of a drawn loop, and how long one turn of it takes (s) at speed 1.
export const LOOP_POINTS = 32;
export const LOOP_S = 4;

// A pattern for a loop that somebody drew: `points` are levels, spread evenly over one turn, whose
// end runs into its beginning.
export function loop(points, period = LOOP_S) {
  const levels = points.map(clamped);
  const at = phase => {
    if (!levels.length) return 0;
    const place = wrapped(phase) * levels.length;
    const from = Math.floor(place) % levels.length;
    const to = (from + 1) % levels.length;
    return levels[from] + (levels[to] - levels[from]) * (place - Math.floor(place));
  };
  return { period, at };
}

// The points of a loop after a stroke from one place to another, { x, y } each 0 to 1: whatever the
// stroke passes over takes its height. A finger skips places; the stroke does not.
export function drawn(points, from, to) {
  const count = points.length;
  const place = x => Math.min(count - 1, Math.max(0, Math.floor(x * count)));
  const [a, b] = [place(from.x), place(to.x)];
  const out = [...points];
  const steps = Math.abs(b - a);
  for (let step = 0; step <= steps; step++) {
    const part = steps ? step / steps : 1;
    out[a + Math.sign(b - a) * step] = clamped(from.y + (to.y - from.y) * part);
  }
  return out;
}

// How strong `pattern` is `seconds` after it began. `speed` in turns, `strength` 0 to 1.
export function level(pattern, seconds, speed = 1, strength = 1) {
  const phase = wrapped((Math.max(0, seconds) * held(speed)) / pattern.period);
  return clamped(pattern.at(phase)) * clamped(strength);
}

// Where in its turn a pattern goes on, if its speed changes after `seconds`: the seconds that lead
// to the same phase at the new speed, so that nothing jumps.
export const rescaled = (seconds, before, after) => (seconds * held(before)) / held(after);

const held = speed => Math.min(MOST_SPEED, Math.max(LEAST_SPEED, Number(speed) || 1));

function clamped(value) {
  return Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0;
}

// The whole steps of a level: within `low`..`high`, whose sign is the direction. A little is at least
// one step, for it must not turn into off. `part`: -1 to 1, negative in ranges of both directions.
export function steps(part, low, high) {
  const wanted = Number.isFinite(part) ? Math.min(1, Math.max(low < 0 ? -1 : 0, part)) : 0;
  if (Math.abs(wanted) < 0.005) return 0;
  const end = wanted < 0 ? -low : high;
  const count = Math.min(end, Math.max(1, Math.round(Math.abs(wanted) * end)));
  return wanted < 0 ? -count : count;
}

// The place of a position, 0 to 1, in `low`..`high`: 0 is a place like any other.
export function place(part, low, high) {
  const wanted = Number.isFinite(part) ? Math.min(1, Math.max(0, part)) : 0;
  return Math.round(low + wanted * (high - low));
}
