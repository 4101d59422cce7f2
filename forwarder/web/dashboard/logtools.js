// What a person does with the log: look for something, pass it on.

import { $, say, show, warn } from './dom.js';
import { t } from './words.js';

export class LogTools {
  constructor() {
    $('log-filter').oninput = () => this.filter();
    $('log-copy').onclick = () => this.copy();
    $('log-save').onclick = () => this.save();
  }

  // Also for lines that came since.
  filter() {
    const wanted = $('log-filter').value.trim().toLowerCase();
    for (const row of $('log').children) show(row, !wanted || row.textContent.toLowerCase().includes(wanted));
  }

  get text() {
    return [...$('log').children].filter(row => !row.hidden)
      .map(row => `${row.querySelector('time').dateTime} ${row.lastChild.textContent}`).join('\n');
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text);
      say(t('log.copied'));
    } catch {
      warn(t('log.uncopied'));
    }
  }

  save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([`${this.text}\n`], { type: 'text/plain' }));
    link.download = 'forwarder-log.txt';
    link.click();
    URL.revokeObjectURL(link.href);
  }
}
