"""`Subscriptions`: which clients hear which inputs. A device is told once, however many listen, and
told again when the last of them has gone.
"""

from __future__ import annotations

from collections.abc import Collection

from forwarder.buttplug.messages import InputCommand, InputType
from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import UnknownDevice
from forwarder.hub.client import HubClient
from forwarder.hub.device import Device
from forwarder.hub.sharing import Shared

InputKey = tuple[int, int, InputType]
"""Index of the device, feature, input."""


class _SharedInput:
    """One input of a device, and who hears it."""

    def __init__(self, device: Device, feature: int, kind: InputType) -> None:
        self._of = device, feature, kind
        self.heard_by: Shared[HubClient] = Shared(
            lambda: device.subscribe(feature, kind, self._heard),
            lambda: device.unsubscribe(feature, kind),
        )

    def _heard(self, value: int) -> None:
        for client in self.heard_by.holders:
            client.reading(*self._of, value)


class Subscriptions:
    """Those of one hub. Whoever leaves waits for nothing: what ends is on its way at once."""

    def __init__(self) -> None:
        self._inputs: dict[InputKey, _SharedInput] = {}

    def __len__(self) -> int:
        """Inputs that anybody has asked for since their device came."""
        return len(self._inputs)

    def subscribe(
        self, client: HubClient, device: Device, feature: int, kind: InputType
    ) -> Outcome:
        """Send readings to `client` from now on; a second subscription changes nothing.

        Raises DeviceError, or the future fails with it: then it hears nothing.
        """
        # What is no input of the device must not leave a trace here.
        device.check_input(feature, kind, InputCommand.SUBSCRIBE)
        key = (device.index, feature, kind)
        one = self._inputs.setdefault(key, _SharedInput(device, feature, kind))
        begun = one.heard_by.take(client)
        outcome = Outcome()

        def told(begun: Outcome) -> None:
            error = None if begun.cancelled() else begun.exception()
            if self._inputs.get(key) is not one or begun.cancelled():
                error = UnknownDevice(key[0])  # it left in the meantime
            if outcome.done():
                return  # nobody waits any more
            if error is None:
                outcome.set_result(Fate.TAKEN)
            else:
                outcome.set_exception(error)
                outcome.exception()  # nobody has to look

        begun.add_done_callback(told)
        return outcome

    def unsubscribe(
        self, client: HubClient, device: Device, feature: int, kind: InputType
    ) -> Outcome | None:
        """End it; None if there is nothing to wait for. Raises HardwareError: the device could not
        be told, and `client` hears nothing any more all the same."""
        one = self._inputs.get((device.index, feature, kind))
        return None if one is None else one.heard_by.release(client)

    def stop(
        self, client: HubClient, device: Device, features: Collection[int] | None = None
    ) -> None:
        """`client` hears nothing of these features, or all, any more."""
        for (index, feature, _), one in self._inputs.items():
            if index == device.index and (features is None or feature in features):
                one.heard_by.leave(client)

    def leave(self, client: HubClient) -> None:
        """`client` hears nothing at all any more."""
        for one in self._inputs.values():
            one.heard_by.leave(client)

    def forget(self, device: Device) -> None:
        """It is not here any more; where it goes on, it need not tell us anything."""
        for key in [key for key in self._inputs if key[0] == device.index]:
            held = self._inputs.pop(key).heard_by
            for client in held.holders:
                held.leave(client)
