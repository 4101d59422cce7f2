"""One dashboard's websocket: changes out, test-drives in. Closing it stops what it drove."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable

import msgspec

from forwarder.access.admission import AdmissionRefused, Admitted, Gatekeeper, HttpVisitor
from forwarder.api.access import Access, AccessRefused, Caller, Right
from forwarder.api.bounds import DASHBOARD_SEND_S, HELLO_S, SILENCE_S, UNDER_WAY
from forwarder.api.controllers import Controller
from forwarder.api.dashboard.stream import (
    Alive,
    CallerHello,
    CallerMessage,
    CallerRelease,
    Drive,
    Feed,
    Watch,
    pace,
)
from forwarder.api.documents.model import OutputBody
from forwarder.api.services import ApiServices
from forwarder.devices.driver import Outcome
from forwarder.errors import DeviceError, ForwarderError
from forwarder.hub.hub import Hub
from relay.link.channel import Channel
from relay.link.close_codes import POLICY_VIOLATION, TRY_AGAIN, UNKNOWN_TOKEN
from relay.link.errors import ChannelClosed
from relay.link.misfit import misfit
from relay.link.tasks.groups import ConnectionTasks, first_error

log = logging.getLogger(__name__)


_decoder: msgspec.json.Decoder[CallerMessage] = msgspec.json.Decoder(CallerMessage)


class LeaveDashboard(Exception):
    """Ends a caller's websocket, by a close code and a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class EventsGate(Gatekeeper):
    """Lets callers of the events open a websocket; who they are, their first message may say."""

    def __init__(self, access: Access) -> None:
        super().__init__()
        self._access = access

    def admit(self, visitor: HttpVisitor) -> Admitted | AdmissionRefused:
        refusal = self._access.refuse_call(visitor)
        if refusal is not None:
            return AdmissionRefused(refusal.status, refusal.text)
        caller = self._access.caller(visitor)
        if isinstance(caller, Caller):
            return Admitted(visitor, caller, visitor.origin is None, whose(caller))
        if visitor.tokens:
            return AdmissionRefused(caller.status, caller.text)
        return Admitted(visitor, proven=False)

    def admit_page(self, visitor: HttpVisitor) -> bool:
        return self._access.guest_page(visitor) is not None


def whose(caller: Caller) -> Hashable | None:
    """What stands for the token that it came with."""
    return caller.grant or caller.token or None


async def greeted(channel: Channel, access: Access, admitted: Admitted) -> Caller:
    """Who came, by the first message; it has its place then. `admitted`: by EventsGate; its grant
    is the caller, if the upgrade said who that is, and its `settle` is asked once the caller is
    known; False means that there is no place for it. Raises LeaveDashboard, ChannelClosed."""
    try:
        async with asyncio.timeout(HELLO_S):
            said = _read(await channel.receive())
    except TimeoutError:
        raise LeaveDashboard(POLICY_VIOLATION, "no hello came") from None
    if not isinstance(said, CallerHello):
        raise LeaveDashboard(POLICY_VIOLATION, "the first message is a hello")
    caller = _known(said, access, admitted)
    if not admitted.settle(caller.grant or caller.token or None):
        raise LeaveDashboard(TRY_AGAIN, "too many dashboards are open")
    return caller


def _known(said: CallerHello, access: Access, admitted: Admitted) -> Caller:
    if not said.token:
        if admitted.grant is None:
            raise LeaveDashboard(UNKNOWN_TOKEN, "Whoever is not on this machine needs a token.")
        assert isinstance(admitted.grant, Caller)
        return admitted.grant
    caller = access.by_token(said.token, admitted.visitor)
    if isinstance(caller, AccessRefused):
        # RFC 6455, 5.5: a reason has 123 bytes at most.
        raise LeaveDashboard(UNKNOWN_TOKEN, caller.text[:120])
    return caller


def _read(frame: str | bytes) -> CallerMessage:
    try:
        return _decoder.decode(frame)
    except msgspec.MsgspecError as error:
        raise LeaveDashboard(
            POLICY_VIOLATION, f"not understood: {misfit(error, CallerMessage)}"[:120]
        ) from error


class DashboardSession:
    """`admitted`: by EventsGate, as for `greeted`."""

    def __init__(
        self,
        channel: Channel,
        services: ApiServices,
        watch: Watch,
        access: Access,
        admitted: Admitted,
    ) -> None:
        self._channel = channel
        self._services = services
        self._hub: Hub = services.hub
        self._watch = watch
        self._access = access
        self._admitted = admitted
        self._driver: Controller | None = None
        self._heard = 0.0
        self._under_way = 0

    async def run(self) -> None:
        """Serve until either end closes."""
        try:
            caller = await greeted(self._channel, self._access, self._admitted)
            if caller.grant is None:
                with self._access.connected(caller):
                    await self._session(caller)
            else:
                await self._services.guests.serve(
                    self._channel, caller.grant, lambda: self._session(caller)
                )
        except* LeaveDashboard as group:
            leave = first_error(group)
            assert isinstance(leave, LeaveDashboard)
            await self._channel.close(leave.code, leave.reason)
        except* ChannelClosed:
            pass  # the usual end: the page was closed

    async def _session(self, caller: Caller) -> None:
        driver = Controller(self._hub, caller.name, "dashboard", caller.grant)
        self._driver = driver if caller.may(Right.DRIVE) else None
        self._watch.readers += 1
        try:
            async with ConnectionTasks() as tasks:
                tasks.create_task(self._write(caller, driver), name="dashboard writer")
                tasks.create_task(self._listen(caller, driver), name="dashboard silence")
                while True:
                    self._hear(_read(await self._channel.receive()))
        finally:
            self._watch.readers -= 1
            # Synchronous: the stops are on their way whatever happens to this task.
            driver.leave()

    def _hear(self, said: CallerMessage) -> None:
        self._heard = asyncio.get_running_loop().time()
        driver = self._driver
        match said:
            case Alive() | CallerHello():
                return
            case CallerRelease():
                if driver is not None:
                    driver.leave()
            case Drive():
                if driver is None:
                    raise LeaveDashboard(POLICY_VIOLATION, "this caller may only look")
                self._drive(driver, said)

    def _drive(self, driver: Controller, said: Drive) -> None:
        if self._under_way >= UNDER_WAY and said.steps:
            return  # the hand is still moving: a newer value follows, if it is not an off
        body = OutputBody(
            type=said.type, feature=said.feature, steps=said.steps, duration_ms=said.duration_ms
        )
        try:
            _, outcomes = driver.output(said.device, body)
        except ForwarderError as error:
            driver.troubles.append(str(error))
            return
        for outcome in outcomes:
            self._under_way += 1
            outcome.add_done_callback(self._settled)

    def _settled(self, outcome: Outcome) -> None:
        self._under_way -= 1
        error = None if outcome.cancelled() else outcome.exception()
        if isinstance(error, DeviceError) and self._driver is not None:
            self._driver.troubles.append(str(error))

    async def _write(self, caller: Caller, driver: Controller) -> None:
        clock = asyncio.get_running_loop().time

        def troubles() -> tuple[str, ...]:
            texts = tuple(driver.troubles)
            driver.troubles.clear()
            return texts

        feed = Feed(self._watch, self._services, caller, troubles)
        while True:
            now = clock()
            change = feed.next(now)
            if change is not None:
                try:
                    async with asyncio.timeout(DASHBOARD_SEND_S):
                        await self._channel.send(change.decode())
                except TimeoutError:
                    raise LeaveDashboard(TRY_AGAIN, "the dashboard does not read") from None
            await pace(now)

    async def _listen(self, caller: Caller, driver: Controller) -> None:
        """Stop what a page drives that is not heard any more, however its socket looks; end the
        session of an owner whose token was renewed."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(SILENCE_S / 6)
            if not self._access.holds(caller):
                raise LeaveDashboard(
                    UNKNOWN_TOKEN, "This token was replaced, or this page is not allowed any more."
                )
            if driver in self._hub.clients and clock() - self._heard > SILENCE_S:
                driver.leave()
                driver.troubles.append(
                    "What you drove was stopped: this page was not heard for 3 seconds."
                )
