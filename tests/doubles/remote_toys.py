"""Devices as a client sees them, made of what they have; and a dialogue that remembers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from forwarder.buttplug.messages import (
    DeviceFeature,
    DeviceInfo,
    OutputCmd,
    OutputRange,
    OutputType,
    StopCmd,
)
from forwarder.client.device import RemoteDevice
from forwarder.client.session_driver import ServerRefused
from forwarder.errors import Code

SPANS = {
    OutputType.ROTATE: (-20, 20),
    OutputType.POSITION: (0, 99),
    OutputType.HW_POSITION_WITH_DURATION: (0, 99),
}


class RecordedDialogue:
    """Takes commands as a server does; `refuse` says no to outputs from then on."""

    def __init__(self) -> None:
        self.said: list[tuple[int, OutputType, int] | str] = []
        self.refuse = ""
        self.answer_s = 0.0

    def ask(self, message: object, *, urgent: bool = False) -> Any:
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[object] = loop.create_future()
        if self.answer_s:
            loop.call_later(self.answer_s, reply.set_result, None)
        else:
            reply.set_result(None)
        match message:
            case OutputCmd(feature_index=feature, command=command):
                if self.refuse:
                    reply = asyncio.get_running_loop().create_future()
                    reply.set_exception(ServerRefused(Code.DEVICE, self.refuse))
                ((kind, value),) = command.items()
                self.said.append((feature, kind, value.value))
            case StopCmd():
                self.said.append("stop")

        class Asked:
            id = len(self.said)

        asked = Asked()
        asked.reply = reply  # type: ignore[attr-defined]
        return asked

    def withdraw(self, id: int) -> None:
        pass


def remote_device(
    *outputs: OutputType, name: str = "A toy", index: int = 0, dialogue: object = None
) -> RemoteDevice:
    """One feature for each of `outputs`, in that order."""
    features = {
        place: DeviceFeature(
            feature_index=place,
            feature_description="",
            output={
                kind: OutputRange(
                    value=SPANS.get(kind, (0, 20)),
                    **({"duration": (0, 10_000)} if "Duration" in kind.value else {}),
                )
            },
        )
        for place, kind in enumerate(outputs)
    }
    info = DeviceInfo(
        device_index=index,
        device_name=name,
        device_message_timing_gap=0,
        device_features=features,
    )
    return RemoteDevice(cast("Any", dialogue), info)
