"""Test drives while a radio is slow: a flood is thinned out, and an off never is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from forwarder.access.admission import Admitted, HttpVisitor
from forwarder.api.access import Access
from forwarder.api.bounds import UNDER_WAY
from forwarder.api.controllers import Controller
from forwarder.api.dashboard.session import DashboardSession
from forwarder.api.dashboard.stream import Drive, Watch
from forwarder.api.documents.model import OutputBody
from forwarder.api.services import ApiServices
from forwarder.buttplug.messages import OutputType
from forwarder.devices.driver import Outcome
from relay.link.channel import channel_pair


class Slow:
    """Takes values, and answers none."""

    def __init__(self) -> None:
        self.steps: list[int | None] = []

    def output(self, device_index: int, body: OutputBody) -> tuple[list[int], list[Outcome]]:
        self.steps.append(body.steps)
        return [0], [Outcome()]


async def test_an_off_is_taken_however_many_values_are_under_way() -> None:
    channel, _ = channel_pair()
    visitor = HttpVisitor("127.0.0.1", "localhost")
    session = DashboardSession(
        channel,
        cast("ApiServices", SimpleNamespace(hub=None)),
        cast("Watch", None),
        cast("Access", None),
        Admitted(visitor),
    )
    driver = Slow()
    for steps in (*range(1, 2 * UNDER_WAY), 0):
        said = Drive(device=0, feature=0, type=OutputType.VIBRATE, steps=steps)
        session._drive(cast("Controller", driver), said)
    assert driver.steps == [*range(1, UNDER_WAY + 1), 0]
