"""The page's machine does exactly what the relay's does: shared transcripts, and random scripts."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from relay.peripheral import limits
from relay.peripheral.gate import TRANSITIONS
from tests.doubles.chromium import Page
from tests.doubles.chromium_hub import PAGE
from tests.relay.peripheral.make_transcripts import VECTORS, line
from tests.relay.peripheral.scripts import Json, random_script

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

# Random scripts besides the kept ones, other ones in each run: the seed stands in the failure.
FRESH = 200

_PLAYER = """
const { Machine, Block } = modules;
const fromHex = text => Uint8Array.from(text.match(/../g) ?? [], two => parseInt(two, 16));
const toHex = data => [...data].map(byte => byte.toString(16).padStart(2, '0')).join('');
const each = (value, change) => Object.fromEntries(Object.entries(value).map(change));
function bytes(value, key) {
    if (Array.isArray(value)) return value.map(item => bytes(item));
    if (value && typeof value === 'object') return each(value, ([k, item]) => [k, bytes(item, k)]);
    return key === 'd' && typeof value === 'string' ? fromHex(value) : value;
}
function plain(value) {
    if (value instanceof Uint8Array) return toHex(value);
    if (Array.isArray(value)) return value.map(plain);
    if (value && typeof value === 'object') return each(value, ([k, item]) => [k, plain(item)]);
    return value;
}
function play(script) {
    const block = new Block();
    const machine = new Machine(block, script.events[0]?.[0] ?? 0, {
        maxRunS: script.max_run_s ?? 0, owes: script.owes ?? false,
        demandsTraffic: script.demands_traffic ?? false });
    const say = (now, said) => {
        const message = bytes(said);
        const own = ['Arm', 'Output', 'Stop', 'Disconnect'].includes(said.t);
        return machine[own ? said.t.toLowerCase() : 'request'](now, message);
    };
    const step = ([now, kind, ...rest]) => {
        switch (kind) {
            case 'say': return say(now, rest[0]);
            case 'block':
                block.cause = rest[0];
                return rest[0] === null ? [] : machine.strike(now, rest[0]);
            case 'switch': block.cause = rest[0]; return [];
            case 'await': return machine.awaitStop(now, rest[0]);
            case 'finished': {
                const [result] = rest;
                return machine.finished(now, 'taken' in result
                    ? { taken: fromHex(result.taken) } : result);
            }
            default: return machine[kind](now, ...rest);
        }
    };
    return script.events.map(event => ({
        actions: plain(step(event)),
        deadline: machine.deadline === Infinity ? null : machine.deadline,
        state: machine.gate.state, may_run: machine.mayRun }));
}
"""
_NAMES = {"limitS": "limit_s", "mayRun": "may_run"}


async def played(page: Page, scripts: list[Json]) -> list[list[Json]]:
    await page.evaluate("import(`/relay/machine.js`).then(all => { Object.assign(modules, all); })")
    bare = [{key: value for key, value in each.items() if key != "transcript"} for each in scripts]
    found: list[list[Json]] = await page.evaluate(
        f"(() => {{ {_PLAYER} return {json.dumps(bare)}.map(play); }})()", timeout=60
    )
    return [[_alike(step) for step in transcript] for transcript in found]


def _alike(step: Json) -> Json:
    """As a transcript writes it: times to a microsecond, a message's defaults absent."""
    deadline = step["deadline"]
    return step | {
        "deadline": None if deadline is None else round(deadline, 6),
        "actions": [_action(action) for action in step["actions"]],
    }


def _action(action: Json) -> Json:
    named: Json = {_NAMES.get(key, key): value for key, value in action.items()}
    message = named.get("message", {})
    for key, default in (("text", ""), ("n", 0)):
        if message.get(key) == default:
            del message[key]
    return named | {key: round(named[key], 6) for key in ("limit_s", "by") if key in named}


def differences(scripts: list[Json], found: list[list[Json]]) -> list[Any]:
    """The first event of each script at which both do not do the same."""
    different = []
    for script, transcript in zip(scripts, found, strict=True):
        pairs = zip(script["events"], script["transcript"], transcript, strict=True)
        first = next((each for each in pairs if each[1] != each[2]), None)
        if first is not None:
            different.append((script["name"], *first))
    return different


@pytest.mark.parametrize("name", ["recorded.jsonl", "random.jsonl"])
async def test_the_shared_transcripts_come_out_exactly(modules: Page, name: str) -> None:
    lines = (VECTORS / name).read_text(encoding="utf-8").splitlines()
    scripts = [json.loads(each) for each in lines]
    assert differences(scripts, await played(modules, scripts)) == []


async def test_random_scripts_come_out_exactly(modules: Page) -> None:
    """`python -m tests.relay.peripheral.make_transcripts --seed N --count M` has more of them."""
    first = random.SystemRandom().randrange(10**9)
    scripts = [json.loads(line(random_script(seed))) for seed in range(first, first + FRESH)]
    found: list[Any] = []
    for at in range(0, FRESH, 40):
        part = scripts[at : at + 40]
        found += differences(part, await played(modules, part))
    assert found == []


async def test_a_transcript_that_is_wrong_is_noticed(modules: Page) -> None:
    script = json.loads((VECTORS / "recorded.jsonl").read_text(encoding="utf-8").splitlines()[0])
    found = await played(modules, [script])
    script["transcript"][-1]["state"] = "open"
    assert len(differences([script], found)) == 1


async def test_times_and_bounds_are_those_of_the_relay() -> None:
    text = (PAGE / "limits.js").read_text(encoding="utf-8")
    theirs = {name: float(value) for name, value in re.findall(r"const (\w+) = ([\d.]+);", text)}
    ours = {name: float(getattr(limits, name)) for name in dir(limits) if name.isupper()}
    assert theirs == ours


async def test_the_table_is_that_of_the_relay(modules: Page) -> None:
    table: dict[str, dict[str, str]] = await modules.evaluate("modules.TRANSITIONS")
    theirs = {
        (state, event): target for state, row in table.items() for event, target in row.items()
    }
    assert theirs == {
        (state.value, event.value): target.value for (state, event), target in TRANSITIONS.items()
    }
