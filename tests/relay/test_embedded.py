from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from relay.agent import Agent
from relay.debts.records import Records
from relay.embedded import embedded_agents, left_behind, settle_left
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.doubles.clock import run_virtual
from tests.relay.test_owing import OFF, config, crash


def test_only_this_machines_bluetooth_remembers_what_a_crash_may_leave(tmp_path: Path) -> None:
    simulated, local = embedded_agents(simulate=["Lovense Hush"], local=True, state=tmp_path)
    assert simulated.config.records is None
    assert simulated.config.locks is None
    assert local.config.records == tmp_path / "devices"
    assert local.config.locks is not None
    (without,) = embedded_agents(local=True)
    assert without.config.records is None


@pytest.mark.parametrize("away", [False, True])
def test_an_agent_runs_only_until_what_was_left_is_stopped_or_its_time_is_over(
    tmp_path: Path, away: bool
) -> None:
    crash(tmp_path)
    assert left_behind(tmp_path)
    radio = SimulatedRadio(toys_by_name("Aneros Vivi"))
    (toy,) = radio.toys
    if away:
        toy.vanish()

    async def main() -> float:
        begun = asyncio.get_running_loop().time()
        await settle_left(Agent(radio, config(tmp_path)), 3.0)
        return asyncio.get_running_loop().time() - begun

    took_s = run_virtual(main())
    if away:
        assert took_s == pytest.approx(3.0, abs=0.1)
        assert Records(tmp_path / "devices").load(), "the next one goes on looking for it"
    else:
        assert took_s < 1.5
        assert OFF in [each.data for each in toy.record]
        assert not toy.connected
        assert not left_behind(tmp_path)


def test_where_nothing_was_left_it_ends_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(0.1):
            await settle_left(Agent(SimulatedRadio(()), config(tmp_path)), 3.0)

    assert not left_behind(tmp_path)
    run_virtual(main())
