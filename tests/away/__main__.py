"""`python -m tests.away`: direct paths, with everything on the way broken, and a table of figures.

Two homes behind masquerading routers, by whole programs, as in tests/system. The iroh relay is the
program of that name (`cargo install iroh-relay --features server`), on the path or in IROH_RELAY;
without it only the rows that need none are run, and that is said. By plain http, and as a public
one: with a certificate, and telling each end its public address (`tests.away.believed`).
`python -m tests.away LETTER...` runs some of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import _pytest.outcomes

from tests.away.believed import believed
from tests.doubles.chromium import find_chromium
from tests.system.homes import MEETING, Elsewhere, Homes, two_homes
from tests.system.processes import Trace
from tests.system.test_away import OFF_MS, ON, TOY, Couple, paired

PORT, RELAY_PORT = 12349, 3340
OTHER_ROUTER = "203.0.113.12:"
AT = f"203.0.113.11:{PORT}"
# What a frozen iroh relay kept, it delivers within this (4.8 s were seen).
LATE_S = 8.0

Row = tuple[str, bool, str]
Scene = Callable[[Couple], Awaitable[list[Row]]]


class IrohRelay(Elsewhere):
    """A program that is not ours, outside."""

    def __init__(self, homes: Homes, program: str, *words: str) -> None:
        super().__init__(homes.outside, "", list(words), homes.folder, "iroh-relay", {})
        self._program = program

    async def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", self._where, self._program, *self._arguments,
                stdout=output, stderr=output, stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        self._started = True
        await asyncio.sleep(0.5)


@asynccontextmanager
async def couple(homes: Homes, relay: IrohRelay | None, *options: str) -> AsyncIterator[Couple]:
    """A hub and a relay that were paired for elsewhere, and an app that drives the toy."""
    folder = homes.folder
    hub = homes.at(
        homes.hub, "hub", "forwarder", "--log", "info", "run", *options,
        "--state", str(folder / "hub"),
    )  # fmt: skip
    agent = homes.at(
        homes.relay, "relay", "relay", "run", "--simulate", TOY,
        "--state", str(folder / "relay"), "--trace", str(folder / "trace.jsonl"),
    )  # fmt: skip
    app = homes.at(homes.hub, "app", "tests.system.away_app", "ws://127.0.0.1:12345")
    trace = Trace(folder / "trace.jsonl")
    try:
        if relay is not None:
            await relay.start()
        await hub.start()
        await hub.until_said("relays may come by this hub's key")
        await paired(homes, "--away")
        await agent.start()
        await hub.until_said(" connected (")
        await app.start()
        await app.until_said("driven")
        pair = Couple(homes, relay or hub, hub, agent, app, trace)
        await pair.on()
        await asyncio.sleep(0.6)  # so that the lease has been renewed
        yield pair
    finally:
        for program in (app, agent, hub, *([] if relay is None else [relay])):
            if hasattr(program, "process"):
                await program.end()


async def path_of(pair: Couple) -> tuple[str, str, float]:
    """What the hub says carries the relay: kind, where, and the round trip (ms)."""
    homes = pair.homes
    asking = homes.at(
        homes.hub, f"status-{time.monotonic_ns()}", "forwarder", "status", "--json",
        "--state", str(homes.folder / "hub"),
    )  # fmt: skip
    await asking.start()
    assert await asking.wait(20) == 0, asking.text
    (relay,) = json.loads(asking.text)["relays"]
    return relay["path"]["kind"], relay["path"]["where"], relay["round_trip_ms"]


async def carried(pair: Couple, kind: str) -> tuple[str, str, float]:
    """What carries the relay, once that is `kind`, or after a while whatever it is."""
    found = await path_of(pair)
    for _ in range(10):
        await asyncio.sleep(2)  # the round trip is a running mean
        found = await path_of(pair)
        if found[0] == kind:
            break
    return found


async def becomes(pair: Couple, kind: str) -> Row:
    found, where, trip = await carried(pair, kind)
    return f"carried: {kind}", found == kind, f"{found} by {where}, round trip {trip:.1f} ms"


async def off_row(pair: Couple, what: str, since: int) -> Row:
    took = await pair.off_ms(since)
    return what, took <= OFF_MS, f"off after {took:.0f} ms"


async def back_row(pair: Couple, since: int) -> Row:
    await pair.on_again(since)
    return "  mended", True, f"driven again after {(time.monotonic_ns() - since) / 1e9:.1f} s"


async def cable(pair: Couple) -> list[Row]:
    router = pair.homes.relay.replace("hb-", "rb-")
    since = time.monotonic_ns()
    pair.homes.cut(router, "down")
    rows = [await off_row(pair, "cable of the relay's home cut", since)]
    await asyncio.sleep(1)
    since = time.monotonic_ns()
    pair.homes.cut(router, "up")
    return [*rows, await back_row(pair, since)]


async def directly(pair: Couple) -> list[Row]:
    return [await becomes(pair, "direct"), *await cable(pair)]


async def punched(pair: Couple) -> list[Row]:
    """Carried straight from router to router, each of which lets nobody in."""
    kind, where, trip = await carried(pair, "direct")
    good = kind == "direct" and where.startswith(OTHER_ROUTER)
    rows = [("carried: direct", good, f"{kind} by {where}, round trip {trip:.1f} ms")]
    rows += await cable(pair)
    rows.append(await becomes(pair, "direct"))
    return [*rows, await goes_on(pair)]


async def not_punched(pair: Couple) -> list[Row]:
    return [await becomes(pair, "relayed")]


async def relayed(pair: Couple) -> list[Row]:
    rows = [await becomes(pair, "relayed"), *await cable(pair)]
    since = pair.meet.send(signal.SIGKILL)
    rows.append(await off_row(pair, "iroh relay killed", since))
    await pair.meet.wait()
    since = time.monotonic_ns()
    await pair.meet.start()
    rows.append(await back_row(pair, since))
    since = pair.meet.send(signal.SIGSTOP)
    rows.append(await off_row(pair, "iroh relay frozen", since))
    # Nobody drives any more; whatever it kept comes now.
    pair.app.send(signal.SIGTERM)
    await pair.app.wait(10)
    thawed = pair.meet.send(signal.SIGCONT)
    await asyncio.sleep(LATE_S)
    late = [line for line in pair.trace.lines() if line.t_ns > thawed and line.data == ON]
    rows.append(("  thawed, and nobody drives", not late, f"{len(late)} values came late"))
    return rows


async def upgraded(pair: Couple) -> list[Row]:
    return [await becomes(pair, "direct"), await goes_on(pair)]


async def goes_on(pair: Couple) -> Row:
    since = pair.meet.send(signal.SIGKILL)
    await asyncio.sleep(6)
    off = pair._off(since)
    return "iroh relay killed", off is None, "goes on" if off is None else "was stopped"


def closed(homes: Homes) -> list[str]:
    """Nothing is let in; an iroh relay by plain http, which tells nobody where they come from."""
    return ["--dev"]


def let_in(homes: Homes) -> list[str]:
    """The hub's router leads its port to it."""
    homes.lets_in(PORT)
    return closed(homes)


def told(homes: Homes) -> list[str]:
    """Nothing is let in; the iroh relay tells both ends their public addresses."""
    made = believed(homes.folder, MEETING)
    homes.environment["PYTHONPATH"] = str(made.path)
    return ["--config-path", str(made.settings)]


def told_in_vain(homes: Homes) -> list[str]:
    """The same, and one router has another port for each that is talked to."""
    homes.changes_ports()
    return told(homes)


async def scene(
    folder: Path,
    title: str,
    prepare: Callable[[Homes], list[str]],
    program: str | None,
    options: list[str],
    play: Scene,
) -> bool:
    """`prepare` returns the words for the iroh relay, where there is one."""
    print(title)
    with two_homes(folder) as homes:
        words = prepare(homes)
        relay = None if program is None else IrohRelay(homes, program, *words)
        try:
            async with couple(homes, relay, *options) as pair:
                rows = await play(pair)
        except (AssertionError, TimeoutError) as error:
            rows = [("broken off", False, str(error)[:300])]
    return shown(rows)


async def guest(folder: Path) -> bool:
    """The remote page in Chromium by a meeting point: toy and hub in one home, guest in another."""
    print("a guest's browser behind a closed router, a meeting point outside")
    rows: list[Row] = []
    with two_homes(folder) as homes:
        trace = Trace(folder / "trace.jsonl")
        state = ["--state", str(folder / "hub")]
        meet = homes.meeting_point()
        hub = homes.at(
            homes.hub, "hub", "forwarder", "--log", "info", "run", "--meet", f"wss://{MEETING}",
            "--simulate", TOY, "--trace", str(trace.path), *state,
        )  # fmt: skip
        app = homes.at(homes.hub, "app", "tests.system.away_app", "ws://127.0.0.1:12345")
        share = homes.at(
            homes.hub, "share", "forwarder", "share", "new", "Marie", "--no-ask", *state
        )
        browser: Elsewhere | None = None
        try:
            await meet.start()
            await meet.until_said("Meeting point at")
            await hub.start()
            await hub.until_said("registered at")
            await app.start()
            await app.until_said("driven")  # the toy is here, and nobody drives it any more
            await app.end()
            await share.start()
            assert await share.wait(20) == 0, share.text
            browser = homes.at(homes.relay, "guest", "tests.away.guest", share.text.splitlines()[0])
            await browser.start()
            await browser.until_said("loaded")
            tapped = time.monotonic_ns()
            await browser.until_said("driven")
            pair = Couple(homes, meet, hub, hub, browser, trace)
            await pair.on_again(tapped)
            first = next(x for x in trace.lines() if x.t_ns > tapped and x.data == ON)
            took = (first.t_ns - tapped) / 1e6
            rows.append(("remote page, in Chromium", took < 2000, f"tap to toy {took:.0f} ms"))
            rows.append(await off_row(pair, "meeting point killed", meet.send(signal.SIGKILL)))
        except (AssertionError, TimeoutError) as error:
            rows.append(("broken off", False, str(error)[:300]))
        finally:
            for program in (browser, app, hub, meet):
                if program is not None and hasattr(program, "process"):
                    await program.end()
    return shown(rows)


async def phone(folder: Path) -> bool:
    """The phone's page in Chromium by a meeting point: apps and hub in one home, toy in another."""
    print("a phone's page behind a closed router, a meeting point outside")
    rows: list[Row] = []
    with two_homes(folder) as homes:
        state = ["--state", str(folder / "hub")]
        meet = homes.meeting_point()
        hub = homes.at(
            homes.hub, "hub", "forwarder", "--log", "info", "run", "--meet", f"wss://{MEETING}",
            *state,
        )  # fmt: skip
        code = homes.at(homes.hub, "pair", "forwarder", "pair", "--away", "--no-wait", *state)
        app = homes.at(homes.hub, "app", "tests.system.away_app", "ws://127.0.0.1:12345")
        page: Elsewhere | None = None
        try:
            await meet.start()
            await meet.until_said("Meeting point at")
            await hub.start()
            await hub.until_said("registered at")
            await code.start()
            assert await code.wait(20) == 0, code.text
            (url,) = re.findall(rf"^ *(https://{MEETING}/relay/\S+)", code.text, re.MULTILINE)[:1]
            page = homes.at(homes.relay, "phone", "tests.away.phone", url)
            await page.start()
            await page.until_said("lent")
            await app.start()
            await page.until_said("moves")
            rows.append(("phone's page, in Chromium", True, "driven by the official client"))
            await asyncio.sleep(1)
            since = meet.send(signal.SIGKILL)
            await page.until_said("rests")
            took = (int(page.text.split("rests ")[1].split()[0]) - since) / 1e6
            rows.append(("meeting point killed", took <= OFF_MS, f"off after {took:.0f} ms"))
        except (AssertionError, TimeoutError) as error:
            rows.append(("broken off", False, str(error)[:300]))
        finally:
            for program in (page, app, hub, meet):
                if program is not None and hasattr(program, "process"):
                    await program.end()
    return shown(rows)


def shown(rows: list[Row]) -> bool:
    for what, good, text in rows:
        print(f"  {what:34} {'' if good else 'NO  '}{text}", flush=True)
    return all(good for _, good, _ in rows)


def scenes(folder: Path, program: str | None) -> dict[str, Callable[[], Awaitable[bool]]]:
    """What can be run here; what cannot is said."""
    plain, public = f"http://{MEETING}:{RELAY_PORT}", f"https://{MEETING}"
    all_: dict[str, Callable[[], Awaitable[bool]]] = {
        "a": lambda: scene(
            folder / "a", "the hub's router leads UDP to it, no server", let_in, None,
            ["--direct", "--direct-at", AT], directly,
        ),
    }  # fmt: skip
    if program is None:
        print("no iroh relay: cargo install iroh-relay --features server, or IROH_RELAY=PATH")
    else:
        all_ |= {
            "b": lambda: scene(
                folder / "b", "both routers closed, an iroh relay that tells no addresses", closed,
                program, ["--iroh-relay", plain], relayed,
            ),
            "c": lambda: scene(
                folder / "c", "an iroh relay, and a way through", let_in, program,
                ["--iroh-relay", plain, "--direct-at", AT], upgraded,
            ),
            "d": lambda: scene(
                folder / "d", "both routers closed, an iroh relay that tells addresses", told,
                program, ["--iroh-relay", public], punched,
            ),
            "e": lambda: scene(
                folder / "e", "the same, and a router with a port for each peer", told_in_vain,
                program, ["--iroh-relay", public], not_punched,
            ),
        }  # fmt: skip
    if find_chromium() is None:
        print("no guest's browser: chromium is not installed")
    else:
        all_ |= {"f": lambda: guest(folder / "f"), "g": lambda: phone(folder / "g")}
    return all_


async def main(letters: list[str]) -> int:
    program = os.environ.get("IROH_RELAY") or shutil.which("iroh-relay")
    load = os.getloadavg()[0]
    good = True
    with tempfile.TemporaryDirectory(prefix="away") as name:
        for letter, run in scenes(Path(name), program).items():
            if not letters or letter in letters:
                good &= await run()
    print(f"load {load:.1f} at the start; {'PASSED' if good else 'FAILED'}")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except _pytest.outcomes.Skipped as skipped:
        sys.exit(f"cannot be run here: {skipped}")
