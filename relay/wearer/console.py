"""What a person sees of a running relay: a block redrawn in place, or plain lines in a log."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from typing import TextIO

from relay.agent import Agent
from relay.link.messages import Debt, RadioPart
from relay.link.names import neutralise
from relay.terminal import can_draw, time_format
from relay.wearer.bounds import EVERY_S, MOST_LOG
from relay.wearer.shown import guest_line
from relay.wearer.status import AgentStatus, PeripheralStatus

# ECMA-48: up by n lines; erase from here to the end of the screen.
_UP = "\x1b[{}F"
_ERASE = "\x1b[J"


class RelayConsole(logging.Handler):
    """Shows `agent` on `out`, with log lines above the picture. A handler for the root logger."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._tty = can_draw(out)
        self._drawn: list[str] = []
        self._told = ""
        when = time_format(out)
        shape = "%(message)s" if when is None else "%(asctime)s %(message)s"
        self.setFormatter(logging.Formatter(shape, when))

    def emit(self, record: logging.LogRecord) -> None:
        lines = self.format(record).splitlines()
        self._draw(self._drawn, above="\n".join(neutralise(each, MOST_LOG) for each in lines))

    async def run(self, agent: Agent, trouble: Callable[[], str]) -> None:
        """Renew the picture until cancelled; the last one stays."""
        while True:
            lines = picture(agent.status(), trouble())
            if self._tty:
                if lines != self._drawn:
                    self._draw(lines)
            elif lines[0] != self._told:
                self._told = lines[0]
                self._draw([], above=lines[0])
            await asyncio.sleep(EVERY_S)

    def _draw(self, lines: list[str], above: str = "") -> None:
        text = ""
        if self._tty and self._drawn:
            text = _UP.format(len(self._drawn)) + _ERASE
        if above:
            text += above + "\n"
        if self._tty:
            width = shutil.get_terminal_size().columns
            # A line that wraps would make the next redraw start in the wrong place.
            self._drawn = [line[: width - 1] for line in lines]
            text += "".join(line + "\n" for line in self._drawn)
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            # The terminal has gone away, or was closed: nobody looks, and nothing else is wrong.
            self._tty, self._drawn = False, []


# What the states of a gate mean to a person.
_WORDS = {"shut": "stopped", "armed": "ready", "open": "ready"}


def picture(status: AgentStatus, trouble: str) -> list[str]:
    """Return the lines of the block: first the relay, then each of its devices."""
    if status.stopped:
        will = "STOPPED, `relay resume` lets things run again"
    elif status.paused:
        will = "PAUSED, `relay resume` lets things run again"
    else:
        will = "scanning" if status.scanning else "ready"
    hub = f"linked to {neutralise(status.hub)}" if status.hub else trouble or "no hub yet"
    radio = "" if status.radio.on else f"; {neutralise(status.radio.text) or 'the radio is off'}"
    if status.radio.parts:
        radio = ""
    lines = [f"{neutralise(status.name)}: {hub}; {will}{radio}"]
    lines += [f"  {_part(each)}" for each in status.radio.parts]
    lines += [f"  {_device(each)}" for each in status.peripherals]
    lines += [f"  {guest_line(each)}" for each in status.guests]
    return lines + [f"  {_debt(each)}" for each in status.debts]


def _part(radio: RadioPart) -> str:
    """One line for each of several radios."""
    name = neutralise(radio.name) or neutralise(radio.kind)
    if not radio.on:
        return f"radio {name}: off, {neutralise(radio.text) or 'nobody knows why'}"
    return f"radio {name}: {neutralise(radio.text) or 'on'}"


def _debt(debt: Debt) -> str:
    name = neutralise(debt.name) or debt.address
    return (
        f"{name}: MAY BE RUNNING, lost {_ago(debt.lost_s)} ago; it is looked for, and stopped when"
        f" it is found. If it is off: relay forget {debt.address}"
    )


def _ago(seconds: int) -> str:
    """Roughly: nobody needs the seconds of an hour."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _device(device: PeripheralStatus) -> str:
    """One line; of a simulated toy also what it says itself."""
    toy = f" (simulated: {device.words})" if device.words else ""
    return _state(device) + toy


def _state(device: PeripheralStatus) -> str:
    driven = device.driven
    known = driven.name if driven is not None and driven.name else device.name
    name = neutralise(known) or device.address
    if not device.bound:
        return f"{name}: stopped, kept for the hub to come back"
    if driven is None:
        return f"{name}: {'running' if device.running else _WORDS.get(device.gate, device.gate)}"
    who = ", ".join(neutralise(client) for client in driven.clients) or "nobody"
    battery = "" if driven.battery is None else f", battery {driven.battery} %"
    return f"{name}: {driven.level:.0%}, driven by {who}{battery}"
