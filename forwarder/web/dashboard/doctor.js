// What is in the way, as `forwarder doctor` finds it: looked for when the dialog opens, and again.

import { call } from './api.js';
import { $, show, stamp, text } from './dom.js';
import { heard, put, t } from './words.js';

// What is in the way comes first.
const ORDER = ['bad', 'note', 'good'];
// BlueZ may be slow, and a program is asked for its version.
const PATIENCE_MS = 20_000;

export class Doctor {
  constructor() {
    $('doctor-close').onclick = () => $('doctor').close();
    $('doctor-again').onclick = () => this.look();
  }

  open() {
    $('doctor').showModal();
    this.look();
  }

  async look() {
    const again = $('doctor-again');
    if (again.disabled) return;
    again.disabled = true;
    text($('doctor-state'), t('doctor.looking'));
    try {
      const { findings } = await call('GET', '/checks', undefined, { signal: AbortSignal.timeout(PATIENCE_MS) });
      this.draw(findings);
    } catch (error) {
      $('doctor-list').replaceChildren();
      text($('doctor-state'), error.message);
    } finally {
      again.disabled = false;
    }
  }

  draw(findings) {
    const bad = findings.filter(one => one.mark === 'bad').length;
    text($('doctor-state'), bad === 0 ? t('doctor.fine') : t('doctor.found', { n: bad }));
    const sorted = ORDER.flatMap(mark => findings.filter(one => one.mark === mark));
    $('doctor-list').replaceChildren(...sorted.map(row));
    show($('doctor-list'), sorted.length > 0);
  }
}

function row(finding) {
  const node = stamp('finding');
  node.classList.add(finding.mark);
  text(node.querySelector('.about'), heard(finding.about));
  text(node.querySelector('.value'), t(`doctor.${finding.mark}`));
  // What stands between backticks is to be typed.
  put(node.querySelector('.text'), heard(finding.text));
  return node;
}
