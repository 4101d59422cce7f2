// A pad for positions: up and down moves the first axis of each toy, across the second where it has
// one. With a finger, or with the arrow keys. Knows no hub.

import { t } from './words.js';

const KEYS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const STEP = 0.05;
const EDGE = 12;

const within = value => Math.min(1, Math.max(0, value));

export class Pad {
  // x, y: 0 to 1. touched: whether it was moved since the page asked last.
  x = 0.5;
  y = 0.5;
  touched = false;

  constructor(canvas) {
    this.canvas = canvas;
    let held = false;
    canvas.onpointerdown = event => {
      canvas.setPointerCapture(event.pointerId);
      held = true;
      this.point(event);
    };
    canvas.onpointermove = event => { if (held) this.point(event); };
    canvas.onpointerup = canvas.onpointercancel = () => { held = false; };
    canvas.onkeydown = event => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      this.move(this.x + way[0] * STEP, this.y + way[1] * STEP);
    };
    canvas.onfocus = canvas.onblur = () => this.draw();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    this.move((event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height);
  }

  move(x, y) {
    this.x = within(x);
    this.y = within(y);
    this.touched = true;
    this.draw();
  }

  draw() {
    const { canvas, x, y } = this;
    const ink = canvas.getContext('2d');
    const { width, height } = canvas;
    const [left, top] = [EDGE + x * (width - 2 * EDGE), height - EDGE - y * (height - 2 * EDGE)];
    const colour = getComputedStyle(canvas).getPropertyValue('--main');
    ink.clearRect(0, 0, width, height);
    ink.strokeStyle = ink.fillStyle = colour;
    ink.globalAlpha = 0.35;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.moveTo(left, 0);
    ink.lineTo(left, height);
    ink.moveTo(0, top);
    ink.lineTo(width, top);
    ink.stroke();
    ink.globalAlpha = 1;
    ink.beginPath();
    ink.arc(left, top, EDGE, 0, 2 * Math.PI);
    ink.fill();
    canvas.setAttribute('aria-valuenow', `${Math.round(y * 100)}`);
    canvas.setAttribute('aria-valuetext', t('pad.at', { up: Math.round(y * 100), across: Math.round(x * 100) }));
  }
}
