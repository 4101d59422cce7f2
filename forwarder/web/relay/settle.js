// Pays a debt: writes a recorded stop to a toy that was connected for it. The same times and rules as
// relay/debts/settling.py, where the reasons stand.

import { now, sleep } from './clock.js';
import { RadioError } from './radio.js';

const WRITE_MS = 1000;
const TRY_S = 3;
const RETRY_FIRST_MS = 50;
const RETRY_MOST_MS = 500;
const SECOND_ROUND_MS = 20;
const PAUSE_MOST_MS = 1000;

// Resolves once the radio has taken every packet of the stop, the unacknowledged ones twice. Throws
// RadioError if one of them was not taken in time. A failed packet is tried again, those that were
// taken are not.
export async function settle(connection, { stop, gapMs = 0 }) {
  const writes = stop.map(packet => ({ ...packet, h: handle(connection, packet) }));
  for (const packet of writes) {
    if (packet.afterMs) await sleep(Math.min(packet.afterMs, PAUSE_MOST_MS));
    await write(connection, packet);
  }
  const unanswered = writes.filter(({ r }) => !r);
  if (unanswered.length) await sleep(Math.min(Math.max(gapMs, SECOND_ROUND_MS), PAUSE_MOST_MS));
  for (const packet of unanswered) await write(connection, packet);
}

function handle(connection, { service, uuid, nth = 0 }) {
  const all = connection.services.filter(one => one.uuid === service)
    .flatMap(one => one.characteristics).filter(one => one.uuid === uuid);
  if (all[nth]) return all[nth].h;
  throw new RadioError('refused', `this toy has no characteristic ${uuid} any more`);
}

async function write(connection, { h, d, r }) {
  const ends = now() + TRY_S;
  for (let pause = RETRY_FIRST_MS; ; pause = Math.min(pause * 2, RETRY_MOST_MS)) {
    try {
      await connection.write(h, d, r, WRITE_MS);
      return;
    } catch (error) {
      // A connection that has kept a write for so long is over, too: it has let the toy go.
      if (error.code === 'gone' || error.code === 'timeout' || now() + pause / 1000 >= ends) throw error;
      await sleep(pause);
    }
  }
}
