"""Topics and payloads of the MQTT bridge: what is announced, what is said, what is understood.

Sans-I/O. `BASE/<hub>/<toy>/<output>/set` takes a number, `…/stop` and the hub's `…/look` a press;
states come at `BASE/<hub>/<toy>/<output>`, retained. `<toy>` is the device's index, `<output>` its
feature and kind: ids are [a-zA-Z0-9_-] as Home Assistant wants them, and say nothing that people
typed.

Source: Home Assistant's documentation of MQTT discovery (device form, since 2024.11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from forwarder.bridges.programs import Slot
from forwarder.buttplug.messages import InputType, OutputType
from forwarder.client.device import RemoteDevice

BASE: Final = "buttplug"
ONLINE, OFFLINE = "online", "offline"
_SET = re.compile(r"([0-9]{1,9})/([0-9]{1,9})-([A-Za-z]+)/set")
_STOP = re.compile(r"([0-9]{1,9})/stop")
_NUMBER = re.compile(r"[+-]?\d{1,4}(?:\.\d{1,6})?")
_OUTPUTS: Final = {kind.value.lower(): kind for kind in OutputType}


@dataclass(frozen=True, slots=True)
class SetLevel:
    """`level`: 0 to 1, -1 to 1 where there are two directions."""

    index: int
    slot: Slot
    level: float


@dataclass(frozen=True, slots=True)
class Press:
    """Stop one device, None for all."""

    index: int | None


@dataclass(frozen=True, slots=True)
class LookForToys:
    """Look for toys, for a while."""


class Topics:
    """The names of one hub's topics. `hub`: 8 hexadecimal digits that stay."""

    def __init__(self, hub: str, prefix: str) -> None:
        self.hub = hub
        self._prefix = prefix
        self.base = f"{BASE}/{hub}"

    @property
    def status(self) -> str:
        """Whether the hub is there: also its last will."""
        return f"{self.base}/status"

    @property
    def home(self) -> str:
        """Where Home Assistant says that it comes and goes."""
        return f"{self._prefix}/status"

    @property
    def wanted(self) -> tuple[str, ...]:
        presses = (f"{self.base}/+/stop", f"{self.base}/stop", f"{self.base}/look")
        return (f"{self.base}/+/+/set", *presses, self.home)

    def toy(self, device: RemoteDevice) -> str:
        return f"{self.base}/{device.index}"

    def state(self, device: RemoteDevice, slot: Slot) -> str:
        return f"{self.toy(device)}/{slot_id(slot)}"

    def discovery(self, device: RemoteDevice) -> str:
        return f"{self._prefix}/device/buttplug_{self.hub}_{device.index}/config"

    @property
    def hub_discovery(self) -> str:
        return f"{self._prefix}/device/buttplug_{self.hub}/config"

    def understood(self, topic: str, payload: bytes) -> SetLevel | Press | LookForToys | None:
        """None for what is no command of this hub's. Never raises."""
        if not topic.startswith(f"{self.base}/"):
            return None
        rest = topic[len(self.base) + 1 :]
        if rest == "stop":
            return Press(None)
        if rest == "look":
            return LookForToys()
        if one := _STOP.fullmatch(rest):
            return Press(int(one[1]))
        found = _SET.fullmatch(rest)
        text = payload.decode("utf-8", "replace").strip()
        if found is None or not _NUMBER.fullmatch(text):
            return None
        kind = _OUTPUTS.get(found[3].lower())
        if kind is None:
            return None
        level = max(-100.0, min(float(text), 100.0)) / 100
        return SetLevel(int(found[1]), (int(found[2]), kind), level)


def slot_id(slot: Slot) -> str:
    return f"{slot[0]}-{slot[1].value.lower()}"


def slots(device: RemoteDevice) -> list[Slot]:
    """The outputs that a slider can be: a movement with a duration is one without, at a pace."""
    found = [
        (feature.feature_index, kind)
        for feature in device.features
        for kind in feature.output or ()
    ]
    plain = {feature for feature, kind in found if kind is OutputType.POSITION}
    timed = OutputType.HW_POSITION_WITH_DURATION
    return [slot for slot in found if slot[1] is not timed or slot[0] not in plain]


def discovery_document(
    topics: Topics, device: RemoteDevice, version: str, *, neutral: bool
) -> bytes:
    """`neutral`: without the toy's name, which every user of the broker can read."""
    id = f"buttplug_{topics.hub}_{device.index}"
    toy = topics.toy(device)
    components: dict[str, object] = {}
    found = slots(device)
    for slot in found:
        feature, kind = slot
        several = sum(other is kind for _, other in found) > 1
        low = device.info.device_features[feature].output[kind].value[0]  # type: ignore[index]
        components[slot_id(slot)] = {
            "platform": "number",
            "name": f"{_word(kind)} {feature + 1}" if several else _word(kind),
            "unique_id": f"{id}_{slot_id(slot)}",
            "command_topic": f"{toy}/{slot_id(slot)}/set",
            "state_topic": topics.state(device, slot),
            "min": -100 if low < 0 else 0,
            "max": 100,
            "step": 1,
            "unit_of_measurement": "%",
            "mode": "slider",
        }
    components["stop"] = {
        "platform": "button",
        "name": "Stop",
        "unique_id": f"{id}_stop",
        "command_topic": f"{toy}/stop",
        "icon": "mdi:stop-circle",
    }
    if InputType.BATTERY in device.inputs:
        components["battery"] = {
            "platform": "sensor",
            "name": "Battery",
            "unique_id": f"{id}_battery",
            "state_topic": f"{toy}/battery",
            "device_class": "battery",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
        }
    name = f"Device {device.index}" if neutral else device.shown_name
    return msgspec.json.encode(
        {
            "device": {
                "identifiers": [id],
                "name": name,
                "via_device": f"buttplug_{topics.hub}",
            },
            "origin": {"name": "Buttplug Forwarder", "sw_version": version},
            "availability": [{"topic": topics.status}, {"topic": f"{toy}/status"}],
            "availability_mode": "all",
            "qos": 1,
            "components": components,
        }
    )


def hub_document(topics: Topics, name: str, version: str) -> bytes:
    """The hub itself: a button that stops everything, and one that has radios look for toys."""
    id = f"buttplug_{topics.hub}"
    return msgspec.json.encode(
        {
            "device": {"identifiers": [id], "name": name, "manufacturer": "Buttplug Forwarder"},
            "origin": {"name": "Buttplug Forwarder", "sw_version": version},
            "availability": [{"topic": topics.status}],
            "qos": 1,
            "components": {
                "stop": {
                    "platform": "button",
                    "name": "Stop everything",
                    "unique_id": f"{id}_stop",
                    "command_topic": f"{topics.base}/stop",
                    "icon": "mdi:stop-circle",
                },
                "look": {
                    "platform": "button",
                    "name": "Look for toys",
                    "unique_id": f"{id}_look",
                    "command_topic": f"{topics.base}/look",
                    "icon": "mdi:magnify",
                },
            },
        }
    )


def state_payload(levels: Mapping[Slot, float], slot: Slot) -> str:
    return f"{round(levels.get(slot, 0.0) * 100)}"


def _word(kind: OutputType) -> str:
    return {"HwPositionWithDuration": "Position"}.get(kind.value, kind.value)
