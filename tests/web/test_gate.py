"""The page's gate and queue against the Python relay's: the same events, the same decisions."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from relay.errors import GateShut
from relay.gate import STALL_S, TRANSITIONS, Block, Gate, State
from relay.link.messages import Counter, KeepAlive, Packet, Read, StopCause, Write
from relay.repeat import Written
from relay.slots import Congested, Request, Slots
from tests.doubles.chromium import Page

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

_EVENTS = {
    "arm": "arm",
    "lease": "lease",
    "cause": "cause",
    "asked": "asked",
    "stop written": "written",
    "stop failed": "failed",
}


async def test_the_table_is_the_python_relays(modules: Page) -> None:
    table = await modules.evaluate("modules.TRANSITIONS")
    flat = {(state, event): after for state, row in table.items() for event, after in row.items()}
    assert flat == {
        (state.value, _EVENTS[event.value]): after.value
        for (state, event), after in TRANSITIONS.items()
    }
    assert await modules.evaluate("modules.STALL_S") == STALL_S


# What happens often stands here more than once.
GATE_CALLS = (
    *("arm", "arm", "lease", "lease", "admit", "admit", "wrote", "wrote", "strike"),
    *("written", "written", "failed", "tick", "passes", "block", "seen"),
)


def _gate_script(rng: random.Random) -> list[list[Any]]:
    script: list[list[Any]] = []
    now = 100.0
    for _ in range(60):
        now += rng.choice((0.0, 0.01, 0.3, 0.6, 0.95, 2.0, 11.0))
        call = rng.choice(GATE_CALLS)
        argument: Any = None
        match call:
            case "lease":
                argument = rng.choice((0.0, 0.3, 0.9, 5.0, 60.0))
            case "admit" | "wrote":
                argument = rng.random() < 0.3
            case "strike":
                argument = rng.choice((None, "link", "pause", "radio"))
            case "block":
                argument = rng.choice((None, None, "pause", "emergency", "shutdown"))
            case "seen":
                argument = rng.randrange(3)
        script.append([call, round(now, 3), argument])
    return script


def _play_gate(script: list[list[Any]], max_run_s: float) -> list[list[Any]]:
    block = Block()
    gate = Gate(block, max_run_s=max_run_s)
    told: list[list[Any]] = []
    for call, now, argument in script:
        said: Any = None
        try:
            match call:
                case "arm":
                    gate.arm(now)
                case "seen":
                    gate.arm(now, argument)
                case "lease":
                    gate.lease(now, argument)
                case "admit":
                    gate.admit(now, rest=argument)
                case "wrote":
                    gate.wrote(now, rest=argument)
                case "strike":
                    said = gate.strike(now, None if argument is None else StopCause(argument))
                case "written":
                    gate.stop_written()
                case "failed":
                    said = gate.stop_failed(now)
                case "tick":
                    said = gate.tick(now)
                case "passes":
                    said = gate.passes(now)
                case "block":
                    block.cause = None if argument is None else StopCause(argument)
        except GateShut as error:
            said = str(error)
        deadline = gate.deadline
        told.append(
            [
                said,
                gate.state.value,
                gate.cause,
                gate.stops,
                _rounded(gate.stop_due),
                _rounded(deadline),
                gate.running,
            ]
        )
    return told


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


_GATE = """const play = ([script, maxRunS]) => {
    const block = new modules.Block(), gate = new modules.Gate(block, { maxRunS });
    const rounded = value => value === null ? null : Math.round(value * 1e6) / 1e6;
    return script.map(([call, now, argument]) => {
        let said = null;
        try {
            switch (call) {
                case 'arm': gate.arm(now); break;
                case 'seen': gate.arm(now, argument); break;
                case 'lease': gate.lease(now, argument); break;
                case 'admit': gate.admit(now, argument); break;
                case 'wrote': gate.wrote(now, argument); break;
                case 'strike': said = gate.strike(now, argument); break;
                case 'written': gate.stopWritten(); break;
                case 'failed': said = gate.stopFailed(now); break;
                case 'tick': said = gate.tick(now); break;
                case 'passes': said = gate.passes(now); break;
                case 'block': block.cause = argument; break;
            }
        } catch (error) {
            if (!(error instanceof modules.GateShut)) throw error;
            said = error.message;
        }
        return [said, gate.state, gate.cause, gate.stops, rounded(gate.stopDue),
            rounded(gate.deadline), gate.running];
    });
};"""


async def test_random_lives_of_a_gate_are_the_same_here_and_there(modules: Page) -> None:
    rng = random.Random(4)
    scripts = [(_gate_script(rng), rng.choice((0, 0, 0.5))) for _ in range(300)]
    pages = await modules.evaluate(
        f"(() => {{ {_GATE} return {json.dumps(scripts)}.map(play); }})()"
    )
    seen = set()
    for (script, max_run_s), page in zip(scripts, pages, strict=True):
        python = _play_gate(script, max_run_s)
        for step, here, there in zip(script, page, python, strict=True):
            assert here == there, step
        seen |= {step[1] for step in python}
        seen |= {step[2] for step in python}
    assert {state.value for state in State} <= seen
    assert {"lease", "stall", "run_time", "link", "pause", "radio"} <= seen, "the scripts are tame"


# --- slots -------------------------------------------------------------------------------------


def _queue_script(rng: random.Random) -> list[list[Any]]:
    script: list[list[Any]] = []
    now = 5.0
    for id in range(1, 81):
        now += rng.choice((0.0, 0.0, 0.001, 0.02, 0.2))
        call = rng.choice(
            ("output",) * 8 + ("request", "repeat", "take", "take", "take", "finish", "finish")
            + ("drop keys", "drop writes", "drop all", "gap")
        )  # fmt: skip
        argument: Any = None
        match call:
            case "output" | "repeat":
                packets = [
                    {
                        "h": 1,
                        "d": [id % 256, n],
                        "k": rng.sample(range(4), rng.choice((0, 1, 1, 2))),
                        "after_ms": rng.choice((0, 0, 0, 50)),
                    }
                    for n in range(rng.choice((1, 1, 2, 3)))
                ]
                argument = [packets, rng.random() < 0.3]
            case "request":
                argument = rng.choice(("Write", "Read"))
            case "finish":
                argument = rng.random() < 0.2
            case "drop keys":
                argument = rng.sample(range(4), 2)
            case "gap":
                argument = rng.choice((0, 0.05))
        script.append([call, round(now, 4), id, argument])
    return script


def _packet(plain: dict[str, Any]) -> Packet:
    return Packet(plain["h"], bytes(plain["d"]), k=tuple(plain["k"]), after_ms=plain["after_ms"])


def _play_queue(script: list[list[Any]]) -> list[Any]:
    slots = Slots()
    busy = False
    told: list[Any] = []
    for call, now, id, argument in script:
        said: Any = None
        match call:
            case "output":
                packets = [_packet(plain) for plain in argument[0]]
                try:
                    said = slots.output(id, packets, now, merge=argument[1])
                except Congested:
                    said = "congested"
            case "repeat":
                slots.repeat([_packet(plain) for plain in argument[0]], now)
            case "request":
                slots.request(Write(id, 1, 1, b"") if argument == "Write" else Read(id, 1, 1))
            case "take" if not busy:
                taken = slots.take(now)
                busy = taken is not None
                if isinstance(taken, Request):
                    said = taken.message.id
                elif taken is not None:
                    slots.wrote(now)
                    said = [taken[0].id, list(taken[1].d)]
            case "finish" if busy:
                said = slots.finished(now, failed=argument)
                busy = False
            case "drop keys":
                said = slots.drop_keys(argument, now)
            case "drop writes":
                said = list(slots.drop_writes())
            case "drop all":
                said = slots.drop_all()
            case "gap":
                slots.gap_s = argument
        told.append([said, len(slots), _rounded(slots.due(now))])
    return told


_QUEUE = """const play = script => {
    const slots = new modules.Slots();
    let busy = false;
    const packet = plain => ({ ...plain, d: Uint8Array.from(plain.d) });
    const rounded = value => value === null ? null : Math.round(value * 1e6) / 1e6;
    return script.map(([call, now, id, argument]) => {
        let said = null;
        switch (call) {
            case 'output':
                try {
                    said = slots.output(id, argument[0].map(packet), now, argument[1]);
                } catch (error) {
                    if (!(error instanceof modules.Congested)) throw error;
                    said = 'congested';
                }
                break;
            case 'repeat': slots.repeat(argument[0].map(packet), now); break;
            case 'request': slots.request({ t: argument, id, p: 1, h: 1 }); break;
            case 'take': if (!busy) {
                const taken = slots.take(now);
                busy = taken !== null;
                if (taken?.message) said = taken.message.id;
                else if (taken) { slots.wrote(now); said = [taken.group.id, [...taken.packet.d]]; }
            } break;
            case 'finish': if (busy) { said = slots.finished(now, argument); busy = false; } break;
            case 'drop keys': said = slots.dropKeys(argument, now); break;
            case 'drop writes': said = Object.values(slots.dropWrites()); break;
            case 'drop all': said = slots.dropAll(); break;
            case 'gap': slots.gapS = argument; break;
        }
        return [said, slots.length, rounded(slots.due(now))];
    });
};"""


async def test_random_queues_give_the_same_order_here_and_there(modules: Page) -> None:
    rng = random.Random(5)
    scripts = [_queue_script(rng) for _ in range(300)]
    pages = await modules.evaluate(
        f"(() => {{ {_QUEUE} return {json.dumps(scripts)}.map(play); }})()"
    )
    for script, page in zip(scripts, pages, strict=True):
        for step, here, there in zip(script, page, _play_queue(script), strict=True):
            assert here == there, step


async def test_a_full_queue_refuses_and_changes_nothing(modules: Page) -> None:
    said = await modules.evaluate(
        """(() => {
            const slots = new modules.Slots();
            const packet = k => ({ h: 1, d: new Uint8Array(1), k });
            for (let n = 0; n < modules.MOST; n++) slots.output(n, [packet([n % 65536])], 0, false);
            const before = slots.length;
            try { slots.output(999, [packet([])], 0, false); return 'taken'; }
            catch (error) { return [error instanceof modules.Congested, slots.length === before,
                slots.output(1000, [packet([3])], 0, false)]; }
        })()"""
    )
    assert said == [True, True, [3]]


# --- what was written --------------------------------------------------------------------------


async def test_running_numbers_and_repetitions_are_the_same_here_and_there(modules: Page) -> None:
    rng = random.Random(6)
    packets = [
        Packet(
            rng.choice((1, 2)),
            rng.randbytes(5),
            k=tuple(rng.sample(range(3), rng.choice((0, 1, 2)))),
            rest=rng.random() < 0.2,
            counter=rng.choice((None, Counter(1), Counter(2, 4), Counter(9))),
        )
        for _ in range(400)
    ]
    keepalives = [KeepAlive(500), KeepAlive(200, only_running=True)]
    written = Written()
    python = []
    for number, packet in enumerate(packets):
        now = number / 8
        data = written.number(packet)
        written.note(packet, now)
        keepalive = keepalives[number % 2]
        due = written.due(keepalive)
        again = written.repetition(keepalive, now) if number % 3 == 0 else ()
        if number % 50 == 49:
            written.stopped(packets[:2], now)
        python.append([list(data), due, [list(one.d) for one in again]])
    plain = [
        {
            "h": packet.h,
            "d": list(packet.d),
            "k": list(packet.k),
            "rest": packet.rest,
            "counter": packet.counter
            and {"at": packet.counter.at, "xor_at": packet.counter.xor_at},
        }
        for packet in packets
    ]
    page = await modules.evaluate(
        f"""(() => {{
            const packets = {json.dumps(plain)}.map(p => ({{ ...p, d: Uint8Array.from(p.d) }}));
            const keepalives = [{{ every_ms: 500 }}, {{ every_ms: 200, only_running: true }}];
            const written = new modules.Written();
            return packets.map((packet, number) => {{
                const now = number / 8;
                const data = written.number(packet);
                written.note(packet, now);
                const keepalive = keepalives[number % 2];
                const due = written.due(keepalive);
                const again = number % 3 === 0 ? written.repetition(keepalive, now) : [];
                if (number % 50 === 49) written.stopped(packets.slice(0, 2), now);
                return [[...data], due, again.map(one => [...one.d])];
            }});
        }})()"""
    )
    assert page == python
