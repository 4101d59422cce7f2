"""What a hub that was killed has left running is stopped before the next one is even loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.commands.program.left_behind import stop_left_behind
from forwarder.config import Config
from forwarder.errors import ConfigError
from forwarder.state_lock import StateLock
from relay.agent import Agent
from relay.config import AgentConfig, remembering
from relay.debts.records import Records
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from tests.relay.test_owing import OFF, crash


class Radios:
    """Makes the agent of the only radio, and remembers that it was asked for one."""

    def __init__(self) -> None:
        self.radio = SimulatedRadio(toys_by_name("Aneros Vivi"))
        self.asked = 0

    def __call__(self, config: Config) -> list[Agent]:
        self.asked += 1
        return [Agent(self.radio, remembering(AgentConfig("desk"), config.radio_state))]


def left(state: Path) -> Config:
    config = Config(state=state)
    crash(config.radio_state)
    return config


def test_it_is_stopped_released_and_forgotten(tmp_path: Path) -> None:
    config, radios = left(tmp_path), Radios()
    stop_left_behind(config, agents=radios)
    (toy,) = radios.radio.toys
    assert [each.data for each in toy.record if each.data] == [OFF, OFF]
    assert not toy.connected
    assert Records(config.radio_state / "devices").load() == []


def test_where_nothing_was_left_no_radio_is_touched(tmp_path: Path) -> None:
    radios = Radios()
    stop_left_behind(Config(state=tmp_path), agents=radios)
    assert radios.asked == 0


def test_what_another_living_hub_has_is_left_to_that_one(tmp_path: Path) -> None:
    config, radios = left(tmp_path), Radios()
    other = StateLock(tmp_path)
    with pytest.raises(ConfigError):
        stop_left_behind(config, agents=radios)
    other.release()
    assert radios.asked == 0


def test_the_hub_has_the_folder_afterwards(tmp_path: Path) -> None:
    stop_left_behind(left(tmp_path), agents=Radios())
    StateLock(tmp_path).release()
