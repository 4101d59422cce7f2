"""The state table: each cell is played, and the texts that others write relays from have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.link.messages import (
    Done,
    ErrorCode,
    Failed,
    Read,
    StopCause,
    Stopped,
    Subscribe,
    Unsubscribe,
    Value,
    Write,
)
from relay.peripheral import gate, machine
from relay.peripheral.gate import GateState
from tests.relay.peripheral.bench import Bench, failing, on

ROOT = Path(__file__).resolve().parents[3]


def _table() -> list[list[str]]:
    lines = [line for line in (machine.__doc__ or "").splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not row[0].startswith("-")]


HEAD, *ROWS = _table()
CELLS = [
    (row[0], GateState[state], cell)
    for row in ROWS
    for state, cell in zip(HEAD[1:], row[1:], strict=True)
    if cell
]


def bench_in(state: GateState) -> Bench:
    """A toy that has just been driven and is in this state; its radio is at rest."""
    it = Bench()
    it.open()
    it.output(on())
    it.wait(0.01)
    match state:
        case GateState.SHUT | GateState.ARMED:
            it.trigger_stop(StopCause.LEASE)
            it.wait(0.01)
            # As if something were still on its way: what was stopped is not stopped for sure.
            it.machine.gate.settled = False
            if state is GateState.ARMED:
                it.arm()
        case GateState.STOPPING:
            it.result = failing()
            it.trigger_stop(StopCause.LEASE)
            it.wait(0.01)
    assert it.machine.gate.state is state
    it.said.clear()
    it.did.clear()
    return it


def _refused(it: Bench, id: int) -> None:
    answer = it.answer(id)
    assert isinstance(answer, Failed)
    assert answer.code is ErrorCode.GATE
    assert not it.did


@pytest.mark.parametrize(("event", "state", "cell"), CELLS)
def test_each_cell_of_the_table_is_true(event: str, state: GateState, cell: str) -> None:
    it = bench_in(state)
    id = 0
    match event:
        case "Arm, newest `seen`":
            id = it.arm()
        case "Arm, any other":
            for seen in (None, it.machine.gate.n + 1):
                _refused(it, it.arm(seen=seen))
            id = it.arm(seen=None)
        case "Beat with a lease for it":
            it.lease()
        case "Output, Write":
            id, write = it.output(on()), it.id()
            it.do(it.machine.request(it.now, Write(write, 7, 1, b"w")))
            if cell == "refused":
                _refused(it, write)
        case "Stop, newest `seen`":
            id = it.stop(on(b"stop"))
        case "Stop, any other":
            id = it.stop(on(b"stop"), seen=None)
        case "a cause":
            it.trigger_stop(StopCause.RADIO)
        case "the armed stop was taken":
            it.result = Bench().result
            it.wait(0.1)
        case "a packet of it was not taken":
            it.wait(0.06)
        case "Read, Subscribe, Unsubscribe":
            for make in (Read, Subscribe, Unsubscribe):
                id = it.id()
                it.do(it.machine.request(it.now, make(id, 7, 1)))
        case _:
            pytest.fail(f"no test for {event}")
    now = it.machine.gate.state
    match cell:
        case "ARMED" | "OPEN" | "SHUT":
            assert now is GateState[cell]
        case "–":
            assert now is state
        case "refused":
            assert now is state
            _refused(it, id)
        case "passes":
            assert now is state
            it.wait(0.01)
            assert isinstance(it.answer(id), Done | Value)
            assert it.wrote[0] in (b"on", b"stop", b"read")
        case "STOPPING":
            assert now is GateState.STOPPING
            assert it.wrote == [b"off"]
        case "STOPPING, goes on" | "STOPPING, again":
            assert now is GateState.STOPPING
            it.wait(0.06)
            assert it.wrote[0] == b"off"
        case "joins it":
            assert it.answer(id) is None
            it.result = Bench().result
            it.wait(0.1)
            assert it.answer(id) == Done(id)
            assert set(it.wrote) == {b"off"}
        case "waits":
            assert it.answer(id) is None
            it.result = Bench().result
            it.wait(0.1)
            assert it.wrote == [b"off", b"read", b"subscribe", b"unsubscribe"]
        case _:
            pytest.fail(f"no meaning for {cell}")
    if now is GateState.SHUT and cell == "SHUT":
        assert it.said == [Stopped(7, StopCause.LEASE, number=1)]


@pytest.mark.parametrize("state", list(GateState))
@pytest.mark.parametrize("cause", [StopCause.PAUSE, StopCause.EMERGENCY, StopCause.SHUTDOWN])
def test_while_the_wearers_stop_holds_nothing_arms_opens_or_passes(
    state: GateState, cause: StopCause
) -> None:
    it = bench_in(state)
    it.block.cause = cause
    it.trigger_stop(cause)
    it.result = Bench().result
    it.wait(0.5)
    it.did.clear()
    refused = [it.arm(), it.output(on())]
    it.lease()
    refused.append(it.output(on()))
    for id in refused:
        _refused(it, id)
    assert it.machine.gate.state is GateState.SHUT
    it.block.cause = None
    it.lease()
    _refused(it, it.output(on()))


@pytest.mark.parametrize("text", ["docs/architecture.md", "relay/link/README.md"])
def test_the_texts_have_this_table(text: str) -> None:
    lines = [line for line in (machine.__doc__ or "").splitlines() if line.startswith("|")]
    assert "\n".join(lines) in (ROOT / text).read_text(encoding="utf-8")


def test_the_gates_own_table_is_the_same() -> None:
    """`gate.TRANSITIONS` is what runs: every cell that names a state is in it, and nothing else."""
    names = {
        gate.GateEvent.ARM: "Arm, newest `seen`",
        gate.GateEvent.LEASE: "Beat with a lease for it",
        gate.GateEvent.ASKED: "Stop, any other",
        gate.GateEvent.CAUSE: "a cause",
        gate.GateEvent.TAKEN: "the armed stop was taken",
    }
    said = {(event, state): cell.split(",")[0] for event, state, cell in CELLS}
    for event, name in names.items():
        for state in GateState:
            after = gate.TRANSITIONS.get((state, event))
            cell = said.get((name, state), "–")
            leads = cell if cell.isupper() else None
            assert leads == (None if after is None else after.name), (name, state)
