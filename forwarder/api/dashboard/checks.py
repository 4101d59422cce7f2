"""Looks for what is in the way of a running hub, as `forwarder doctor` does, for the dashboard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from forwarder.api.access import Call
from forwarder.api.bounds import FRESH_S
from forwarder.api.documents.checks import ChecksView, FindingView, Marked
from forwarder.config import Config
from relay.checks.findings import Finding, Mark, run_checks

if TYPE_CHECKING:
    from forwarder.checks.running import HubReport

_MARKS: dict[Mark, Marked] = {Mark.GOOD: "good", Mark.NOTE: "note", Mark.BAD: "bad"}

LookAround = Callable[[Config, "HubReport"], list[Finding]]


def _look(config: Config, report: HubReport) -> list[Finding]:
    from forwarder.checks.running import running_checks  # loaded by who asks, in its thread

    return list(run_checks(running_checks(config, report)))


class CheckActions:
    """The method is one route's. `report`: what the hub says of itself. One look at a time: files,
    D-Bus and a program are asked, in a thread."""

    def __init__(
        self,
        config: Config,
        report: Callable[[Call], Awaitable[HubReport]],
        look: LookAround = _look,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._report = report
        self._look = look
        self._clock = clock
        self._one = asyncio.Lock()
        self._found: tuple[float, tuple[FindingView, ...]] | None = None

    async def checks(self, call: Call) -> ChecksView:
        async with self._one:
            if self._found is None or self._clock() - self._found[0] >= FRESH_S:
                report = await self._report(call)
                found = await asyncio.to_thread(self._look, self._config, report)
                self._found = self._clock(), tuple(map(_view, found))
            when, views = self._found
            return ChecksView(findings=views, age_s=round(self._clock() - when, 1))


def _view(finding: Finding) -> FindingView:
    # Texts were neutralised when they were collected.
    return FindingView(about=finding.about, mark=_MARKS[finding.mark], text=finding.text)
