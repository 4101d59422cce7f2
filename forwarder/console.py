"""What a person sees at the terminal where the hub runs: what is connected, and what moves."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from forwarder.app import App
from forwarder.hub.device import Device
from relay.link.names import neutralise
from relay.terminal import can_draw

# Often enough to look live, seldom enough to be read and to cost nothing.
REFRESH_S = 0.5
# Of a processor, at most.
MOST_SHARE = 0.05


class HubConsole:
    """Prints the hub's state when it changes: in place on a terminal, else a line per change."""

    def __init__(self, app: App, stream: TextIO | None = None) -> None:
        self._app = app
        self._stream = stream or sys.stdout
        self._live = can_draw(self._stream)
        self._shown: list[str] = []

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            began = time.perf_counter()
            lines = list(self._lines())
            if lines != self._shown:
                self._show(lines)
            # A house of thousands is shown less often: this is for nobody's toy.
            await asyncio.sleep(max(REFRESH_S, (time.perf_counter() - began) / MOST_SHARE))

    def _show(self, lines: list[str]) -> None:
        if self._live and self._shown:
            # Up to where the last block began, and clear to the end of the screen.
            self._stream.write(f"\x1b[{len(self._shown)}F\x1b[J")
        known = set(self._shown)
        news = lines if self._live else [line for line in lines if line not in known]
        for line in news:
            self._stream.write(line + "\n")
        self._stream.flush()
        self._shown = lines

    def _lines(self) -> Iterator[str]:
        app = self._app
        yield f"Buttplug clients   {app.client_url}   ({len(app.hub.clients)} connected)"
        yield f"Relays, dashboard  {app.link_url}"
        for point in app.meetings:
            state = "" if point.registered else f"   ({neutralise(point.trouble)})"
            yield f"Meeting point      {point.origin}{state}"
        if app.direct is not None:
            state = f"   ({neutralise(app.direct.trouble)})" if app.direct.trouble else ""
            yield f"Direct paths       {', '.join(app.direct.relays) or 'by address'}{state}"
        hold = app.hub.hold.state
        if app.hub.hold.holds:
            # Also after a start: it may have been stopped days ago, by somebody else.
            by = f" by {hold.by}" if hold.by else ""
            yield f"Everything is {hold.mode}{by}: `forwarder resume` ends it"
        for client in app.hub.clients:
            # Dashboards and scripts speak no version of the protocol.
            version = "" if client.version is None else f" (v{client.version})"
            yield f"  app     {neutralise(client.name)}{version}"
        for relay in app.relays.relays.values():
            state = "connected" if relay.link is not None else "away, its toys are stopped"
            trip = None if relay.link is None else relay.link.session.round_trip_ms
            # What changes all the time is for a screen; a journal gets what comes and goes.
            shown = f", {trip:.1f} ms" if self._live and trip is not None else ""
            yield f"  relay   {neutralise(relay.name)}: {relay.blocked or state}{shown}"
        for index, device in sorted(app.hub.devices.items()):
            levels = _levels(device) if self._live else "connected"
            yield f"  device  {index} {neutralise(device.shown_name)}: {levels}"


def _levels(device: Device) -> str:
    """The outputs in words: "vibrate 40 %, rotate off"."""
    words = []
    for index, (kind, value, _) in sorted(device.levels.items()):
        highest = device.highest(index, kind)
        share = f"{value / highest:.0%}" if value and highest else "off"
        words.append(f"{kind.value.lower()} {share}")
    return ", ".join(words) or "ready"
