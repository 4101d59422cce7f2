"""Drives one client's session over a channel: the role "server", whatever the socket's role is.

The reader (reader.py) decides the order of everything; answers come back through callbacks
(answer.py), so that no task is made for an output. Only readings wait in tasks of their own, a
bounded number of them. What is done about an app that is busy is in silence.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from forwarder.buttplug.dialect import ClientRequest
from forwarder.buttplug.messages import (
    ClientMessage,
    Disconnect,
    InputCmd,
    InputCommand,
    InputReading,
    InputType,
    OutputCmd,
    ReadingValue,
    ServerMessage,
    StartScanning,
    StopCmd,
    StopScanning,
)
from forwarder.buttplug.server import Closing, ServerAction, ServerSession
from forwarder.clients.answer import PendingAnswer
from forwarder.clients.bounds import (
    BUSY_S,
    HANDSHAKE_S,
    LEAVE_S,
    OUTPUTS_UNDER_WAY,
    READINGS_AT_ONCE,
    STOPS_UNDER_WAY,
)
from forwarder.clients.budget import Budget
from forwarder.clients.outbox import ClientOutbox
from forwarder.clients.reader import ClientReader
from forwarder.clients.silence import PeerSilent, Silence
from forwarder.connectors.bounds import (
    GUEST_BURST,
    GUEST_MESSAGES_S,
)
from forwarder.devices.driver import Outcome
from forwarder.errors import DeviceError, ForwarderError, HardwareError, MessageError
from forwarder.hub.device import Device
from forwarder.hub.hub import ClientGrant, Hub
from forwarder.hub.loop_guard import hub_id_of, plain_name
from relay.link.channel import Channel
from relay.link.close_codes import NORMAL_CLOSURE, POLICY_VIOLATION, TRY_AGAIN
from relay.link.errors import ChannelClosed
from relay.link.messages import ErrorCode
from relay.link.tasks.groups import ConnectionTasks, drop_frames, first_error

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """`max_ping_ms`: 0, or how often clients must ping at least."""

    server_name: str = "Buttplug Forwarder"
    max_ping_ms: int = 0


class _LeaveSession(Exception):
    """Ends the session from inside: close the channel with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ClientDriver:
    """One client. Implements HubClient; made and run by `serve`."""

    def __init__(
        self, channel: Channel, hub: Hub, options: ClientOptions, grant: ClientGrant | None
    ) -> None:
        self._channel = channel
        self._hub = hub
        self._options = options
        self._loop = asyncio.get_running_loop()
        self.grant = grant
        self.session = ServerSession(
            options.server_name,
            max_ping_ms=options.max_ping_ms,
            devices=lambda: hub.visible(self),
            too_long=lambda count, size: hub.list_limits.too_long(self, count, size),
        )
        self._outbox = ClientOutbox(self.session)
        budget = None
        if grant is not None:
            budget = Budget(GUEST_MESSAGES_S, GUEST_BURST, self._loop.time())
        self._reader = ClientReader(self.session, self, budget, hub.turns)
        # Stops of this pass of the loop: nobody else has done anything since.
        self._just_stopped: dict[StopCmd, PendingAnswer] = {}
        self._silence = Silence(channel, self._busy, self._outbox.filled.set)
        self._readings_at_once = asyncio.Semaphore(READINGS_AT_ONCE)
        self._stops = asyncio.Semaphore(STOPS_UNDER_WAY)
        self._tasks: asyncio.TaskGroup | None = None
        self._ending: _LeaveSession | None = None
        # Whether there is a writer, and it waits for something to do.
        self._idle = False
        self.under_way = 0
        self.hub_id: str | None = None

    def __repr__(self) -> str:
        return f"<client {self.name} v{self.session.version} {self._channel.peer}>"

    @property
    def name(self) -> str:
        if self.session.version is None:
            return self._channel.peer
        # Not its address: the next connection has another, and a mute is by name.
        return plain_name(self.session.client_name) or "nameless app"

    @property
    def version(self) -> int | None:
        return self.session.version

    @property
    def peer(self) -> str:
        return self._channel.peer

    # --- told by the hub ------------------------------------------------------------------------

    def devices_changed(self) -> None:
        self._hub.news.want(self._outbox.devices_changed)

    def scanning_finished(self) -> None:
        self._say(self.session.scanning_finished())

    def reading(self, device: Device, feature: int, kind: InputType, value: int) -> None:
        self._outbox.reading(device.index, feature, kind, value)

    def trouble(self, error: DeviceError) -> None:
        self._say(self.session.error(error))

    def dismiss(self, reason: str) -> None:
        self._hub.leave(self)
        self._ending = _LeaveSession(POLICY_VIOLATION, reason)
        self._outbox.filled.set()

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until either end closes, or this client breaks a deadline."""
        leave: BaseException | None = None
        try:
            async with ConnectionTasks() as tasks:
                self._tasks = tasks
                tasks.create_task(self._write(), name="client writer")
                try:
                    await self._read(tasks)
                finally:
                    self._silence.close()
        except* _LeaveSession as group:
            leave = first_error(group)
        except* PeerSilent as group:
            leave = _LeaveSession(TRY_AGAIN, str(first_error(group)))
        except* ChannelClosed as group:
            log.debug("%s: %s", self.name, ended := first_error(group))
            self._hub.list_limits.ended(self, self.session.listed_bytes, ended)
            drop_frames(ended)
        finally:
            self._tasks = None
            # Synchronous, and before anything that could take long: the stops are on their way
            # whatever happens to this task or to the channel.
            self._hub.leave(self)
            self._hub.news.forget(self._outbox.devices_changed)
            self._reader.end()
            self.session.over()
        if isinstance(leave, _LeaveSession):
            await self._channel.close(leave.code, leave.reason)

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S) as handshake:
                while self.session.version is None:
                    await self._reader.take(await self._channel.receive())
        except TimeoutError:
            # What is below has deadlines of its own, and may break one.
            if not handshake.expired():
                raise
            raise _LeaveSession(POLICY_VIOLATION, "no RequestServerInfo came") from None
        self.hub_id = hub_id_of(self.session.client_name)
        self._hub.join(self)
        if self._options.max_ping_ms:
            tasks.create_task(self._watch(), name="client deadlines")
        self._silence.listen()
        log.info("%s connected, v%s", self.name, self.version)
        while True:
            await self._reader.take(await self._channel.receive())

    async def act(self, action: ServerAction) -> None:
        if isinstance(action, ClientRequest):
            await self._carry_out(action)
        elif isinstance(action, Closing):
            # The devices first: what is queued for a client may take long to leave.
            self._hub.leave(self)
            await self._end(_LeaveSession(action.code, action.reason))
        else:
            self._say((action,))

    def without(
        self, request: ClientRequest, kept: tuple[ClientMessage, ...]
    ) -> ClientRequest | None:
        try:
            for command in request.commands:
                if command not in kept and isinstance(command, OutputCmd):
                    self._hub.check_output(self, command)
        except ForwarderError as error:
            self.fail(request, error)
            return None
        if kept:
            return replace(request, commands=kept)
        self.answer(request, None)
        return None

    async def room(self) -> None:
        await self._outbox.room.wait()

    def _busy(self) -> None:
        """It neither answers nor reads: stop what it drives, and let it go on when it is back."""
        if self._hub.stop_driven(self):
            log.warning("%s is busy: what it drives was stopped", self.name)
            self.trouble(DeviceError(f"Stopped: this app did nothing for {BUSY_S:g} seconds."))

    async def _end(self, leave: _LeaveSession) -> None:
        """Let what is queued leave, then end the session: the writer does both."""
        self._ending = leave
        self._outbox.filled.set()
        await self._loop.create_future()

    async def _watch(self) -> None:
        """Keep the ping deadline, exactly. It only ever moves away from us, or goes for good."""
        while (deadline := self.session.deadline) is not None:
            await asyncio.sleep(deadline - self._loop.time())
            for action in self.session.tick(self._loop.time()):
                await self.act(action)

    async def _write(self) -> None:
        while True:
            for frame in self._outbox.due():
                await self._silence.send(frame)
            await self._silence.tend()
            if self._outbox:
                continue
            if self._ending is not None:
                raise self._ending
            self._outbox.filled.clear()
            self._idle = True
            try:
                await self._outbox.filled.wait()
            finally:
                self._idle = False

    def _say(self, frames: Sequence[str]) -> None:
        """Send these at once if nothing waits before them, else in their turn."""
        for frame in frames:
            if not (self._idle and self._channel.send_now(frame)):
                self._idle = False
                self._outbox.reply((frame,))

    # --- requests -------------------------------------------------------------------------------

    async def _carry_out(self, request: ClientRequest) -> None:
        command = request.commands[0] if request.commands else None
        if isinstance(command, InputCmd) and command.command is InputCommand.READ:
            self._ask(request, command)
            return
        stop = command if isinstance(command, StopCmd) else None
        stops = stop is not None
        if stop is not None:
            same = self._just_stopped.get(scope := replace(stop, id=0))
            if same is not None and same.also(request):
                return
            await self._stops.acquire()
        else:
            self._just_stopped.clear()
        try:
            outcomes = self._start(request)
        except ForwarderError as error:
            self.fail(request, error)
            if stops:
                self._stops.release()
            return
        if isinstance(command, Disconnect):
            await self._last_stops(outcomes)
            self.answer(request, None)
        else:
            answer = PendingAnswer(self, request, outcomes, self._stops.release if stops else None)
            if stop is not None:
                if not self._just_stopped:
                    self._loop.call_soon(self._just_stopped.clear)
                self._just_stopped[scope] = answer

    def _start(self, request: ClientRequest) -> list[Outcome]:
        """Put everything the request asks for on its way. Raises what is the client's fault."""
        outcomes: list[Outcome] = []
        for command in request.commands:
            match command:
                case OutputCmd():
                    if self._ending is not None:
                        # What it drove is stopped; it must not begin anew while its end waits.
                        raise HardwareError(ErrorCode.GONE, "This connection has ended.")
                    if self.under_way >= OUTPUTS_UNDER_WAY:
                        self._check_room()
                    outcome = self._hub.output(self, command)
                    if outcome is not None:
                        outcomes.append(outcome)
                case StopCmd():
                    outcomes += self._hub.stop(self, command)
                case InputCmd():
                    self._check_room()
                    outcome = self._listen(command)
                    if outcome is not None:
                        outcomes.append(outcome)
                case StartScanning():
                    self._hub.start_scanning(self)
                case StopScanning():
                    self._hub.stop_scanning(self)
                case Disconnect():
                    outcomes += self._hub.leave(self)
                case _:
                    raise MessageError(f"{type(command).__name__} is not carried out here.")
        return outcomes

    async def _last_stops(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            await asyncio.wait(outcomes, timeout=LEAVE_S)

    def _check_room(self) -> None:
        if self.under_way >= OUTPUTS_UNDER_WAY:
            raise HardwareError(ErrorCode.CONGESTED, "Too many commands are under way; send fewer.")

    def _listen(self, command: InputCmd) -> Outcome | None:
        if command.command is InputCommand.SUBSCRIBE:
            return self._hub.subscribe(self, command)
        return self._hub.unsubscribe(self, command)

    def _ask(self, request: ClientRequest, command: InputCmd) -> None:
        try:
            self._check_room()
        except HardwareError as error:
            self.fail(request, error)
            return
        self.under_way += 1
        assert self._tasks is not None  # set while run() runs
        self._tasks.create_task(self._read_input(request, command), name="client input")

    async def _read_input(self, request: ClientRequest, command: InputCmd) -> None:
        try:
            async with self._readings_at_once:
                value = await self._hub.read(self, command)
        except ForwarderError as error:
            self.fail(request, error)
        else:
            answer = InputReading(
                id=command.id,
                device_index=command.device_index,
                feature_index=command.feature_index,
                reading={command.type: ReadingValue(value=value)},
            )
            self.answer(request, answer)
        finally:
            self.under_way -= 1

    def answer(self, request: ClientRequest, outcome: ServerMessage | None) -> None:
        self._say((self.session.reply(request, outcome),))

    def fail(self, request: ClientRequest, error: ForwarderError) -> None:
        self._say((self.session.fail(request, error),))


async def serve(
    channel: Channel, hub: Hub, options: ClientOptions, grant: ClientGrant | None = None
) -> None:
    """Serve one client over `channel` until it ends, and close the channel then.

    Whatever ends it, the outputs that this client drove last are stopped. If this is cancelled,
    closing is left to whoever cancels: they know the reason that the client is to be told.
    """
    await ClientDriver(channel, hub, options, grant).run()
    await channel.close(NORMAL_CLOSURE, "")
