"""From a connected peripheral to a device: identify, look up, handshake, arm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from forwarder.definitions.catalogue import Candidate
from forwarder.definitions.limits import build_features
from forwarder.definitions.model import Definition, UserDevice
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.bounds import HANDSHAKE_S, IDENTIFY_S
from forwarder.devices.driver import Fate
from forwarder.devices.handshake_runner import Notifications, StepRunner
from forwarder.devices.hardware import Hardware
from forwarder.devices.packet_driver import PacketDriver
from forwarder.errors import DeviceError, HardwareError
from forwarder.hub.device import Device, Identity
from forwarder.hub.truth import Truth
from forwarder.protocols.base import DeviceProtocol, ProtocolError
from relay.link.messages import Advertisement, Ceiling, ErrorCode, Packet

log = logging.getLogger(__name__)


@dataclass(slots=True)
class OpenedDevice:
    """A device over hardware, with what its source needs to keep it."""

    device: Device
    driver: PacketDriver
    definition: Definition
    user: UserDevice | None
    hardware: Hardware

    def apply_ceilings(self, ceilings: Sequence[Ceiling]) -> bool:
        """The wearer's or the user's limits changed: rebuild the ranges that clients see. Returns
        whether the device was stopped for that, see Device.limit."""
        address = self.hardware.address
        features = build_features(self.definition, self.user, ceilings, address=address)
        return self.device.limit(features)


async def open_device(
    hardware: Hardware,
    candidates: Sequence[Candidate],
    advertisement: Advertisement,
    user: UserConfig,
    *,
    source: str = "",
    on_failed: Callable[[DeviceError], None],
    known: Identity | None = None,
) -> OpenedDevice:
    """Make a device of connected `hardware`, by the first candidate that fits its services.

    It may be running since an earlier connection, so the radio has taken its stop when this
    returns. `known`: what it was the last time; then it is stopped before it is asked anything,
    and that stop stays armed. Else whatever ends this lets the peripheral go, until it is known
    what it is: its own stop is armed before its handshake, for some handshakes move it. Raises
    HardwareError (it did not answer; another try may work). Whether the device is allowed, and what
    the wearer's limits leave of it, is the caller's business.
    """
    name = advertisement.name or advertisement.address
    armed = None
    if known is not None:
        armed = await _stop_known(hardware, candidates, advertisement, known)
    if armed is None:
        await hardware.arm(None, gap_ms=0, keepalive=None)
    for candidate in candidates:
        hardware.bind(candidate.endpoints)
        if hardware.endpoints:
            break
    else:
        raise HardwareError(
            ErrorCode.REFUSED, f"{name} has none of the services that its kind should have."
        )
    notifications = Notifications(hardware)
    runner = StepRunner(hardware, notifications, name)
    try:
        identifier = await runner.run(candidate.identify(advertisement), IDENTIFY_S)
        model = candidate.resolve(identifier, advertisement)
        hardware.bind(model.endpoints)
        protocol = model.open(
            endpoints=hardware.endpoints,
            address=hardware.address,
            advertised_name=advertisement.name or "",
        )
        definition = model.definition
        identity = Identity(hardware.address, definition.protocol, definition.identifier)
        settings = user.device(identity.address, identity.protocol, identity.identifier)
        gap_ms = hardware.gap_ms if definition.gap_ms is None else definition.gap_ms
        if settings is not None and settings.gap_ms is not None:
            gap_ms = settings.gap_ms
        stop = _stop_so_far(protocol)
        if stop and stop != armed:
            await hardware.arm(stop, gap_ms=gap_ms, keepalive=None)
        await runner.run(protocol.handshake(), HANDSHAKE_S)
        await arm(hardware, protocol, gap_ms)
    except ProtocolError as error:
        raise HardwareError(ErrorCode.REFUSED, f"{name}: {error}") from error
    except TimeoutError:
        raise HardwareError(ErrorCode.TIMEOUT, f"{name} did not finish its handshake.") from None
    truth = Truth()
    hardware.follow(truth)
    driver = PacketDriver(definition.name, hardware, protocol, notifications, on_failed, truth)
    device = Device(
        identity,
        definition.name,
        build_features(definition, settings, address=hardware.address),
        driver,
        gap_ms=gap_ms,
        source=source,
        display_name=settings.display_name if settings is not None else None,
        wished_index=settings.index if settings is not None else None,
        truth=truth,
    )
    return OpenedDevice(device, driver, definition, settings, hardware)


async def stop_device(
    hardware: Hardware,
    candidates: Sequence[Candidate],
    advertisement: Advertisement,
    known: Identity,
) -> None:
    """Stop connected `hardware` and nothing else, as what it was the last time. A model without
    packets for that is stopped by letting it go, which is up to the caller. Raises HardwareError.
    """
    if await _stop_known(hardware, candidates, advertisement, known) is None:
        await hardware.arm(None, gap_ms=0, keepalive=None)


async def _stop_known(
    hardware: Hardware,
    candidates: Sequence[Candidate],
    advertisement: Advertisement,
    known: Identity,
) -> tuple[Packet, ...] | None:
    """Arm and stop it as what it was the last time; returns what is armed, None if that is not
    possible any more."""
    for candidate in candidates:
        try:
            model = candidate.resolve(known.identifier, advertisement)
            hardware.bind(model.endpoints)
            if model.definition.protocol != known.protocol or not hardware.endpoints:
                continue
            protocol = model.open(endpoints=hardware.endpoints, address=hardware.address)
            stop = protocol.armed()
        except ProtocolError:
            continue  # the catalogue changed meanwhile
        if stop:
            gap_ms = hardware.gap_ms if model.definition.gap_ms is None else model.definition.gap_ms
            await hardware.arm(stop, gap_ms=gap_ms, keepalive=None)
            await _take_stop(hardware, protocol.stop(None) or stop)
            return stop
    return None


def _stop_so_far(protocol: DeviceProtocol) -> tuple[Packet, ...] | None:
    """What stops it before its handshake; None if only the handshake tells."""
    try:
        return protocol.armed()
    except ProtocolError:
        return None


async def arm(hardware: Hardware, protocol: DeviceProtocol, gap_ms: int) -> None:
    """Hand over the device's stop, and have the radio take it: nobody knows what it does."""
    keepalive, stop = protocol.keepalive, protocol.armed()
    await hardware.arm(stop, gap_ms=gap_ms, keepalive=keepalive)
    # Without packets that stop it from any state, the connection that ended before was its stop.
    if stop or (keepalive is not None and keepalive.primed):
        # A protocol may hold that nothing it has not started needs to be stopped.
        await _take_stop(hardware, protocol.stop(None) or stop or ())
    else:
        await _take_stop(hardware, ())


async def _take_stop(hardware: Hardware, packets: Sequence[Packet]) -> None:
    if await hardware.stop(packets, everything=True) is not Fate.TAKEN:
        raise HardwareError(ErrorCode.GONE, "Its relay went away before it took its stop.")
