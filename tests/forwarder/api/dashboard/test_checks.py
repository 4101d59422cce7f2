"""One look at a time, and not again at once; and the whole of it, by the API of a hub."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from forwarder.api.access import LOCAL, Call, Caller
from forwarder.api.bounds import FRESH_S
from forwarder.api.dashboard.checks import CheckActions
from forwarder.api.documents.checks import ChecksView
from forwarder.checks.running import HubReport
from forwarder.config import Config
from relay.checks.findings import Finding, Mark
from tests.doubles.running_hub import running_hub
from tests.forwarder.checks.test_running import STATUS

CALL = Call(Caller(LOCAL, "a program"), {}, {})


class Looks:
    """Counts, and notices who looks beside another."""

    def __init__(self) -> None:
        self.now = 100.0
        self.count = 0

    def look(self, config: Config, report: HubReport) -> list[Finding]:
        self.count += 1
        return [Finding(Mark.BAD, f"Look {self.count}.", "test")]

    def actions(self) -> CheckActions:
        async def report(call: Call) -> HubReport:
            return HubReport(STATUS)

        return CheckActions(Config(), report, self.look, lambda: self.now)


async def test_those_who_ask_together_get_one_look() -> None:
    looks = Looks()
    actions = looks.actions()
    views = await asyncio.gather(*(actions.checks(CALL) for _ in range(20)))
    assert looks.count == 1
    assert {view.findings[0].text for view in views} == {"Look 1."}
    assert views[0].findings[0].about == "test"
    assert views[0].findings[0].mark == "bad"


async def test_who_asks_later_gets_a_new_look_and_its_age_until_then() -> None:
    looks = Looks()
    actions = looks.actions()
    await actions.checks(CALL)
    looks.now += FRESH_S / 2
    assert (await actions.checks(CALL)).age_s == FRESH_S / 2
    looks.now += FRESH_S / 2
    assert (await actions.checks(CALL)).findings[0].text == "Look 2."


async def test_a_look_that_was_given_up_does_not_keep_others_waiting() -> None:
    looks = Looks()
    actions = looks.actions()
    first = asyncio.create_task(actions.checks(CALL))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert (await actions.checks(CALL)).findings


async def test_a_hub_finds_what_is_wrong_with_its_folder(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        key = tmp_path / "hub.key"
        key.chmod(0o644)
        status, answer = await hub.ask("GET", "/checks", token="")
        assert status == 200
        view = msgspec.convert(answer, ChecksView)
        key.chmod(0o600)
    bad = [finding for finding in view.findings if finding.mark == "bad"]
    assert [finding.about for finding in bad] == ["state folder"]
    assert "chmod 600" in bad[0].text
    assert any("A hub runs" in finding.text for finding in view.findings)
