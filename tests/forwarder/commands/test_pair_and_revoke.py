"""From a code in one terminal to a radio of another machine, and to its end: whole programs."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path

from forwarder.api.documents.model import RelayView
from forwarder.commands.api_client import ApiClient
from tests.system.processes import Program, free_ports, hub_program, until

# The hub forgets a relay at once, and its link within a second; the rest is starting Python.
CUT_S = 1.0


async def forwarder(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "forwarder", *words, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def relays(state: str) -> dict[str, bool]:
    shown = ApiClient(Path(state)).get("/relays", tuple[RelayView, ...])
    return {relay.name: relay.connected for relay in shown}


async def test_a_relay_is_paired_lends_its_radio_and_is_revoked(tmp_path: Path) -> None:
    client_port, link_port = free_ports(2)
    hub = hub_program(tmp_path, client_port, link_port)
    state = str(tmp_path / "hub")
    relay = Program(
        "relay",
        ["run", "--simulate", "Lovense Edge", "--state", str(tmp_path / "relay")],
        tmp_path,
        "relay",
    )
    pairing = Program("forwarder", ["pair", "--state", state], tmp_path, "pair")
    try:
        await hub.start()
        await until(Path(state, "hub.sock").exists, "a hub")
        await pairing.start()
        await until(lambda: "Waiting" in pairing.text, "a code")
        link = re.search(r"relay pair '(\S+)'", pairing.text)
        assert link is not None
        joining = Program(
            "relay",
            ["pair", link[1], "--name", "Attic", "--state", str(tmp_path / "relay")],
            tmp_path,
            "joining",
        )
        await joining.start()
        assert await joining.wait(20) == 0, joining.text
        assert await pairing.wait() == 0
        assert "Attic has joined." in pairing.text
        assert link[1].rpartition("#")[2] not in hub.text
        await relay.start()
        await until(lambda: relays(state).get("Attic") is True, "the relay's link")
        assert "Attic" in await forwarder("status", "--state", state)
        started = time.monotonic()
        ApiClient(Path(state)).tell("DELETE", "/relays/attic")
        await until(lambda: "revoked" in relay.text.casefold(), "the relay being told", 5)
        assert time.monotonic() - started < CUT_S
        assert "Attic" not in relays(state)
    finally:
        for program in (pairing, relay, hub):
            if hasattr(program, "process"):
                await program.end()
