"""What protocols in Python have in common: checks, and answers for what most of them lack."""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.protocols.base import (
    KeptAlive,
    ProtocolError,
    ReadStep,
    StepFailed,
    Steps,
)
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Packet


class PlainProtocol:
    """A device without handshake, inputs and clock. Says what it is missing by its name.

    `kinds`: the outputs that its packets have words for; a file may name others.
    """

    kinds: frozenset[OutputType]

    def __init__(self, opening: DeviceMemory) -> None:
        self._opening = opening
        self._name = opening.definition.name
        self._features = {one.index: one for one in opening.definition.features}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"

    @property
    def keepalive(self) -> KeptAlive | None:
        return None

    def handshake(self) -> Steps[None]:
        return
        yield

    def shares_packets(self, feature: int) -> bool:
        del feature
        return False

    @property
    def listens(self) -> tuple[str, ...]:
        return ()

    def heard(self, endpoint: str, data: bytes) -> tuple[Packet, ...]:
        del endpoint, data
        return ()

    @property
    def tick_ms(self) -> int | None:
        return None

    def tick(self) -> tuple[Packet, ...]:
        return ()

    def read(self, feature: int, kind: InputType) -> Steps[int]:
        """Bluetooth's own battery level: one byte, percent."""
        self._check_input(feature, kind)
        if kind is not InputType.BATTERY or "rxblebattery" not in self._opening.endpoints:
            raise ProtocolError(f"{self._name}: its protocol does not say how to read {kind}")
        try:
            data = yield ReadStep("rxblebattery")
        except StepFailed as error:
            raise ProtocolError(f"{self._name}: its battery could not be read: {error}") from error
        if not data or data[0] > 100:
            raise ProtocolError(f"{self._name}: what its battery answers makes no sense")
        return data[0]

    def subscription(self, feature: int, kind: InputType) -> str:
        self._check_input(feature, kind)
        raise ProtocolError(f"{self._name}: {kind} cannot be subscribed to")

    def reading(self, feature: int, kind: InputType, data: bytes) -> int | None:
        del feature, kind, data
        return None

    def _check_input(self, feature: int, kind: InputType) -> None:
        if feature not in self._features or kind not in self._features[feature].inputs:
            raise ProtocolError(f"{self._name}: feature {feature} has no {kind}")

    def _check_output(self, feature: int, kind: OutputType) -> None:
        if kind not in self.kinds:
            raise ProtocolError(f"{self._name}: its protocol has no word for {kind}")
        if feature not in self._features or kind not in self._features[feature].outputs:
            raise ProtocolError(f"{self._name}: feature {feature} has no {kind}")

    def _chosen(self, features: Collection[int] | None) -> list[int]:
        """The features among these that have an output, in order."""
        return [
            index
            for index, feature in sorted(self._features.items())
            if feature.outputs and (features is None or index in features)
        ]
