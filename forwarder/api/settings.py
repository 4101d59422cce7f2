"""What the user decides about devices: checked, written to the user's file, applied at once."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path
from typing import Never

import msgspec
from msgspec import UNSET

from forwarder.api.bounds import FILE_LOOK_S
from forwarder.api.documents.model import DeviceBody, LimitBody
from forwarder.api.services import ApiServices
from forwarder.definitions.model import Definition, OutputLimit, UserDevice
from forwarder.definitions.user_files.kept import KeptUserFile
from forwarder.definitions.user_files.user import UserConfig, canonical_address
from forwarder.devices.device_setup import OpenedDevice
from forwarder.errors import ConfigError, UnknownDevice
from forwarder.hub.device import Device
from forwarder.sources.relays.choosing.pins import How, Pins, with_pin
from forwarder.sources.relays.relay import Relay
from relay.link.files.keys import PrivateFileError
from relay.link.files.statefile import read_state, write_state
from relay.link.names import neutralise, quoted

log = logging.getLogger(__name__)


class DeviceSettings:
    """Changes one device at a time, whether it is connected or not, and what somebody else has
    written to the user's file while that is looked after (`run`)."""

    def __init__(self, services: ApiServices, pins: PinFile) -> None:
        self._services = services
        self._pins = pins
        self._file = KeptUserFile(services.user_file, services.user)
        self._told = ""

    async def run(self) -> Never:
        """Look now and then whether somebody else has written the file, until cancelled."""
        while True:
            await asyncio.sleep(FILE_LOOK_S)
            self.look()

    def look(self) -> None:
        """Apply what somebody else has written to the file; what is wrong there is logged once."""
        try:
            self._reread()
            self._told = ""
        except ConfigError as error:
            if str(error) != self._told:
                log.warning("%s What it said before stays in force.", error)
            self._told = str(error)

    def _reread(self) -> None:
        """Raises ConfigError."""
        user, relays = self._services.user, self._services.relays
        at_start = user.at_start()
        if not self._file.look():
            return
        log.info("%s was changed, and is read again", self._services.user_file)
        if user.at_start() != at_start:
            log.warning("%s: its protocols and simulated_devices count from the next start",
                        self._services.user_file)  # fmt: skip
        for decided in user.devices():
            relays.reconsider(decided.address)
        for device in tuple(self._services.hub.devices.values()):
            if (found := relays.place(device)) is not None:
                self._take_over(device, *found)

    def _take_over(self, device: Device, relay: Relay, opened: OpenedDevice) -> None:
        self._decided(device, opened)
        if opened.apply_ceilings(relay.wearer.ceilings):
            self._services.hub.stopped(device, "its limits were changed")
        if self._services.user.allowed(device.identity.address):
            self._services.hub.changed(device)
        else:
            self._services.relays.let_go(device, "the user denied it")

    def change(self, index: int, body: DeviceBody) -> str:
        """Carry out `body`; returns what was done, in words.

        Nothing has changed if it raises: UnknownDevice, ConfigError (also if somebody else has
        written the user's file wrongly), OSError from the disk.
        """
        self._reread()
        device = self._services.hub.devices.get(index)
        if device is None:
            return self._change_absent(index, body)
        found = self._services.relays.place(device)
        if found is None:
            raise ConfigError(
                f"{device.shown_name} comes from another server; change its settings there."
            )
        relay, opened = found
        pinned = self._pin_target(body)
        if body.display_name is not UNSET or body.limits is not UNSET or body.deny is not UNSET:
            draft = self._services.user.copy()
            draft.remember(
                device.identity.address, device.identity.identifier, opened.definition, index
            )
            self._decide(draft, self._entry(draft, device), body, opened.definition)
            self._file.save(draft)
        if body.pin is not UNSET:
            self._pins.set(device.identity.address, pinned, body.pin_how)
        return self._apply(device, relay, opened, body)

    def _change_absent(self, index: int, body: DeviceBody) -> str:
        """Only what needs no knowledge of the device: name, denial, pin."""
        known = next((k for k in self._services.store.known if k.index == index), None)
        if known is None:
            raise UnknownDevice(index)
        if body.limits is not UNSET:
            raise ConfigError(f"{known.name} is not connected: its limits need it to be.")
        pinned = self._pin_target(body)
        if body.display_name is not UNSET or body.deny is not UNSET:
            draft = self._services.user.copy()
            entry = draft.device(known.address, known.protocol, known.identifier)
            if entry is None:
                raise ConfigError(f"{known.name} is not connected: connect it once for that.")
            self._decide(draft, entry, body, None)
            self._file.save(draft)
        if body.pin is not UNSET:
            self._pins.set(known.address, pinned, body.pin_how)
        self._services.relays.reconsider(known.address)
        return f"{neutralise(known.name)} is set; it is not connected now."

    def _entry(self, user: UserConfig, device: Device) -> UserDevice:
        identity = device.identity
        entry = user.device(identity.address, identity.protocol, identity.identifier)
        assert entry is not None  # remember() has just made sure of it
        return entry

    def _decide(
        self, user: UserConfig, entry: UserDevice, body: DeviceBody, definition: Definition | None
    ) -> None:
        if body.display_name is not UNSET:
            name = None if body.display_name is None else neutralise(body.display_name, 64)
            user.set_choice(entry, display_name=name or None)
        if body.deny is not UNSET:
            user.set_choice(entry, deny=body.deny)
        if body.limits is not UNSET:
            assert definition is not None
            for limit in body.limits:
                steps = _steps(definition, limit)
                user.set_limit(entry, definition, limit.feature, limit.type, steps)

    def _pin_target(self, body: DeviceBody) -> str | None:
        """The key of the relay that `body.pin` names. Raises ConfigError if there is none."""
        if body.pin is UNSET or body.pin is None:
            return None
        wanted = neutralise(body.pin).casefold()
        for relay in self._services.relays.relays.values():
            if neutralise(relay.name).casefold() == wanted:
                return relay.key
        for paired in self._services.trust.book:
            if neutralise(paired.name).casefold() == wanted:
                return paired.key.hex()
        raise ConfigError(f"There is no relay {quoted(body.pin)}.")

    def _apply(self, device: Device, relay: Relay, opened: OpenedDevice, body: DeviceBody) -> str:
        hub, relays = self._services.hub, self._services.relays
        self._decided(device, opened)
        limited = body.limits is not UNSET
        # What runs now may be more than is allowed from now on.
        if limited and opened.apply_ceilings(relay.wearer.ceilings):
            hub.stopped(device, "its limits were changed")
        if body.deny is True:
            relays.let_go(device, "the user denied it")
            return f"{device.shown_name} is denied and was disconnected."
        pinned = self._pins.pins.of(device.identity.address, relay.key, relay.name)
        if body.pin is not UNSET and pinned.may_not is not None:
            relays.let_go(device, "the user wants another relay to have it")
            return f"{device.shown_name} moves to another relay: {relay.name} may not have it."
        hub.changed(device)
        return f"{device.shown_name} is set."

    def _decided(self, device: Device, opened: OpenedDevice) -> None:
        identity = device.identity
        opened.user = self._services.user.device(
            identity.address, identity.protocol, identity.identifier
        )
        device.display_name = None if opened.user is None else opened.user.display_name


def _steps(definition: Definition, body: LimitBody) -> OutputLimit:
    spec = next((one for one in definition.features if one.index == body.feature), None)
    if spec is None or body.type not in spec.outputs:
        raise ConfigError(f"{definition.name} has no output {body.type} at {body.feature}.")
    if body.lowest >= body.highest and not body.disabled:
        raise ConfigError("The lowest of a limit lies below the highest.")
    high = spec.outputs[body.type].high
    # The tiny addend keeps 7 % of 100 at 7.
    highest = math.floor(high * body.highest / 100 + 1e-9)
    lowest = math.floor(high * body.lowest / 100 + 1e-9)
    if highest <= lowest and not body.disabled:
        raise ConfigError(f"{definition.name}: nothing of its {high} steps is left by this limit.")
    whole = (lowest, highest) == (0, high)
    return OutputLimit(None if whole else (lowest, highest), disabled=body.disabled)


# 1 knew only "this relay alone": its values are keys, those of 2 say how each key is pinned.
_FORMAT, _OLDEST = 2, 1
_REMEDY = "repair it, or delete it and pin the devices again"


class _PinFile(msgspec.Struct, frozen=True):
    version: int
    pins: dict[str, str | dict[str, How]]


class PinFile:
    """Keeps what a person decides about `pins`, those of the relay source, in a file."""

    def __init__(self, path: Path, pins: Pins) -> None:
        """Raises ConfigError if the file is damaged or newer."""
        self._path = path
        self.pins = pins
        try:
            file = read_state(path, _PinFile, _FORMAT, _REMEDY, oldest=_OLDEST)
        except PrivateFileError as error:
            raise ConfigError(f"{error}.") from error
        kept = {} if file is None else file.pins
        pins.adopt({at: {to: How.ONLY} if isinstance(to, str) else to for at, to in kept.items()})

    def set(self, address: str, key: str | None, how: How) -> None:
        """Pin the device, or with None take back what was decided about it. Raises OSError."""
        decided = {known: dict(pins) for known, pins in self.pins.decided.items()}
        here = canonical_address(address)
        known = decided.pop(here, {})
        if key is not None:
            decided[here] = with_pin(known, key, how)
        write_state(self._path, _PinFile(_FORMAT, dict(decided)))
        self.pins.adopt(decided)
