// Figures and kinds in words.

const KINDS = {
  Vibrate: 'Vibration',
  Rotate: 'Rotation',
  Oscillate: 'Oscillation',
  Constrict: 'Constriction',
  Temperature: 'Temperature',
  Led: 'Light',
  Spray: 'Spray',
  Position: 'Position',
  HwPositionWithDuration: 'Stroke',
};

export const kind = type => KINDS[type] ?? type;

// What to call each of a device's outputs: by kind, numbered where there are several.
export function labels(types) {
  return types.map((type, i) => {
    const same = types.filter(other => other === type).length > 1;
    const number = types.slice(0, i + 1).filter(other => other === type).length;
    return same ? `${kind(type)} ${number}` : kind(type);
  });
}

export const ms = value => value === null || value === undefined ? '–'
  : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

// Received signal strength as people judge it; the figures are common practice for Bluetooth LE.
export function signal(dbm) {
  const word = dbm >= -60 ? 'strong' : dbm >= -75 ? 'good' : dbm >= -88 ? 'weak' : 'very weak';
  return `signal ${word} (${dbm} dBm)`;
}

export function level(one) {
  if (!one || !one.steps) return 'off';
  return `${Math.round(one.percent)} %`;
}

export function times(number, one, more = `${one}s`) {
  return `${number} ${number === 1 ? one : more}`;
}

// When something began, as a person says it: the time, and the day unless it is today.
export function since(seconds) {
  const when = new Date(seconds * 1000);
  const time = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
  return when.toDateString() === new Date().toDateString() ? time : `${when.toLocaleDateString()}, ${time}`;
}
