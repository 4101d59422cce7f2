"""The pages that are carried out, and on which machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.pages.booted import with_systemd
from tests.pages.places import Places, far_apart, one_house, with_broker

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`places`: as the page calls the machines. `extra`: of the package, which it installs."""

    name: str
    page: str
    places: tuple[str, ...]
    world: Callable[[Path, Sequence[str]], AbstractContextManager[Places]] = one_house
    extra: str = ""

    @property
    def way(self) -> str:
        """As the table calls it: by its page."""
        return f"{self.name}: {self.page}"

    @property
    def path(self) -> Path:
        return ROOT / self.page


SCENARIOS = (
    Scenario("try it", "README.md", ("desk",)),
    Scenario("the phone is the radio", "docs/phone.md", ("desk",)),
    Scenario("the next room", "docs/next-room.md", ("desk", "room")),
    Scenario("away", "docs/away.md", ("ann", "bo", "host"), far_apart),
    Scenario("a service", "deploy/README.md", ("machine", "desk"), with_systemd),
    Scenario("Home Assistant", "docs/home-assistant.md", ("desk",), with_broker, "mqtt"),
    Scenario("Windows 7", "docs/windows7.md", ("hub", "win7")),
)
