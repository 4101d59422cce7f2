// Drawing one's own loop: with a finger, or point by point with the keyboard.

import { drawn } from './patterns.js';
import { t } from './words.js';

export class Curve {
  #canvas;
  #setting;
  #point = 0;
  #last = null;

  constructor(canvas, setting, changed) {
    this.#canvas = canvas;
    this.#setting = setting;
    canvas.onpointerdown = event => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#place(event);
      this.#stroke(this.#last);
      changed();
    };
    canvas.onpointermove = event => {
      if (!this.#last) return;
      this.#stroke(this.#place(event));
      changed();
    };
    canvas.onpointerup = canvas.onpointercancel = () => { this.#last = null; };
    canvas.onkeydown = event => {
      const { points } = this.#setting;
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 0.05], ArrowDown: [0, -0.05] }[event.key];
      if (!move) return;
      event.preventDefault();
      this.#point = (this.#point + move[0] + points.length) % points.length;
      this.#setting.points = points.map((value, at) => (at === this.#point ? Math.min(1, Math.max(0, value + move[1])) : value));
      this.draw();
      changed();
    };
    canvas.onfocus = canvas.onblur = () => this.draw();
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: 1 - (event.clientY - box.top) / box.height };
  }

  #stroke(to) {
    this.#setting.points = drawn(this.#setting.points, this.#last, to);
    this.#last = to;
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const { points } = this.#setting;
    const style = getComputedStyle(canvas);
    const ink = canvas.getContext('2d');
    const { width, height } = canvas;
    ink.clearRect(0, 0, width, height);
    ink.strokeStyle = style.getPropertyValue('--main');
    ink.fillStyle = style.getPropertyValue('--main');
    ink.lineWidth = 4;
    ink.beginPath();
    const at = number => [(number / points.length) * width, height - 6 - points[number % points.length] * (height - 12)];
    for (let number = 0; number <= points.length; number++) ink.lineTo(...at(number));
    ink.stroke();
    if (document.activeElement === canvas) {
      ink.beginPath();
      ink.arc(...at(this.#point), 8, 0, 2 * Math.PI);
      ink.fill();
    }
    canvas.setAttribute('aria-valuenow', `${Math.round(points[this.#point] * 100)}`);
    canvas.setAttribute('aria-valuetext', t('draw.at', { point: this.#point + 1, points: points.length, percent: Math.round(points[this.#point] * 100) }));
  }
}
