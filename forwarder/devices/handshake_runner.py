"""Carries out handshakes and queries: the generators of `protocols.base`, over real hardware."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

from forwarder.devices.bounds import KEPT_NOTIFICATIONS
from forwarder.devices.driver import Outcome
from forwarder.devices.hardware import Hardware
from forwarder.errors import HardwareError
from forwarder.hub.sharing import Shared
from forwarder.protocols.base import (
    NoticeStep,
    ProtocolError,
    ReadStep,
    SleepStep,
    Step,
    StepFailed,
    Steps,
    SubscribeStep,
    UnsubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.connecting import FAULTS

log = logging.getLogger(__name__)


# Who holds what steps began: for as long as the device is there, or until they end it.
_THE_DEVICE: Final = "the device"

T = TypeVar("T")
NotificationListener = Callable[[bytes], None]


class Notifications:
    """One peripheral's notifications, shared by whoever wants them: steps, and subscribed inputs.

    The peripheral notifies on an endpoint for as long as anybody holds it. A holder is a value: an
    input, or the device itself. What its handshake or a query began, its protocol goes on using, as
    it does at the reference server: later queries wait for answers there.
    """

    def __init__(self, hardware: Hardware) -> None:
        self._hardware = hardware
        self._listeners: dict[str, list[NotificationListener]] = {}
        self._held: dict[str, Shared[Hashable]] = {}

    def _of(self, endpoint: str) -> Shared[Hashable]:
        if endpoint not in self._held:
            self._held[endpoint] = Shared(
                lambda: self._hardware.subscribe(endpoint, partial(self._heard, endpoint)),
                lambda: self._hardware.unsubscribe(endpoint),
            )
        return self._held[endpoint]

    def hold(self, endpoint: str, holder: Hashable) -> Outcome:
        """Have the peripheral notify on `endpoint`; see Shared.take."""
        return self._of(endpoint).take(holder)

    async def subscribe(self, endpoint: str, holder: Hashable) -> None:
        """The same, and wait until it does. Raises HardwareError."""
        await self._of(endpoint).hold(holder)

    def release(self, endpoint: str, holder: Hashable) -> Outcome | None:
        """Have the peripheral end it, if nobody else holds it; see Shared.release."""
        return self._of(endpoint).release(holder)

    def listen(self, endpoint: str, listener: NotificationListener) -> None:
        self._listeners.setdefault(endpoint, []).append(listener)

    def unlisten(self, endpoint: str, listener: NotificationListener) -> None:
        self._listeners[endpoint].remove(listener)

    def _heard(self, endpoint: str, data: bytes) -> None:
        for listener in tuple(self._listeners.get(endpoint, ())):
            listener(data)


class _Inbox:
    """What arrived on the endpoints that the current steps care about."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[bytes]] = {}
        self._arrived = asyncio.Event()

    def queue(self, endpoint: str) -> deque[bytes]:
        return self._queues.setdefault(endpoint, deque(maxlen=KEPT_NOTIFICATIONS))

    def put(self, endpoint: str, data: bytes) -> None:
        self.queue(endpoint).append(data)
        self._arrived.set()

    def clear(self) -> None:
        for queue in self._queues.values():
            queue.clear()

    async def get(self, endpoint: str) -> bytes:
        queue = self.queue(endpoint)
        while not queue:
            self._arrived.clear()
            await self._arrived.wait()
        return queue.popleft()


class StepRunner:
    """Runs the steps of one device, one generator at a time."""

    def __init__(self, hardware: Hardware, notifications: Notifications, name: str) -> None:
        self._hardware = hardware
        self._notifications = notifications
        self._name = name

    async def run(self, steps: Steps[T], deadline_s: float) -> T:
        """Return what the generator returns.

        Raises ProtocolError (the device did not answer as it must), HardwareError (it could not be
        reached), TimeoutError after `deadline_s`.
        """
        inbox = _Inbox()
        with self._listening(inbox) as listen:
            async with asyncio.timeout(deadline_s):
                return await self._drive(steps, inbox, listen)

    @contextmanager
    def _listening(self, inbox: _Inbox) -> Iterator[Callable[[str], None]]:
        listeners: dict[str, NotificationListener] = {}

        def listen(endpoint: str) -> None:
            if endpoint not in listeners:
                listeners[endpoint] = lambda data: inbox.put(endpoint, data)
                self._notifications.listen(endpoint, listeners[endpoint])

        try:
            yield listen
        finally:
            for endpoint, listener in listeners.items():
                self._notifications.unlisten(endpoint, listener)

    async def _drive(self, steps: Steps[T], inbox: _Inbox, listen: Callable[[str], None]) -> T:
        # Whatever is already subscribed may be waited for without a SubscribeStep of its own.
        for endpoint in self._hardware.endpoints:
            listen(endpoint)
        brought: bytes | None = None
        failure: StepFailed | None = None
        while True:
            try:
                step = steps.send(brought) if failure is None else steps.throw(failure)
            except StopIteration as end:
                result: T = end.value
                return result
            except FAULTS as error:
                # It took apart what the device sent, which may be anything.
                raise ProtocolError(f"what {self._name} answered makes no sense") from error
            brought, failure = None, None
            try:
                brought = await self._step(step, inbox)
            except HardwareError as error:
                failure = StepFailed(str(error))
                failure.__cause__ = error
            except StepFailed as error:
                failure = error

    async def _step(self, step: Step, inbox: _Inbox) -> bytes | None:
        hardware = self._hardware
        match step:
            case WriteStep(endpoint, data, response, asks):
                if asks:
                    inbox.clear()
                await hardware.write(endpoint, data, response)
            case ReadStep(endpoint):
                return await hardware.read(endpoint)
            case SubscribeStep(endpoint):
                await self._notifications.subscribe(endpoint, _THE_DEVICE)
            case UnsubscribeStep(endpoint):
                ending = self._notifications.release(endpoint, _THE_DEVICE)
                if ending is not None:
                    await ending
            case WaitStep(endpoint, timeout_ms):
                try:
                    async with asyncio.timeout(timeout_ms / 1000):
                        return await inbox.get(endpoint)
                except TimeoutError:
                    raise StepFailed(
                        f"{self._name} said nothing on {endpoint} for {timeout_ms} ms"
                    ) from None
            case SleepStep(ms):
                await asyncio.sleep(ms / 1000)
            case NoticeStep(text):
                log.warning("%s: %s", self._name, text)
        return None
