"""A radio that writes down what it is asked to do: one JSON line for each operation.

    {"t_ns": 123, "address": "C2:…", "characteristic": "6e40…", "op": "write", "data": "f140"}

t_ns: CLOCK_MONOTONIC in nanoseconds. op: connect, disconnect, write, write_no_response, read,
subscribe, unsubscribe, notify. characteristic: its UUID, empty for connect and disconnect. data:
hex, empty where there is none. This format is a contract; a line is in the file before the next
operation begins. Writes, reads and subscriptions are stamped as they are handed to the radio,
whatever comes of it; connect and disconnect once they are true.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import msgspec

from relay.errors import UsageError
from relay.link.messages import RadioInfo
from relay.radio.base import (
    Connection,
    Growing,
    OnAdvertisement,
    OnGone,
    OnValue,
    Radio,
    TellsWhatToysDo,
    watch,
)
from relay.radio.passing import PassingConnection

log = logging.getLogger(__name__)


class Trace:
    """The file. Appends; raises UsageError if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written ({error.strerror}): name another file for the trace"
            ) from error
        self._complained = False

    def note(
        self,
        address: str,
        op: str,
        characteristic: str = "",
        data: bytes = b"",
        t_ns: int | None = None,
    ) -> None:
        """`t_ns`: when, if it was not just now."""
        line = {
            "t_ns": time.monotonic_ns() if t_ns is None else t_ns,
            "address": address,
            "characteristic": characteristic,
            "op": op,
            "data": data.hex(),
        }
        try:
            # One write call per line: it is visible at once, and whole.
            os.write(self._file, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            # A full disk must not keep a stop from the radio.
            if not self._complained:
                self._complained = True
                log.error("the trace has gaps from here on: %s", error.strerror)

    def close(self) -> None:
        os.close(self._file)


class TracedRadio:
    """Does what `radio` does, and writes it down."""

    def __init__(self, radio: Radio, trace: Trace) -> None:
        self._radio = radio
        self._trace = trace

    @property
    def info(self) -> RadioInfo:
        return self._radio.info

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        await self._radio.scan(on_advertisement)

    async def watch(self) -> None:
        await watch(self._radio)

    def to_come(self) -> frozenset[str]:
        return self._radio.to_come() if isinstance(self._radio, Growing) else frozenset()

    async def connect(self, address: str, on_gone: OnGone) -> TracedConnection:
        def gone(reason: str) -> None:
            self._trace.note(address, "disconnect")
            on_gone(reason)

        connection = await self._radio.connect(address, gone)
        self._trace.note(address, "connect")
        return TracedConnection(connection, address, self._trace)

    def words(self, address: str) -> str:
        radio = self._radio
        return radio.words(address) if isinstance(radio, TellsWhatToysDo) else ""

    async def close(self) -> None:
        await self._radio.close()


class TracedConnection(PassingConnection):
    """One connection of a TracedRadio."""

    def __init__(self, connection: Connection, address: str, trace: Trace) -> None:
        super().__init__(connection)
        self._address = address
        self._trace = trace
        self._left = False
        self._uuids = {
            characteristic.handle: characteristic.uuid
            for service in connection.services
            for characteristic in service.characteristics
        }

    async def write(self, handle: int, data: bytes, response: bool) -> None:
        self._note(handle, "write" if response else "write_no_response", data)
        await super().write(handle, data, response)

    def write_now(self, handle: int, data: bytes, response: bool) -> bool:
        handed_ns, handed = time.monotonic_ns(), True
        try:
            handed = super().write_now(handle, data, response)
        finally:
            if handed:
                op = "write" if response else "write_no_response"
                self._trace.note(self._address, op, self._uuids.get(handle, ""), data, handed_ns)
        return handed

    async def read(self, handle: int) -> bytes:
        self._note(handle, "read")
        return await super().read(handle)

    async def subscribe(self, handle: int, on_value: OnValue) -> None:
        def value(data: bytes) -> None:
            self._note(handle, "notify", data)
            on_value(data)

        self._note(handle, "subscribe")
        await super().subscribe(handle, value)

    async def unsubscribe(self, handle: int) -> None:
        self._note(handle, "unsubscribe")
        await super().unsubscribe(handle)

    async def disconnect(self) -> None:
        await super().disconnect()
        if not self._left:
            self._left = True
            self._trace.note(self._address, "disconnect")

    def _note(self, handle: int, op: str, data: bytes = b"") -> None:
        self._trace.note(self._address, op, self._uuids.get(handle, ""), data)
