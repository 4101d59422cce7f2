// Sparklines: the last minute of a figure, one point a second.

const POINTS = 60;
const HEIGHT = 16;

export class Spark {
  constructor() {
    this.lines = new Map();
  }

  // Take one point of each figure; null where there is none.
  add(figures) {
    for (const [name, value] of Object.entries(figures)) {
      const line = this.lines.get(name) ?? [];
      line.push(value);
      if (line.length > POINTS) line.shift();
      this.lines.set(name, line);
    }
  }

  // Draw into the polylines of `svg` that have the figures' names as classes, all to one scale.
  draw(svg) {
    const all = [...this.lines.values()].flat().filter(value => value !== null);
    const top = Math.max(...all, 1) * 1.1;
    for (const [name, line] of this.lines) {
      const points = line.map((value, i) => [i + POINTS - line.length, value])
        .filter(([, value]) => value !== null)
        .map(([x, value]) => `${x},${(HEIGHT - (value / top) * HEIGHT).toFixed(1)}`);
      svg.querySelector(`.${name}`)?.setAttribute('points', points.join(' '));
    }
  }
}
