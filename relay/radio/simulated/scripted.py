"""`ScriptedToy`: a peripheral that a test plays itself, with reads from a queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence

from relay.link.messages import ErrorCode
from relay.radio.base import RadioError
from relay.radio.simulated.faults import FaultPoint
from relay.radio.simulated.models import ToyCharacteristic, ToyModel
from relay.radio.simulated.toy import Toy

# How long a read waits for the script: what the reference's own runner of device cases grants.
SCRIPT_PATIENCE_S = 0.05

ANY_USE = "rwWn"


class ScriptedToy(Toy):
    """Has the given services and says nothing by itself; `push_read` and `notify` are its script.

    `services`: service UUID → role → characteristic UUID; every characteristic allows every use.
    Its `record` holds writes, subscribes and unsubscribes in order, with reads in between.
    """

    def __init__(
        self,
        services: Mapping[str, Mapping[str, str]],
        address: str,
        *,
        name: str,
        uuids: Sequence[str] = (),
        manufacturer: Mapping[int, bytes] | None = None,
    ) -> None:
        # Some protocols list a role in several services, of which a real device has one.
        roles: set[str] = set()
        kept: dict[str, tuple[ToyCharacteristic, ...]] = {}
        for service, group in services.items():
            kept[service] = tuple(
                ToyCharacteristic(role, uuid, ANY_USE)
                for role, uuid in group.items()
                if role not in roles
            )
            roles.update(group)
        model = ToyModel(
            name=name,
            protocol="",
            advertised=(name,),
            services={service: group for service, group in kept.items() if group},
            uuids=tuple(uuids),
            manufacturer={company: data.hex() for company, data in (manufacturer or {}).items()},
        )
        super().__init__(model, address, advertised=name)
        self._reads: deque[tuple[str, bytes]] = deque()
        self._pushed = asyncio.Event()

    def push_read(self, role: str, data: bytes) -> None:
        """Answer the next read that nothing is queued for; reads take answers in order."""
        self._reads.append((role, data))
        self._pushed.set()

    async def give(self, role: str) -> bytes:
        """Answer with the oldest queued value; it is used up even if it was meant for another role.

        Raises RadioError TIMEOUT when the script has none, REFUSED when the role differs.
        """
        while not self._reads:
            self._pushed.clear()
            try:
                async with asyncio.timeout(SCRIPT_PATIENCE_S):
                    await self._pushed.wait()
            except TimeoutError:
                text = f"The script of {self.name} has no answer for reading {role}."
                raise RadioError(ErrorCode.TIMEOUT, text) from None
        meant, data = self._reads.popleft()
        if meant != role:
            text = f"The script of {self.name} answers a read of {meant}, not of {role}."
            raise RadioError(ErrorCode.REFUSED, text)
        self._note(FaultPoint.READ, role, data)
        return data
