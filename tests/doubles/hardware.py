"""`RecordingHardware`: writes down what a driver or a handshake asks of a peripheral."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from forwarder.devices.driver import Fate, Outcome, settled
from forwarder.devices.hardware import EndpointsOf, OnNotification
from forwarder.errors import HardwareError
from forwarder.hub.truth import Truth
from forwarder.protocols.base import KeptAlive
from relay.link.messages import ErrorCode, Packet, Service

Call = tuple[object, ...]


class RecordingHardware:
    """`calls` is everything in order; `reads` answers reads; `broken` endpoints fail.

    `away`: outputs are refused at once; `failing`: they fail once they were tried.
    """

    gap_ms = 50
    address = "AA:01"

    def __init__(self, *endpoints: str) -> None:
        self.calls: list[Call] = []
        self.moves: list[int | None] = []
        self.times: list[tuple[float | None, bool]] = []
        self.lead_s: float | None = None
        self.reads: deque[bytes] = deque()
        self.broken: set[str] = set()
        self.away = False
        self.failing = False
        self.listeners: dict[str, OnNotification] = {}
        self.endpoints = {name: at for at, name in enumerate(endpoints, 1)}

    def bind(self, endpoints_of: EndpointsOf) -> None:
        self.calls.append(("bind",))

    def services(self) -> tuple[Service, ...]:
        return ()

    def _outcome(self) -> Outcome:
        outcome = Outcome()
        outcome.set_result(Fate.TAKEN)
        return outcome

    def output(
        self,
        packets: Sequence[Packet],
        *,
        merge: bool,
        at_rest: bool,
        moves_ms: int | None = None,
        at: float | None = None,
        off: bool = False,
    ) -> Outcome:
        self.moves.append(moves_ms)
        self.times.append((at, off))
        if self.away:
            raise HardwareError(ErrorCode.GONE, "the relay is away")
        self.calls.append(("output", tuple(p.data for p in packets), merge, at_rest))
        outcome = self._outcome()
        if self.failing:
            outcome = Outcome()
            outcome.set_exception(HardwareError(ErrorCode.RADIO, "the radio said no"))
        return outcome

    def lead(self) -> float | None:
        return self.lead_s

    def stop(
        self, packets: Sequence[Packet], *, everything: bool, at_rest: bool = False
    ) -> Outcome:
        self.calls.append(("stop", tuple(p.data for p in packets), everything))
        return self._outcome()

    def own_stop(self) -> Outcome:
        self.calls.append(("own stop",))
        return settled()

    def _check(self, endpoint: str) -> None:
        if endpoint in self.broken:
            raise HardwareError(ErrorCode.REFUSED, f"{endpoint} said no")

    async def write(self, endpoint: str, data: bytes, response: bool) -> None:
        self.calls.append(("write", endpoint, data))
        self._check(endpoint)

    async def read(self, endpoint: str) -> bytes:
        self.calls.append(("read", endpoint))
        self._check(endpoint)
        return self.reads.popleft()

    def subscribe(self, endpoint: str, on_value: OnNotification) -> Outcome:
        self.calls.append(("subscribe", endpoint))
        self._check(endpoint)
        self.listeners[endpoint] = on_value
        return _done()

    def unsubscribe(self, endpoint: str) -> Outcome:
        self.calls.append(("unsubscribe", endpoint))
        self.listeners.pop(endpoint, None)
        return _done()

    async def arm(
        self, stop: Sequence[Packet] | None, *, gap_ms: int, keepalive: KeptAlive | None
    ) -> None:
        shown = None if stop is None else tuple(packet.data for packet in stop)
        self.calls.append(("arm", shown, gap_ms))

    def follow(self, truth: Truth) -> None:
        """It does not matter here whether anything runs."""

    async def disconnect(self) -> None:
        self.calls.append(("disconnect",))


def _done() -> Outcome:
    done = Outcome()
    done.set_result(Fate.TAKEN)
    return done
