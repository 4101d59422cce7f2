"""Two homes, nothing opened, a meeting point: from nothing to a toy, by whole programs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.homes import MEETING, Elsewhere, Homes, two_homes
from tests.system.processes import Line, Trace, until

TOY = "Lovense Edge"
ON, OFF = b"Vibrate1:20;", b"Vibrate1:0;"
OFF_MS = 1_000
# A meeting point that comes back is found within this by both: pauses of 10 s at most each.
BACK_S = 30.0


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    with two_homes(tmp_path / "homes") as made:
        yield made


@dataclass(slots=True)
class Couple:
    """A hub and a relay that have been paired by a link that was passed on, and an app."""

    homes: Homes
    meet: Elsewhere
    hub: Elsewhere
    relay: Elsewhere
    app: Elsewhere
    trace: Trace

    async def on(self) -> Line:
        return await self.trace.until_write(ON)

    async def off_ms(self, since_ns: int) -> float:
        """From `since_ns` to the write that stopped the toy."""
        await until(lambda: self._off(since_ns) is not None, "the toy is off", 10)
        line = self._off(since_ns)
        assert line is not None
        return (line.t_ns - since_ns) / 1e6

    def _off(self, since_ns: int) -> Line | None:
        lines = (line for line in self.trace.lines() if line.t_ns >= since_ns)
        return next((line for line in lines if line.data == OFF), None)

    async def on_again(self, since_ns: int) -> None:
        def is_on() -> bool:
            return any(line.t_ns > since_ns and line.data == ON for line in self.trace.lines())

        await until(is_on, f"the toy is driven again: {self.relay.text}{self.hub.text}", BACK_S)
        await asyncio.sleep(0.6)  # so that the lease has been renewed


async def paired(homes: Homes, *how: str, page: bool = False) -> None:
    """Pair the relay's home with the hub's, by the first line that `forwarder pair` prints, or by
    the link to the phone's page."""
    state = ["--state", str(homes.folder / "hub")]
    code = homes.at(homes.hub, "pair", "forwarder", "pair", "--no-wait", *how, *state)
    await code.start()
    assert await code.wait(20) == 0, code.text
    link = code.text.splitlines()[0]
    if page:
        link = next(word for word in code.text.split() if word.startswith("https://"))
        assert link.startswith(f"https://{MEETING}/relay/#")
    joining = homes.at(
        homes.relay, "joining", "relay", "pair", link, "--state", str(homes.folder / "relay")
    )
    await joining.start()
    assert await joining.wait(20) == 0, joining.text
    assert "Paired with" in joining.text


@asynccontextmanager
async def couple(homes: Homes, *how: str, page: bool = False) -> AsyncIterator[Couple]:
    folder = homes.folder
    trace = Trace(folder / "trace.jsonl")
    meet = homes.meeting_point()
    hub = homes.at(
        homes.hub, "hub", "forwarder", "--log", "info", "run", "--lan",
        "--meet", f"wss://{MEETING}", "--state", str(folder / "hub"),
    )  # fmt: skip
    relay = homes.at(
        homes.relay, "relay", "relay", "run", "--simulate", TOY,
        "--state", str(folder / "relay"), "--trace", str(trace.path),
    )  # fmt: skip
    app = homes.at(homes.hub, "app", "tests.system.away_app", "ws://127.0.0.1:12345")
    try:
        await meet.start()
        await meet.until_said("Meeting point at")
        await hub.start()
        await hub.until_said("registered at")
        await paired(homes, *how, page=page)
        await relay.start()
        await hub.until_said(" connected (")
        await app.start()
        await app.until_said("driven")
        yield Couple(homes, meet, hub, relay, app, trace)
    finally:
        for program in (app, relay, hub, meet):
            if hasattr(program, "process"):
                await program.end()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("how", "page"), [(["--away"], False), ([], True)])
async def test_a_toy_in_another_home_is_driven_and_stopped(
    homes: Homes, how: list[str], page: bool
) -> None:
    async with couple(homes, *how, page=page) as pair:
        await pair.on()
        assert "battery 0." in pair.app.text or "battery 1." in pair.app.text
        pair.app.send(signal.SIGTERM)
        await pair.app.until_said("stopped")
        assert pair.trace.writes()[-1] in (OFF, b"Vibrate2:0;")
        for secret in ("192.168.1.7", TOY):
            assert secret not in pair.meet.text


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["killed", "frozen", "ended", "cut"])
async def test_a_meeting_point_that_is_lost_stops_the_toy_and_is_found_again(
    homes: Homes, how: str
) -> None:
    async with couple(homes, "--away") as pair:
        await pair.on()
        await asyncio.sleep(0.6)  # so that the lease has been renewed
        if how == "cut":
            since = time.monotonic_ns()
            homes.cut(homes.relay.replace("hb-", "rb-"), "down")
        else:
            number = {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP, "ended": signal.SIGTERM}
            since = pair.meet.send(number[how])
        took = await pair.off_ms(since)
        print(f"{how}: off after {took:.0f} ms")
        assert took <= OFF_MS
        await asyncio.sleep(2.0)
        lost = time.monotonic_ns()
        if how == "cut":
            homes.cut(homes.relay.replace("hb-", "rb-"), "up")
        elif how == "frozen":
            pair.meet.send(signal.SIGCONT)
        else:
            await pair.meet.wait()
            await pair.meet.start()
        await pair.on_again(lost)


@pytest.mark.timeout(180)
async def test_a_relay_keeps_its_toy_between_home_and_away_and_both_ends_may_get_new_addresses(
    homes: Homes,
) -> None:
    async with couple(homes) as pair:
        await pair.on()
        await asyncio.sleep(0.6)
        away = time.monotonic_ns()
        homes.comes_home()
        assert await pair.off_ms(away) <= OFF_MS
        await pair.on_again(away)
        # At home by the short way, which the meeting point has nothing to do with.
        assert "192.168.2.7)" in pair.hub.text

        moved = time.monotonic_ns()
        homes.readdress(homes.hub, "192.168.1.2", "192.168.1.22")
        assert await pair.off_ms(moved) <= OFF_MS
        await pair.on_again(moved)
        await pair.hub.until_said("its relays are told")
        kept = homes.folder / "relay" / "hub.json"
        await until(lambda: "192.168.1.22" in kept.read_text(), "it is kept")

        left = time.monotonic_ns()
        homes.goes_away()
        assert await pair.off_ms(left) <= OFF_MS
        await pair.on_again(left)
        left = time.monotonic_ns()
        homes.readdress(homes.relay, "192.168.1.7", "192.168.1.77")
        assert await pair.off_ms(left) <= OFF_MS
        await pair.on_again(left)

        # One toy all along, with one index; nobody paired anew.
        assert "other indexes" not in pair.app.text
        assert "no device" not in pair.app.text
