// A picture of what a device is, drawn here: lines on a 24 by 24 grid, in the colour of its own.

const DRAWINGS = {
  // A bullet, with what it does beside it.
  vibrate: '<path d="M9 20V9a3 3 0 0 1 6 0v11z"/><path d="M9 15h6"/><path class="air" d="M5 8.5v5M19 8.5v5M2.500 10v2M21.500 10v2"/>',
  rotate: '<path d="M19.500 12a7.500 7.500 0 1 1-2.600-5.700"/><path d="M17.600 2.600v4h-4"/><circle cx="12" cy="12" r="2.200"/>',
  stroke: '<path d="M12 3v18"/><path d="M8.500 6.500 12 3l3.500 3.500M8.500 17.500 12 21l3.500-3.500"/><path d="M7 12h10"/>',
  squeeze: '<circle cx="12" cy="12" r="4"/><path d="M2.500 12h3.500M4.500 10l2 2-2 2M21.500 12H18M19.500 10l-2 2 2 2"/>',
  heat: '<path d="M12 3c3 4 5 6.500 5 10a5 5 0 0 1-10 0c0-2 1-3.500 2.200-4.800C10 10 11 10 12 3z"/>',
  light: '<circle cx="12" cy="12" r="3.500"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M5.600 18.400l2.100-2.100M16.300 7.700l2.100-2.100"/>',
  several: '<circle cx="7.500" cy="9" r="3.500"/><circle cx="16.500" cy="9" r="3.500"/><circle cx="12" cy="16.500" r="3.500"/>',
  other: '<rect x="7" y="4" width="10" height="16" rx="4"/>',
};

const OF = {
  Vibrate: 'vibrate', Rotate: 'rotate', Oscillate: 'stroke', Position: 'stroke',
  HwPositionWithDuration: 'stroke', Constrict: 'squeeze', Temperature: 'heat', Led: 'light', Spray: 'other',
};
// Of a device that can do several things, what it is called after.
const FIRST = ['stroke', 'squeeze', 'rotate', 'vibrate', 'heat', 'light', 'other'];

export function pictureOf(device) {
  if (device.protocol === 'virtual' && device.features.length > 1) return 'several';
  const kinds = new Set(device.features.flatMap(feature => Object.keys(feature.outputs)).map(type => OF[type]));
  return FIRST.find(kind => kinds.has(kind)) ?? 'other';
}

// Neighbours in the list are far apart on the wheel: the golden angle.
export const hue = index => Math.round((index * 137.508 + 265) % 360);

export function draw(node, device) {
  const kind = pictureOf(device);
  if (node.dataset.kind === kind) return;
  node.dataset.kind = kind;
  node.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${DRAWINGS[kind]}</svg>`;
}
