"""One live link to a relay: frames out through a bounded outbox, requests matched with replies.

Frames are made and queued synchronously, in the order of the calls; only the network is awaited.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from forwarder.clients.budget import Budget
from forwarder.clients.turns import ReadTurn, TurnQueue
from forwarder.connectors.bounds import (
    LINK_BURST,
    LINK_MESSAGES_S,
    LONG_FRAME_BYTES,
    NOTIFICATIONS_BURST,
    NOTIFICATIONS_S,
    WEIGHT_BYTES,
)
from forwarder.devices.driver import Outcome
from forwarder.sources.relays.bounds import (
    HEARD_AT_ONCE,
    OUTBOX_FRAMES,
    OUTBOX_STOP_FRAMES,
    REQUEST_S,
    SEND_S,
)
from forwarder.sources.relays.waiting import Asking, Carrying, Orphaned, ReplyFuture, Waiting
from relay.link.channel import Channel
from relay.link.errors import ChannelClosed, LinkError, TooLarge
from relay.link.messages import (
    Advertisement,
    Advertisements,
    Bye,
    Connected,
    Done,
    ErrorCode,
    Failed,
    Forget,
    FromRelay,
    GuestList,
    Hello,
    Interests,
    Notification,
    Output,
    Places,
    Request,
    Scan,
    Status,
    Stop,
    StopAll,
    Value,
    Write,
)
from relay.link.session import HubSession, LinkSilent
from relay.link.tasks.groups import ConnectionTasks, first_error

log = logging.getLogger(__name__)


StateMessage = Scan | Interests | Places | Status | GuestList
"""Messages without a reply: only the newest of each kind matters."""
# Tuples: a union is made anew each time that it is asked for.
_REPLIES = (Done, Connected, Value, Failed)
_OF_THE_RELAY = (StopAll, Forget)
_MOVES = (Output, Write)


class RelayLink:
    """Drives the hub's end of one link until it ends.

    `leases()` says what to renew with each beat, and `running()` whether an output is on;
    `on_message` gets everything that is no reply. `turns`: of all links together.
    """

    def __init__(
        self,
        channel: Channel,
        hub_name: str,
        *,
        leases: Callable[[], Mapping[int, int]],
        running: Callable[[], bool],
        turns: TurnQueue | None = None,
        page: str = "",
    ) -> None:
        self._channel = channel
        self._turns = turns or TurnQueue()
        self._loop = asyncio.get_running_loop()
        self.session = HubSession(hub_name, self._loop.time(), page=page)
        # A number that no request still under way has.
        self.next_id = self.session.request_id
        self._leases = leases
        self._running = running
        # Frames, and in the place of a state its class: what it is then is in `_states`.
        self._outbox: deque[bytes | type[StateMessage]] = deque()
        self._states: dict[type[StateMessage], StateMessage] = {}
        self._outbox_filled = asyncio.Event()
        # Whether there is a writer, and it waits for something to do.
        self._idle = False
        self._beat_wanted = asyncio.Event()
        self._waiting: dict[int, Waiting] = {}
        now = self._loop.time()
        budget = Budget(LINK_MESSAGES_S, LINK_BURST, now)
        self._turn = ReadTurn(self._turns, budget, self._loop.time)
        # Messages of this turn that nobody asked for: an answer is what a client spends, not it.
        self._unasked = 0
        self._notifications = Budget(NOTIFICATIONS_S, NOTIFICATIONS_BURST, now)
        self.dropped = 0  # notifications, because there were too many
        # When each peripheral was leased last: what runs there stops an active lease later.
        self._leased_at: dict[int, float] = {}
        self.ended: str | None = None
        self._leaving = False
        # Set by whoever drives it, once nothing more will be said.
        self.over = asyncio.Event()

    @property
    def peer(self) -> str:
        return self._channel.peer

    async def greet(self) -> Hello:
        """Wait for the relay's Hello and welcome it. Raises LinkError; the channel stays open."""
        try:
            async with asyncio.timeout_at(self.session.deadline):
                frame = await self._channel.receive()
        except TimeoutError:
            raise LinkSilent("the relay did not greet in time") from None
        message, answer = self.session.receive(frame, self._loop.time())
        if not isinstance(message, Hello):  # a Bye: nothing else is legal here
            raise ChannelClosed(1000, "the relay left before it greeted")
        if answer is not None:
            self._queue(answer)
        return message

    async def run(self, on_message: Callable[[FromRelay], None]) -> None:
        """Carry frames both ways until the link ends; raises what ended it (LinkError)."""
        try:
            async with ConnectionTasks() as tasks:
                tasks.create_task(self._write(), name="link writer")
                tasks.create_task(self._beat(), name="link beats")
                await self._read(on_message)
        except* LinkError as group:
            # One fault ends the link; the others are its echo.
            raise first_error(group) from None
        finally:
            self.fail_all("the link to the relay ended")

    def fail_all(self, why: str) -> None:
        """End every wait: the link is gone. Further requests fail at once."""
        self.ended = self.ended or why
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            entry.link_ended(why)

    def fail_peripheral(self, p: int, why: str) -> None:
        """End every wait on one peripheral: it is gone."""
        for number in [n for n, entry in self._waiting.items() if entry.peripheral == p]:
            # Whoever hears of the first may have ended the others.
            if (entry := self._waiting.pop(number, None)) is not None:
                entry.fail(ErrorCode.GONE, why)

    # --- out ------------------------------------------------------------------------------------

    def request(self, message: Request, *, deadline_s: float = REQUEST_S) -> ReplyFuture:
        """Queue `message`, whose id is of `next_id`; the future brings its reply.

        The future fails with HardwareError: refused by the relay, timed out, link gone, congested.
        """
        asking = Asking()
        self._ask(message, asking, deadline_s)
        return asking

    def carry(
        self,
        message: Request,
        *,
        deadline_s: float = REQUEST_S,
        orphaned: Orphaned | None = None,
        shut: Callable[[], None] | None = None,
    ) -> Outcome:
        """The same for a command whose sender only wants to know whether it was carried out.

        `orphaned` is given the outcome if the link ends before the relay answered. `shut` is called
        if a gate turned it back.
        """
        carrying = Carrying()
        carrying.orphaned, carrying.shut = orphaned, shut
        self._ask(message, carrying, deadline_s)
        return carrying

    def _ask(self, request: Request, entry: Waiting, deadline_s: float) -> None:
        now = self._loop.time()
        peripheral = None if isinstance(request, _OF_THE_RELAY) else request.peripheral
        entry.until, entry.peripheral = now + deadline_s, peripheral
        if self.ended is not None:
            entry.link_ended(self.ended)
            return
        if len(self._outbox) >= OUTBOX_FRAMES and not self._room_for(request):
            entry.fail(ErrorCode.CONGESTED, "the relay does not keep up; the value was dropped")
            return
        try:
            frame = self.session.send(request)
        except TooLarge as error:
            entry.fail(ErrorCode.REFUSED, f"{error}; it was not sent")
            return
        # No await between registering and queueing: a reply always finds its waiter.
        self._waiting[request.id] = entry
        if peripheral is not None and isinstance(request, _MOVES):
            self._leased_at[peripheral] = now
        self._queue(frame)

    def silent_at(self, p: int) -> float:
        """When the relay has stopped this peripheral by itself, if it hears nothing any more."""
        active_s = self.session.active_ms / 1000
        return self._leased_at.get(p, self._loop.time() - active_s) + active_s

    def tell(self, state: StateMessage) -> None:
        """Queue a state; one of its class that has not left yet is replaced. Dropped once the link
        has ended."""
        if self.ended is not None:
            return
        kind = type(state)
        if kind not in self._states:
            self._queue(kind)
        self._states[kind] = state

    def end(self, text: str, *, retry: bool = True) -> None:
        """Say goodbye and end the link once that has left; `retry`: the relay may come back."""
        if self.ended is None:
            self._outbox = deque(entry for entry in self._outbox if isinstance(entry, bytes))
            self._queue(self.session.send(Bye(text, retry)))
            self.fail_all(text)
            self._leaving = True
            self._outbox_filled.set()

    def renew(self) -> None:
        """Send a beat now: leases must not wait for the next one."""
        if self.ended is None:
            now = self._loop.time()
            self._queue(self.session.beat(now, self._granted(now)))

    def _granted(self, now: float) -> Mapping[int, int]:
        """What a beat made now leases."""
        leases = self.session.granted(self._leases(), now)
        self._leased_at.update(dict.fromkeys(leases, now))
        return leases

    def rouse(self) -> None:
        """An output is about to be sent: beat before it, and at the fast rate from now on."""
        if not self.session.active and self.session.rouse(self._loop.time()):
            self.renew()
            self._beat_wanted.set()

    def lead(self) -> float | None:
        """How long (s) before its time a value must be sent; None: this relay takes no times, or
        not yet. Whoever asks is about to send some."""
        if self.ended is not None:
            return None
        lead_s = self.session.lead(self._loop.time())
        if self.session.measuring:
            self._beat_wanted.set()
        return lead_s

    def theirs_us(self, at: float) -> int | None:
        return self.session.theirs_us(at)

    def _room_for(self, request: Request) -> bool:
        if isinstance(request, Output):
            return len(self._outbox) < OUTBOX_FRAMES
        if isinstance(request, Stop | StopAll):
            return True  # each must leave; whoever asks for them bounds their number
        return len(self._outbox) < OUTBOX_FRAMES + OUTBOX_STOP_FRAMES

    def _queue(self, frame: bytes | type[StateMessage]) -> None:
        if self._idle and isinstance(frame, bytes) and self._channel.send_now(frame):
            return
        self._idle = False
        self._outbox.append(frame)
        self._outbox_filled.set()

    def _next_frame(self) -> bytes | None:
        entry = self._outbox.popleft()
        if isinstance(entry, bytes):
            return entry
        try:
            return self.session.send(self._states.pop(entry))
        except TooLarge as error:
            # What a relay's person is shown; the link itself does without.
            log.warning("%s: not told: %s", self.peer, error)
            return None

    async def _write(self) -> None:
        while True:
            while self._outbox:
                frame = self._next_frame()
                if frame is None or self._channel.send_now(frame):
                    continue
                try:
                    async with asyncio.timeout(SEND_S):
                        await self._channel.send(frame)
                except TimeoutError:
                    raise LinkSilent(f"the relay took no frame for {SEND_S:g} s") from None
            if self._leaving:
                raise ChannelClosed(1000, self.ended or "")
            self._outbox_filled.clear()
            self._idle = True
            try:
                await self._outbox_filled.wait()
            finally:
                self._idle = False

    async def _beat(self) -> None:
        while True:
            now = self._loop.time()
            if self._leaving:
                return
            beat = self.session.tick(now, self._leases(), active=self._running())
            if beat is not None:
                self._granted(now)
                self._queue(beat)
            self._expire(now)
            self._beat_wanted.clear()
            try:
                async with asyncio.timeout_at(self.session.deadline):
                    await self._beat_wanted.wait()
            except TimeoutError:
                continue

    def _expire(self, now: float) -> None:
        for number in [n for n, entry in self._waiting.items() if entry.until <= now]:
            if (entry := self._waiting.pop(number, None)) is not None:
                entry.fail(ErrorCode.TIMEOUT, "the relay did not answer in time")

    # --- in -------------------------------------------------------------------------------------

    async def _read(self, on_message: Callable[[FromRelay], None]) -> None:
        self._unasked = 0
        while True:
            frame = await self._channel.receive()
            weight = 1 + len(frame) // WEIGHT_BYTES
            self._turn.left -= weight
            self._unasked += weight - 1
            if (self._turn.left <= 0 or self._turn.queued) and self._turn.over:
                cost, self._unasked = self._unasked, 0
                await self._turn.others(cost, queue=len(frame) >= LONG_FRAME_BYTES)
            elif len(frame) >= LONG_FRAME_BYTES:
                await self._turns.next()
            if self._leaving:
                continue  # what was on its way when we said goodbye; the writer ends the link
            long = len(frame) >= LONG_FRAME_BYTES
            began = self._turns.cpu() if long else 0.0  # a call of the system
            message, answer = self.session.receive(frame, self._loop.time())
            if answer is not None:
                self._queue(answer)
            if isinstance(message, _REPLIES):
                entry = self._waiting.pop(message.id, None)
                if entry is None:
                    self._unasked += 1  # it came after its deadline, and was reported as such
                else:
                    entry.settle(message)
                continue
            self._unasked += 1
            if isinstance(message, Bye):
                # At once: nothing may be sent any more, whoever tries before `run` is over.
                self.fail_all(message.text or "the relay said goodbye")
                raise ChannelClosed(1000, self.ended or "")
            if isinstance(message, Notification) and not self._notifications.grants(
                self._loop.time()
            ):
                self.dropped += 1
            elif isinstance(message, Advertisements):
                await self._in_steps(message.items, on_message)
            else:
                on_message(message)
                if long:
                    await self._turns.rest(self._turns.cpu() - began)

    async def _in_steps(
        self, items: Sequence[Advertisement], on_message: Callable[[FromRelay], None]
    ) -> None:
        """A frame may hold two thousand."""
        for at in range(0, len(items), HEARD_AT_ONCE):
            if self._turns.over:
                await self._turns.next()
            if self._leaving:
                return
            on_message(Advertisements(tuple(items[at : at + HEARD_AT_ONCE])))
