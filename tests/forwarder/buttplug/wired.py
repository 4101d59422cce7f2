"""Both ends of the protocol in one object: what the client asks goes through real frames."""

from __future__ import annotations

from collections.abc import Mapping

from forwarder.buttplug.client import ClientAction, ClientEvent, ClientSession, RequestReply
from forwarder.buttplug.messages import ClientMessage, DeviceInfo, ServerMessage
from tests.forwarder.buttplug.harness import Served


class Wired:
    """`served` is the hub's end; `events` is what came out of the client's end."""

    def __init__(
        self,
        version: int,
        devices: Mapping[int, DeviceInfo],
        *,
        max_ping_ms: int = 0,
        value: int = 87,
    ) -> None:
        self.served = Served(None, devices, max_ping_ms=max_ping_ms, value=value)
        self.client = ClientSession("Test", version=version)
        self.events: list[ClientEvent] = []
        self.from_client: list[str] = []
        self.carry([self.client.hello(self.served.now)])

    def carry(self, actions: list[ClientAction] | list[str]) -> None:
        """Deliver frames of the client, and all that follows from them."""
        for action in actions:
            if isinstance(action, str):
                self.from_client.append(action)
                before = len(self.served.frames)
                self.served.say(action)
                self.deliver(self.served.frames[before:])
            else:
                self.events.append(action)

    def deliver(self, frames: list[str]) -> None:
        for frame in frames:
            self.carry(self.client.receive(frame, self.served.now))

    def ask(self, message: ClientMessage) -> ServerMessage:
        """The reply, in v4 words."""
        id, frame = self.client.request(message, self.served.now)
        self.carry([frame])
        (reply,) = [e for e in self.events if isinstance(e, RequestReply) and e.request_id == id]
        return reply.message
