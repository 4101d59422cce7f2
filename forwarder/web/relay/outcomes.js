// What comes of an operation, and of the end: the second half of machine.js. Knows no browser. The
// same rules as relay/peripheral/outcomes.py.
//
// A result is { taken: value }, { refused: code, text }, { cut: true } (it took too long, and nobody
// knows whether the radio will still carry it out) or { dropped: true } (it never began).

import { STOPPING } from './gate.js';
import { FAILING_EMERGENCY_S, FAILING_S, LAST_STOP_S, RETRY_FIRST_S, RETRY_MOST_S, STRAGGLER_S } from './limits.js';
import { AGAIN, LET_GO, REQUEST, STOP, STRUCK, VALUE, Worker } from './worker.js';

const refused = (code, text) => ({ code, text });

export class Outcomes extends Worker {
  ended(now, result) {
    const { op } = this;
    if (op === null || this.over !== null) return;
    let error = 'refused' in result ? refused(result.refused, result.text) : null;
    if (error?.code === 'gone' && op.kind !== LET_GO) {
      this.went(error.text);
      return;
    }
    this.op = null;
    if (result.dropped) {
      this.#dropped(now, op);
      return;
    }
    // However long the radio took: the move begins no later than this.
    if (op.movesMs !== null) this.history.handed(now + (result.cut ? STRAGGLER_S : 0), op.movesMs);
    if (result.cut) {
      this.#cut(now, op);
      error = refused('timeout', `the radio operation ${op.hurried ? 'gave way to a stop' : 'took too long'}`);
    }
    switch (op.kind) {
      case VALUE: this.#valueEnded(now, op, error); break;
      case REQUEST: this.#requestEnded(now, op, error, result.taken); break;
      case STOP: this.#stopEnded(now, op, error); break;
      case AGAIN: this.#againEnded(now, op, error); break;
      case STRUCK: this.#armedEnded(now, op, error); break;
      case LET_GO: this.#letGoEnded(now, op, error); break;
    }
  }

  // Whatever it wrote may reach the toy a while later.
  #cut(now, op) {
    if (op.packet === null || op.armed) return;
    this.lateUntil = now + STRAGGLER_S;
  }

  // A stop came before it; reading waits for that.
  #dropped(now, op) {
    if (op.packet === null && op.link === this.link) this.slots.putBack();
    else if (op.kind === VALUE && this.gate.state !== STOPPING) {
      // What the stop does not take the place of is still to come.
      op.group.superseded = true;
      if (this.slots.finished(now)) this.#answer(op, null, { superseded: true });
    } else if (op.kind === VALUE || op.kind === REQUEST) {
      this.slots.finished(now, true);
      this.#answer(op, refused('gate', 'a stop came before it'));
    }
  }

  #valueEnded(now, op, error) {
    const { group, packet } = op;
    if (error === null && group.id !== null) this.history.taken(packet, group.rest, group.movesMs);
    const ended = this.slots.finished(now, error !== null);
    if (error !== null) {
      this.#answer(op, error);
      return;
    }
    if (!ended) return;
    if (group.struck) {
      this.#answer(op, refused('gate', 'this device was stopped'));
      return;
    }
    const holds = group.mark === this.touched && !this.late(group.began);
    if (!group.superseded && group.armed && holds) this.settle(now);
    else if (!group.superseded && group.rest && group.id !== null) {
      this.gate.rested(now, this.valueWaits);
      if (this.late(group.began) && this.armed.stop?.length) this.onceMore(Math.max(now, this.lateUntil));
    }
    this.#answer(op, null, { superseded: group.superseded });
  }

  #requestEnded(now, op, error, value) {
    this.slots.finished(now);
    if (error !== null) this.#answer(op, error);
    else if (op.request.t === 'Read') this.#answer(op, null, { value });
    else this.#answer(op, null);
  }

  #stopEnded(now, op, error) {
    const { stop } = op;
    if (!this.stops.holds(stop)) return; // the armed stop has taken its place
    if (error === null) stop.run.taken(now);
    else if (stop.run.failed(now, op.began) >= FAILING_S) this.struck(now, 'radio');
  }

  #againEnded(now, op, error) {
    const again = this.again.first;
    if (again?.run !== op.run) return; // another one has taken its place
    if (error !== null) {
      if (again.run.failed(now, op.began) >= FAILING_S) this.struck(now, 'radio');
      return;
    }
    again.run.taken(now);
    if (!again.run.over || !again.armed) return;
    this.history.clear();
    if (this.holds(again.run)) this.settle(now);
    else this.onceMore(Math.max(now, this.lateUntil));
  }

  #armedEnded(now, op, error) {
    if (error !== null) {
      const limit = this.gate.cause === 'emergency' ? FAILING_EMERGENCY_S : FAILING_S;
      if (this.run.failed(now, op.began) >= limit) {
        this.hopeless = error;
        this.letGoAt = now;
      }
      return;
    }
    this.run.taken(now);
    if (this.run.over) this.stopTaken(now, this.run.began ?? now);
  }

  #letGoEnded(now, op, error) {
    const stopping = this.gate.state === STOPPING;
    const gone = error === null || error.code === 'gone';
    if (!gone && stopping && this.endsAt === null) {
      this.#notEvenLetGo(now, error);
      return;
    }
    if (stopping && (this.gate.settled || !this.armed.stop?.length) && gone) {
      this.stopTaken(now, this.lateUntil);
    } else if (stopping) {
      const first = this.hopeless ?? refused('timeout', 'there was no time left');
      this.tell(refused(first.code, `it did not take its stop and was let go: ${first.text}`));
    }
    this.#finish(this.endsAt === null ? op.why : 'the relay ended');
  }

  #notEvenLetGo(now, error) {
    const first = this.hopeless ?? error;
    this.letGoAt = now + Math.min(RETRY_FIRST_S * 2 ** Math.min(this.letGoFailures, 16), RETRY_MOST_S);
    this.letGoFailures++;
    this.hopeless = null;
    if (!this.complained) {
      this.complained = true;
      this.act({ do: 'note', event: 'stop failed', cause: this.gate.cause, text: first.text });
      this.notStopped(this.gate.cause, first.text);
    }
    this.tell(first);
  }

  // --- the end -----------------------------------------------------------------------------------

  endNow(now) {
    if (this.over !== null) return;
    if (this.op !== null && this.op.kind !== LET_GO) this.ended(now, { cut: true });
    this.op = null;
    this.endsAt = now + LAST_STOP_S;
    this.letGoAt = now;
    this.struck(now, 'shutdown');
  }

  // It went away by itself.
  went(reason) {
    if (this.over !== null) return;
    if (this.gate.state === STOPPING) {
      if (this.armed.stop?.length) {
        this.notStopped(this.gate.cause, reason);
        this.tell(refused('gone', reason));
      } else {
        this.stopped(this.gate.cause);
        this.tell(null);
      }
    }
    this.#finish(reason);
  }

  // Nothing more will happen: answer everybody who still waits.
  #finish(reason) {
    this.over = reason;
    const mayRun = this.gate.handedAt !== null;
    if (this.op !== null && this.op.id !== null && this.op.link === this.link) this.fail(this.op.id, 'gone', reason);
    this.op = null;
    for (const id of [...this.slots.dropAll(), ...this.timed.drop(), ...this.stops.drop()]) this.fail(id, 'gone', reason);
    this.tell(refused('gone', reason));
    for (const id of this.farewells.splice(0)) this.done(id);
    if (!this.leaving) this.say({ t: 'Disconnected', p: this.p, text: reason.slice(0, 512) });
    this.act({ do: 'over', reason, owes: mayRun && Boolean(this.armed.stop?.length || this.owed) });
  }

  // Answer the link that asked, unless another one has taken its place in the meantime.
  #answer(op, error, { superseded = false, value } = {}) {
    if (op.id === null || op.link !== this.link) return;
    if (error !== null) this.fail(op.id, error.code, error.text);
    else if (value !== undefined) this.say({ t: 'Value', id: op.id, d: value });
    else this.done(op.id, superseded);
  }
}
