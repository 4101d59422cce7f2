"""The command line against a hub process: what is said, where, and with which status."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from forwarder.api.access import ADMIN_FILE
from forwarder.api.places import SOCKET_FILE
from forwarder.cli import run
from forwarder.client.client import Client, ServerRefused
from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.files import DATA
from forwarder.web.pages import relay_page_build
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.simulated.toy import Toy
from tests.doubles.driver import RecordingDriver, device
from tests.doubles.running_hub import RunningHub, running_hub
from tests.system.processes import START_S, Program, free_ports, hub_program, until


@dataclass(slots=True)
class Answer:
    status: int
    out: str
    err: str


@dataclass(slots=True)
class Home:
    """A hub, and `forwarder …` with its state folder."""

    hub: RunningHub
    folder: Path

    async def say(self, *words: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            # A thread: commands wait for the hub, which runs here.
            status = await asyncio.to_thread(run, [*words, "--state", str(self.folder)])
        return Answer(status, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Commands set up logging for the whole process: put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with running_hub(tmp_path, ("Lovense Edge",)) as hub:
        yield Home(hub, tmp_path)


async def test_status_says_who_drives_what_and_stop_ends_it(home: Home) -> None:
    first = await home.say("status")
    assert first.status == 0
    assert home.hub.app.client_url in first.out
    assert "simulated toys" in first.out
    await _with_device(home)
    driven = await home.say("status", "--json")
    levels = json.loads(driven.out)["devices"][0]["live"]["levels"]
    assert levels["0"]["driven_by"] == "API"
    assert "vibrate 50 % by API" in (await home.say("devices")).out
    stopped = await home.say("stop")
    assert stopped.status == 0
    assert stopped.out.startswith("Stopped 1 device.\n")
    assert "vibrate off" in (await home.say("devices")).out


async def test_a_stop_holds_until_it_is_resumed_and_status_says_who_and_when(home: Home) -> None:
    await _with_device(home)
    for word, mode in (("pause", "PAUSED"), ("stop", "STOPPED")):
        held = await home.say(word)
        assert held.status == 0
        assert "until you say `forwarder resume`" in held.out
        assert f"{mode} by the command line since 20" in (await home.say("status")).out
    body = {"type": "Vibrate", "percent": 50}
    assert (await home.hub.ask("PUT", "/devices/0/outputs", body))[0] == 409
    assert (await home.say("resume")).status == 0
    assert (await home.hub.ask("PUT", "/devices/0/outputs", body))[0] == 200
    one = await home.say("stop", "0")
    assert "resume" not in one.out
    assert not home.hub.app.hub.hold.holds


async def test_a_stop_that_is_not_confirmed_is_status_1(home: Home) -> None:
    driver = RecordingDriver()
    home.hub.app.hub.add(device(driver, address="A7"))
    driver.broken = True
    failed = await home.say("stop")
    assert failed.status == 1
    assert "Lovense Nora: the radio said no" in failed.err
    assert "switch the device off by hand" in failed.err
    assert home.hub.app.hub.hold.holds
    driver.broken, driver.slow = False, True
    late = await home.say("pause")
    assert late.status == 1
    assert "did not confirm in time" in late.err


async def test_a_toy_that_no_stop_can_reach_is_named_until_it_is_forgotten(home: Home) -> None:
    await _with_device(home)
    (toy,) = _simulated(home)
    toy.vanish()
    (relay,) = home.hub.app.relays.relays.values()
    await until(lambda: bool(relay.debts), "the relay's word", 5)
    missing = await home.say("stop")
    assert missing.status == 1
    assert (
        "Lovense Edge is not connected and may be running: simulated toys looks for it"
        in missing.err
    )
    assert "forwarder devices forget 'Lovense Edge'" in (await home.say("status")).out
    nobody = await home.say("devices", "forget", "Nora")
    assert (nobody.status, nobody.err) == (
        1, "forwarder: No toy that is called 'Nora' is missing.\n",
    )  # fmt: skip
    assert (await home.say("devices", "forget", "0")).out == "Lovense Edge counts as off.\n"
    await until(lambda: not relay.debts, "the relay's word", 5)
    assert (await home.say("stop")).status == 0


def _simulated(home: Home) -> list[Toy]:
    (agent,) = home.hub.app.agents
    radio = agent._radio
    assert isinstance(radio, SimulatedRadio)
    return list(radio.toys)


async def test_to_stop_needs_no_token(home: Home) -> None:
    (home.folder / ADMIN_FILE).unlink()
    assert (await home.say("stop")).status == 0
    assert home.hub.app.hub.hold.holds


async def test_an_app_is_muted_unmuted_and_disconnected(home: Home) -> None:
    await home.hub.with_devices(1)
    # A name may be anything; what cannot be a part of a path is one, too.
    for name in ("Game", "..", "a/b?c#d"):
        async with Client.connect(home.hub.app.client_url, name=name) as app:
            await app.devices[0].vibrate(0.5)
            muted = await home.say("app", "mute", name)
            assert muted.status == 0
            assert "also after it comes back" in muted.out
            with pytest.raises(ServerRefused, match="muted by the command line"):
                await app.devices[0].vibrate(0.5)
            assert f"{name} is muted by the command line since" in (await home.say("status")).out
            assert (await home.say("app", "unmute", name)).status == 0
            await app.devices[0].vibrate(0.5)
            assert "1 connection" in (await home.say("app", "disconnect", name)).out
            await until(lambda: not home.hub.app.hub.devices[0].running, "its end")
    nobody = await home.say("app", "unmute", "Game")
    assert (nobody.status, nobody.err) == (1, "forwarder: 'Game' is not muted.\n")


async def test_what_was_stopped_is_so_after_a_power_cut(tmp_path: Path) -> None:
    client_port, link_port = free_ports(2)
    state = ["--state", str(tmp_path / "hub")]

    async def start() -> Program:
        hub = hub_program(tmp_path, client_port, link_port, "--simulate", "Lovense Edge")
        await hub.start()
        await hub.until_said("Relays, dashboard")
        return hub

    hub = await start()
    try:
        assert await asyncio.to_thread(run, ["stop", *state]) == 0
        hub.send(signal.SIGKILL)
        await hub.wait()
        hub = await start()
        await hub.until_said("Everything is stopped by the command line")
        url = f"ws://127.0.0.1:{client_port}"
        async with Client.connect(url, name="Game") as app:
            # Nothing is connected while it holds.
            assert not await app.scan(1)
            assert await asyncio.to_thread(run, ["resume", *state]) == 0
            await app.start_scanning()
            await until(lambda: bool(app.devices), "the toy")
            (toy,) = app.devices
            await toy.vibrate(0.5)
    finally:
        await hub.end()


async def test_a_hub_that_hangs_is_said_within_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client_port, link_port = free_ports(2)
    hub = hub_program(tmp_path, client_port, link_port)
    await hub.start()
    try:
        await hub.until_said("Relays, dashboard")
        hub.send(signal.SIGSTOP)
        started = time.monotonic()
        assert await asyncio.to_thread(run, ["stop", "--state", str(tmp_path / "hub")]) == 1
        assert time.monotonic() - started < 5
        said = capsys.readouterr().err
        assert "does not answer" in said
        assert "switch it off by hand" in said
    finally:
        hub.send(signal.SIGCONT)
        await hub.end()


async def _with_device(home: Home) -> None:
    """Have the toy connected, and driven by a script for a while."""
    await home.hub.with_devices(1)
    body = {"type": "Vibrate", "percent": 50, "for_ms": 30_000}
    assert (await home.hub.ask("PUT", "/devices/0/outputs", body))[0] == 200


async def test_a_device_is_set_denied_and_allowed_again(home: Home) -> None:
    await _with_device(home)
    answer = await home.say("devices", "set", "0", "--name", "Bob", "--limit", "vibrate=30")
    assert (answer.status, answer.out) == (0, "Bob is set.\n")
    shown = json.loads((await home.say("devices", "--json")).out)[0]
    assert shown["shown_name"] == "Bob"
    assert [f["outputs"]["Vibrate"]["range"] for f in shown["features"][:2]] == [[0, 6], [0, 6]]
    await home.say("devices", "set", "0", "--disable", "1:vibrate", "--enable", "0:vibrate")
    shown = json.loads((await home.say("devices", "--json")).out)[0]
    assert [list(f["outputs"]) for f in shown["features"][:2]] == [["Vibrate"], []]
    assert "is denied" in (await home.say("devices", "set", "0", "--deny")).out
    assert "denied" in (await home.say("devices", "known")).out
    assert (await home.say("devices", "set", "0", "--allow")).status == 0
    await home.say("status")
    nothing = await home.say("devices", "set", "0")
    assert nothing.status == 2
    wrong = await home.say("devices", "set", "7", "--deny")
    assert (wrong.status, wrong.err) == (1, "forwarder: There is no device with index 7.\n")


async def test_shares_are_made_listed_limited_renewed_and_ended(home: Home) -> None:
    words = "--device Lovense* --output vibrate --level 60 --for 2h --uses 2 --no-ask"
    made = await home.say("share", "new", "Marie", *words.split())
    assert made.status == 0, made.err
    link = made.out.splitlines()[0]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/remote/#[\w-]{43}", link)
    assert "works on this machine only" in made.out.replace("\n", " ")
    listed = await home.say("share", "list")
    assert "Marie  Lovense*  vibrate  up to 60 %  until " in listed.out
    assert "2 browsers may take it" in listed.out
    assert link.partition("#")[2] not in listed.out
    assert "up to 20 %" in (await home.say("share", "level", "marie", "20")).out
    again = (await home.say("share", "renew", "Marie")).out.splitlines()[0]
    assert again != link
    assert (await home.say("share", "end", "Marie")).out == "Marie ended.\n"
    gone = await home.say("share", "end", "Marie")
    assert (gone.status, gone.err) == (1, "forwarder: There is no share 'Marie'; shares: none.\n")
    await home.say("share", "new", "Kim")
    asks = json.loads((await home.say("share", "list", "--json")).out)[0]
    assert (asks["ask"], asks["uses"], asks["percent"], asks["expires"]) == (True, 1, 100, None)
    nobody = await home.say("share", "allow", "Kim")
    assert (nobody.status, nobody.err.count("\n")) == (1, 1)
    assert (await home.say("share", "end", "--all")).out == "Kim ended.\n"


@pytest.mark.parametrize(
    "words",
    [["new", "x", "--level", "0"], ["new", "x", "--for", "soon"], ["new", "x", "--uses", "0"],
     ["end"], ["end", "x", "--all"], ["level", "x", "101"]],
)  # fmt: skip
async def test_a_share_that_cannot_be_is_a_usage_error(home: Home, words: list[str]) -> None:
    said = await home.say("share", *words)
    assert said.status == 2
    assert "Traceback" not in said.err


async def test_tokens_are_made_listed_and_revoked(home: Home) -> None:
    made = await home.say("token", "new", "HA", "--level", "30", "--valid", "2h")
    token = re.search(r"bpft_\S{43}", made.out)
    assert token is not None
    listed = await home.say("token", "list")
    assert "HA" in listed.out
    assert "up to 30 %" in listed.out
    assert token[0] not in listed.out
    assert (await home.say("token", "revoke", "ha")).out == "HA is revoked.\n"
    again = await home.say("token", "revoke", "ha")
    assert again.status == 1
    assert again.err.count("\n") == 1
    assert (await home.say("token", "new", "x", "--valid", "soon")).status == 2


async def test_a_renewed_admin_token_ends_the_old_one_and_who_came_with_it(home: Home) -> None:
    old = home.hub.admin
    ws = await home.hub.http.ws_connect(f"{home.hub.url}/api/v1/events")
    await ws.send_json({"t": "hello", "token": old})
    assert (await ws.receive_json())["whole"]
    renewed = await home.say("token", "admin", "--renew")
    assert renewed.status == 0
    assert home.hub.admin in renewed.out
    assert home.hub.admin != old
    async with asyncio.timeout(5):
        while (await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert ws.close_code == 4401
    assert (await home.hub.ask("POST", "/scan", {}, token=old))[0] == 401
    assert (await home.hub.ask("POST", "/scan", {}))[0] == 204
    # Commands never had it.
    assert (await home.say("stop")).status == 0


async def test_pair_prints_a_link_and_waits_for_the_relay(home: Home) -> None:
    shown = await home.say("pair", "--no-wait", "--phone", "localhost")
    assert shown.status == 0
    assert f"http://localhost:{home.hub.app.bind()[1]}/relay/#" in shown.out
    assert "relay pair 'bpforward://127.0.0.1:" in shown.out
    assert "█" in shown.out or "▄" in shown.out
    lan = await home.say("pair", "--no-wait")
    assert "start it with `forwarder run --lan`" in lan.out
    assert (await home.say("pair", "--phone", "pigeon")).status == 2
    waiting = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "forwarder", "pair", "--state", str(home.folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert waiting.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while b"Waiting" not in (line := await waiting.stdout.readline()):
                assert line, "it ended without a word"
        waiting.send_signal(signal.SIGINT)
        async with asyncio.timeout(START_S):
            out, err = await waiting.communicate()
    finally:
        if waiting.returncode is None:
            waiting.kill()
            await waiting.communicate()
    assert waiting.returncode == 1
    assert b"withdrawn" in out
    assert b"Traceback" not in err


async def test_relays_and_revoke(home: Home) -> None:
    assert "simulated toys" in (await home.say("relays")).out
    wrong = await home.say("revoke", "nobody")
    assert wrong.status == 1
    assert "There is no relay" in wrong.err


async def test_a_hub_that_was_killed_is_said_to_have_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client_port, link_port = free_ports(2)
    hub = hub_program(tmp_path, client_port, link_port)
    await hub.start()
    try:
        await until((tmp_path / "hub" / SOCKET_FILE).exists, "a hub")
    finally:
        await hub.end()
    assert run(["status", "--state", str(tmp_path / "hub")]) == 1
    said = capsys.readouterr().err
    assert "the last one has ended" in said
    assert said.count("\n") == 1


async def test_doctor_finds_a_hub_and_open_files(home: Home) -> None:
    fine = await home.say("doctor")
    assert f"the dashboard is at {home.hub.url}" in fine.out
    (home.folder / "tokens.json").write_text("{}")
    (home.folder / "tokens.json").chmod(0o644)
    open_file = await home.say("doctor")
    assert open_file.status == 1
    assert "chmod 600" in open_file.out


# --- without a hub -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["status"], ["relays"], ["stop"], ["pair"], ["token", "list"], ["devices"]]
)
def test_without_a_hub_one_line_says_so(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--state", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("forwarder: No hub runs")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run", "--port", "70000"],
        ["run", "--port", "x"],
        ["run", "--simulate", ""],
        ["devices", "set"],
        ["devices", "set", "x"],
        ["token"],
        ["revoke"],
        ["run", "--config", "/nowhere/hub.toml"],
    ],
)
def test_wrong_usage_is_status_2_and_one_line(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.err.startswith("forwarder")


def test_the_admin_token_is_shown_and_renewed_without_a_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "admin", "--state", str(tmp_path)]
    assert run(words) == 0
    first = (tmp_path / ADMIN_FILE).read_text().strip()
    assert first in capsys.readouterr().out
    assert run([*words, "--renew"]) == 0
    second = (tmp_path / ADMIN_FILE).read_text().strip()
    assert second != first
    assert second in capsys.readouterr().out
    (tmp_path / ADMIN_FILE).chmod(0o644)
    assert run(words) == 2
    assert "open to other users" in capsys.readouterr().err


def test_the_catalogue_shows_all_that_the_hub_has_also_with_files_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    mine = (DATA / "hgod.toml").read_text(encoding="utf-8").replace("Hgod Device", "My Own Device")
    (own / "hgod.toml").write_text(mine, encoding="utf-8")
    (tmp_path / "hub.toml").write_text("[devices]\ncatalogue = 'own'\n")
    arguments = ["devices", "catalogue", "--state", str(tmp_path), "--config"]
    assert run([*arguments, str(tmp_path / "hub.toml")]) == 0
    *rows, count = capsys.readouterr().out.splitlines()
    assert any("My Own Device" in row for row in rows)
    assert any("Lovense Edge" in row for row in rows)
    assert int(count.split()[0]) == len(Catalogue.load(own=own).entries()) > 900


def test_the_catalogue_needs_no_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["devices", "catalogue", "--search", "lovense edge", "--state", str(tmp_path)]
    assert run(arguments) == 0
    assert re.search(r"Lovense Edge\s+lovense\s+2× vibrate, battery", capsys.readouterr().out)
    assert run([*arguments, "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    assert models[0]["outputs"] == ["Vibrate", "Vibrate"]


def test_the_page_for_phones_is_written_as_a_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    assert run(["relay-page", str(site)]) == 0
    assert (site / "index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (site / "page.js").exists()
    assert not list(site.glob("*.py"))
    # The site's page knows which one it is, as a hub that comes with another one will tell it.
    build = relay_page_build()
    assert re.fullmatch("[0-9a-f]{12}", build)
    index = (site / "index.html").read_text(encoding="utf-8")
    assert f'<meta name="build" content="{build}">' in index
    assert run(["relay-page", str(site)]) == 0
    (site / "photos.zip").touch()
    assert run(["relay-page", str(site)]) == 2
    assert "photos.zip" in capsys.readouterr().err


def test_commands_start_quickly() -> None:
    started = time.monotonic()
    assert run(["--help"]) == 0
    assert time.monotonic() - started < 5
