"""Two homes and no server between: a direct path through the routers, by whole programs.

With an iroh relay, and with everything on the way broken: `make away`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.link.direct.pairs import listening
from tests.system.homes import Homes, two_homes
from tests.system.processes import Trace
from tests.system.test_away import OFF, TOY, Couple, paired

PORT = 12349


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    with two_homes(tmp_path / "homes") as made:
        yield made


@pytest.mark.timeout(120)
async def test_a_toy_in_another_home_is_driven_and_stopped_by_a_direct_path(homes: Homes) -> None:
    async with listening():
        pass  # skips where the library is not there
    homes.lets_in(PORT)
    folder = homes.folder
    hub = homes.at(
        homes.hub, "hub", "forwarder", "--log", "info", "run", "--direct",
        "--direct-at", f"203.0.113.11:{PORT}", "--state", str(folder / "hub"),
    )  # fmt: skip
    relay = homes.at(
        homes.relay, "relay", "relay", "run", "--simulate", TOY,
        "--state", str(folder / "relay"), "--trace", str(folder / "trace.jsonl"),
    )  # fmt: skip
    app = homes.at(homes.hub, "app", "tests.system.away_app", "ws://127.0.0.1:12345")
    pair = Couple(homes, hub, hub, relay, app, Trace(folder / "trace.jsonl"))
    try:
        await hub.start()
        await hub.until_said("relays may come by this hub's key")
        await paired(homes, "--away")
        kept = json.loads((folder / "relay" / "hub.json").read_text())["hub"]["urls"]
        assert [url.partition(",")[2] for url in kept] == [f"203.0.113.11:{PORT}"]
        await relay.start()
        await hub.until_said(" connected (")
        assert "203.0.113.12:" in hub.text  # the other router; nobody in between
        await app.start()
        await app.until_said("driven")
        await pair.on()
        app.send(signal.SIGTERM)
        await app.until_said("stopped")
        assert pair.trace.writes()[-1] in (OFF, b"Vibrate2:0;")
    finally:
        for program in (app, relay, hub):
            if hasattr(program, "process"):
                await program.end()
