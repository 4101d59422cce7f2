from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from relay.agent import Agent
from relay.config import AgentConfig
from relay.debts.record import Record
from relay.errors import ControlError, UsageError
from relay.link.files import proof
from relay.link.files.keys import write_private
from relay.link.messages import FromRelay, GuestAnswer, GuestHere, GuestList
from relay.wearer.bounds import MOST_CLIENTS, MOST_REQUEST_BYTES
from relay.wearer.control import Control, ControlCommand, ask
from relay.wearer.shown import WearersView
from tests.doubles.radio import RecordingRadio


@pytest.fixture(params=["unix", "tcp"])
def state(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A state folder; one whose path is too long for a Unix socket has a TCP port instead."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        if request.param == "tcp":
            path = path / ("x" * 100)
            path.mkdir()
        yield path


@asynccontextmanager
async def running(state: Path) -> AsyncIterator[Agent]:
    agent = Agent(RecordingRadio(), AgentConfig("attic"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Control(agent, state).run())
        await asyncio.sleep(0)  # From here on the task owns the socket.
        yield agent
        task.cancel()


def places(state: Path) -> list[Path]:
    return list(state.iterdir())


async def tell(state: Path, do: ControlCommand) -> object:
    return await asyncio.to_thread(ask, state, do)


async def test_guests_are_shown_allowed_and_ended(state: Path) -> None:
    guest = GuestHere("Marie", 1, "Firefox", waits=True)
    async with running(state) as agent:
        said: list[FromRelay] = []
        agent.shown = WearersView(said.append)
        agent.shown.heard(GuestList((guest,)))
        answer = await asyncio.to_thread(ask, state, "status")
        assert answer.status is not None
        assert answer.status.guests == (guest,)
        await asyncio.to_thread(ask, state, "allow", "Marie")
        await asyncio.to_thread(ask, state, "end", "Marie 1")
        await asyncio.to_thread(ask, state, "end")
        allows = [message.allow for message in said if isinstance(message, GuestAnswer)]
        assert allows == [True, False, False]
        agent.shown.clear()
        with pytest.raises(ControlError, match="no guest called 'Marie' is waiting"):
            await asyncio.to_thread(ask, state, "allow", "Marie")
        with pytest.raises(ControlError, match="no guest is here"):
            await asyncio.to_thread(ask, state, "end")


async def test_a_missing_device_is_forgotten_by_its_address_or_its_name(state: Path) -> None:
    async with running(state) as agent:
        for number, called in enumerate(("AA:01", "Hush")):
            agent._table.chaser.lost(Record(f"AA:0{number + 1}", "Hush"))
            answer = await asyncio.to_thread(ask, state, "forget", called)
            assert answer.status is not None
            assert answer.status.debts == ()
        with pytest.raises(ControlError, match="nothing called 'Hush' is looked for"):
            await asyncio.to_thread(ask, state, "forget", "Hush")
        for number in (1, 2):
            agent._table.chaser.lost(Record(f"AA:0{number}", "Hush"))
        with pytest.raises(ControlError, match="nothing called"):
            await asyncio.to_thread(ask, state, "forget", "Hush")


async def test_the_wearer_is_heard(state: Path) -> None:
    async with running(state) as agent:
        answer = await asyncio.to_thread(ask, state, "status")
        assert answer.status is not None
        assert answer.status.name == "attic"
        assert (await asyncio.to_thread(ask, state, "pause")).stopped is True
        assert agent.will.paused
        await tell(state, "resume")
        assert not agent.will.paused
        stopped = await asyncio.to_thread(ask, state, "stop")
        assert stopped.status is not None
        assert stopped.status.stopped
        assert agent.will.stopped
    with pytest.raises(ControlError, match="no relay is running"):
        await tell(state, "status")
    assert [place.name for place in places(state)] == ["relay.lock"]


async def test_one_relay_per_state_folder(state: Path) -> None:
    async with running(state) as agent:
        with pytest.raises(UsageError, match="another relay"):
            Control(agent, state)
        await tell(state, "status")


async def test_what_a_killed_relay_left_behind_is_no_obstacle(state: Path) -> None:
    (state / "control.json").write_text('{"port": 1, "key": "00"}')
    sock = socket.socket(socket.AF_UNIX)
    with suppress(OSError):  # The path is too long for one: this is the variant without.
        sock.bind(str(state / "control.sock"))
    sock.close()
    async with running(state):
        await tell(state, "status")


async def test_only_this_user_can_open_it(state: Path) -> None:
    async with running(state):
        assert len(places(state)) == 2
        assert all(place.stat().st_mode & 0o777 == 0o600 for place in places(state))


async def connect(state: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
    try:
        place = json.loads((state / "control.json").read_text())
    except FileNotFoundError:
        return *(await asyncio.open_unix_connection(str(state / "control.sock"))), ""
    return *(await asyncio.open_connection("127.0.0.1", place["port"])), place["key"]


async def test_rubbish_is_answered_and_an_endless_line_is_not(state: Path) -> None:
    async with running(state) as agent:
        reader, writer, key = await connect(state)
        for rubbish in (b"{", b"\xff", b'{"do": "explode"}', b'{"do": "stop", "extra": 1}', b""):
            writer.write(rubbish + b"\n")
            answer = json.loads(await reader.readline())
            assert answer["ok"] is False
        if key:
            for guess in (b'{"do": "stop"}', b'{"do": "stop", "proof": "guess"}'):
                writer.write(guess + b"\n")
                assert json.loads(await reader.readline())["error"] == "wrong proof"
        writer.write(b"x" * (MOST_REQUEST_BYTES * 4))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readuntil(b"\n")
        writer.close()
        assert not agent.will.stopped


async def test_no_proof_counts_twice_or_for_another_command(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 100)
    async with running(state) as agent:
        reader, writer, key = await connect(state)

        async def say(**words: str) -> dict[str, object]:
            writer.write(json.dumps(words).encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
            return answer

        said = await say(do="challenge", nonce="n")
        challenge = str(said["challenge"])
        assert said["proof"] == proof.of_hub(bytes.fromhex(key), "n", challenge)
        own = proof.Exchange(bytes.fromhex(key), challenge)
        shown = own.ask("status", "", b"")
        assert (await say(do="status", proof=shown))["ok"] is True
        assert (await say(do="status", proof=shown))["error"] == "wrong proof"
        assert (await say(do="pause", proof=own.ask("pause", "", b"")))["error"] == "wrong proof"
        challenge = str((await say(do="challenge", nonce="n"))["challenge"])
        own = proof.Exchange(bytes.fromhex(key), challenge)
        assert (await say(do="pause", proof=own.ask("status", "", b"")))["error"] == "wrong proof"
        assert not agent.will.paused
        writer.close()


def test_who_has_the_port_of_a_killed_relay_is_told_nothing(tmp_path: Path) -> None:
    state = tmp_path / ("x" * 100)
    with socket.create_server(("127.0.0.1", 0)) as other:
        heard: list[bytes] = []

        def listen() -> None:
            connection, _ = other.accept()
            with connection, connection.makefile("rb") as file:
                heard.append(file.readline())
                connection.sendall(b'{"ok": true, "challenge": "c", "proof": "p"}\n')
                heard.append(file.readline())

        thread = threading.Thread(target=listen)
        thread.start()
        place = {"port": other.getsockname()[1], "key": "00" * 32}
        write_private(state / "control.json", json.dumps(place).encode())
        with pytest.raises(ControlError, match="another program has its port"):
            ask(state, "stop")
        thread.join()
    assert json.loads(heard[0])["do"] == "challenge"
    assert heard[1] == b""


async def test_connections_are_bounded(state: Path) -> None:
    async with running(state):
        open_ones = [await connect(state) for _ in range(MOST_CLIENTS)]
        reader, writer, _ = await connect(state)
        assert b"too many" in await reader.readline()
        writer.close()
        for _, other, _ in open_ones:
            other.close()
        # They are counted out as soon as the relay has seen it.
        async with asyncio.timeout(5):
            while True:
                try:
                    await tell(state, "status")
                    break
                except ControlError:
                    await asyncio.sleep(0.01)


def test_a_relay_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no relay is running"):
        ask(tmp_path, "status")


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    agent = Agent(RecordingRadio(), AgentConfig("attic"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be locked"):
        Control(agent, tmp_path / "file" / "state")
    (tmp_path / "control.sock").mkdir()
    with pytest.raises(UsageError, match="cannot be made"):
        Control(agent, tmp_path)
    # And nothing is held.
    (tmp_path / "control.sock").rmdir()
    Control(agent, tmp_path)._sock.close()
