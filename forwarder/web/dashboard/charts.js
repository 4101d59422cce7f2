// Charts that can be read: a scale, times, units.

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [440, 120, 48, 20];
const SVG = 'http://www.w3.org/2000/svg';

// Round numbers from `low` to `high`, three or four of them.
export function ticks(low, high) {
  const span = Math.max(high - low, 1e-9);
  const rough = span / 3;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(by => by * size).find(one => one >= rough);
  const first = Math.floor(low / step) * step;
  const all = [];
  for (let at = first; at < high + step * 0.999; at += step) all.push(Number(at.toFixed(6)));
  return all;
}

// Where the points of `line` are in the chart: one list of pieces, for what is missing is a gap.
export function pieces(line, low, high, most = line.length) {
  const found = [[]];
  const from = most - line.length;
  line.forEach((value, at) => {
    if (value === null) {
      if (found.at(-1).length) found.push([]);
      return;
    }
    const x = LEFT + ((from + at) / Math.max(1, most - 1)) * (WIDTH - LEFT);
    const y = (HEIGHT - BOTTOM) * (1 - (value - low) / (high - low || 1));
    found.at(-1).push(`${x.toFixed(1)},${y.toFixed(1)}`);
  });
  return found.filter(piece => piece.length);
}

const node = (name, attributes, words) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (words !== undefined) made.textContent = words;
  return made;
};

// A chart. `lines`: [{ name, line, kind }], `unit` behind each number, `floor`/`roof`: of the scale at
// least, `label`: for who does not see it, `ago(seconds)`: words for the left end, `now`: the right.
export function chart({ lines, unit, floor, roof, label, ago, now }) {
  const all = lines.flatMap(({ line }) => line).filter(value => value !== null);
  const marks = ticks(Math.min(floor, ...all), Math.max(roof, ...all));
  const [low, high] = [marks[0], marks.at(-1)];
  const svg = node('svg', { viewBox: `0 -8 ${WIDTH} ${HEIGHT + 10}`, role: 'img', 'aria-label': label, class: 'chart' });
  for (const mark of marks) {
    const y = (HEIGHT - BOTTOM) * (1 - (mark - low) / (high - low));
    svg.append(
      node('line', { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: 'grid' }),
      node('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, `${mark}${unit}`),
    );
  }
  const most = Math.max(2, ...lines.map(({ line }) => line.length));
  svg.append(
    node('text', { x: LEFT, y: HEIGHT - 2 }, ago(most)),
    node('text', { x: WIDTH, y: HEIGHT - 2, 'text-anchor': 'end' }, now),
  );
  for (const { line, kind } of lines) {
    for (const piece of pieces(line, low, high, most)) svg.append(node('polyline', { points: piece.join(' '), class: kind }));
  }
  return svg;
}
