from __future__ import annotations

import asyncio
import io
import logging

from relay.agent import Agent
from relay.config import AgentConfig
from relay.link.messages import Debt, Driven, RadioInfo, RadioPart
from relay.wearer.console import RelayConsole, picture
from relay.wearer.status import AgentStatus, PeripheralStatus
from tests.doubles.clock import run_virtual
from tests.doubles.radio import RecordingRadio


def status(**changes: object) -> AgentStatus:
    values: dict[str, object] = {
        "name": "attic", "hub": "desk", "radio": RadioInfo("bleak"), "scanning": False,
        "paused": False, "stopped": False, "peripherals": (), "counters": {},
    }  # fmt: skip
    return AgentStatus(**(values | changes))  # type: ignore[arg-type]  # the test's own dict


def test_the_first_line_says_how_it_is() -> None:
    assert picture(status(), "") == ["attic: linked to desk; ready"]
    assert picture(status(scanning=True), "") == ["attic: linked to desk; scanning"]
    assert picture(status(hub=None), "nobody answers") == ["attic: nobody answers; ready"]
    assert picture(status(hub=None), "") == ["attic: no hub yet; ready"]
    assert "PAUSED" in picture(status(paused=True), "")[0]
    assert "STOPPED" in picture(status(paused=True, stopped=True), "")[0]
    off = picture(status(radio=RadioInfo("bleak", on=False, text="Bluetooth is off.")), "")
    assert off == ["attic: linked to desk; ready; Bluetooth is off."]


def test_each_of_several_radios_has_a_line_of_its_own() -> None:
    parts = (
        RadioPart("bleak", "hci0", False, None, "Bluetooth is off."),
        RadioPart("bleak", "h\x1b"),
    )
    lines = picture(status(radio=RadioInfo("several", "2 radios", parts=parts)), "")
    assert lines[:2] == ["attic: linked to desk; ready", "  radio hci0: off, Bluetooth is off."]
    assert lines[2].startswith("  radio h")
    assert "\x1b" not in lines[2]


def test_what_may_be_running_is_named_with_what_to_do() -> None:
    debts = (Debt("AA:BB", "Hush\x1b[2J", 7), Debt("CC:DD", "", 7200))
    lines = picture(status(debts=debts), "")[1:]
    assert "Hush" in lines[0]
    assert "\x1b" not in lines[0]
    assert "MAY BE RUNNING, lost 7 s ago" in lines[0]
    assert "relay forget AA:BB" in lines[0]
    assert lines[1].startswith("  CC:DD: MAY BE RUNNING, lost 2 h ago")


def test_each_device_says_who_drives_it() -> None:
    driven = Driven(1, "Hush", 0.5, ("Game", "Chat"), 80)
    devices = (
        PeripheralStatus("AA", "open", True, True, driven),
        PeripheralStatus("BB", "open", True, True, None),
        PeripheralStatus("CC", "armed", False, True, None),
        PeripheralStatus("DD", "shut", False, False, None),
        PeripheralStatus("EE", "open", False, True, Driven(2), "LVS-A"),
        PeripheralStatus("FF", "open", True, True, None, "LVS-B", "vibrate 50%"),
    )
    assert picture(status(peripherals=devices), "")[1:] == [
        "  Hush: 50%, driven by Game, Chat, battery 80 %",
        "  BB: running",
        "  CC: ready",
        "  DD: stopped, kept for the hub to come back",
        "  LVS-A: 0%, driven by nobody",
        "  LVS-B: running (simulated: vibrate 50%)",
    ]


def test_names_of_others_cannot_move_the_cursor() -> None:
    driven = Driven(1, "a\x1b[2Jb\n", 0, ("c\x07",))
    devices = (PeripheralStatus("AA", "open", True, True, driven),)
    text = "\n".join(picture(status(hub="h\x1b]0;x\x07", peripherals=devices), ""))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("\n") == 1


class Screen(io.StringIO):
    def __init__(self, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


def show(screen: Screen) -> str:
    """Run a console for a second, with a pause and a log line in the middle."""

    async def main() -> None:
        agent = Agent(RecordingRadio(), AgentConfig("attic"))
        console = RelayConsole(screen)
        task = asyncio.create_task(console.run(agent, lambda: ""))
        await asyncio.sleep(0.6)
        console.emit(logging.LogRecord("x", logging.INFO, "", 0, "it\x1b said", (), None))
        agent.will.pause()
        await asyncio.sleep(0.6)
        task.cancel()

    run_virtual(main())
    return screen.getvalue()


def test_a_log_gets_plain_lines_when_something_changes() -> None:
    text = show(Screen(tty=False))
    assert "\x1b" not in text
    first, said, paused = text.splitlines()
    assert first == "attic: no hub yet; ready"
    assert "it\ufffd said" in said
    assert "PAUSED" in paused


def test_a_terminal_gets_a_block_that_is_redrawn_below_the_log() -> None:
    text = show(Screen(tty=True))
    assert text.startswith("attic: no hub yet; ready\n\x1b[1F\x1b[J")
    last = text.split("\x1b[J")[-1]
    assert last.startswith("attic: no hub yet; PAUSED")
    assert text.count("said") == 1


def test_a_terminal_that_goes_away_is_no_reason_to_stop() -> None:
    gone = Screen(tty=True)
    console = RelayConsole(gone)
    gone.close()
    console.emit(logging.LogRecord("x", logging.INFO, "", 0, "said", (), None))
