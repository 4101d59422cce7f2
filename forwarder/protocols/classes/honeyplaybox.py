"""Honey Play Box: framed packets with a session nonce, an MD5 tag and a CRC.

    02 a5 5a 55 aa f0  counter  type cmd  len(u16be)  data…  03  crc(u16be)

The CRC is CRC-16/MODBUS over type…data. Connect: type b1, cmd 01, data 00 10; the answer's data are
90 00 and the nonce of 16 bytes. Values: cmd 03, per motor in index order

    motor<<4|1  00 05  003c (time)  0000  strength 0-100, of a pump 0 or 101 and up

then the first 8 bytes of MD5(b1 03, u16be(length), groups, secret, nonce). The device wants
traffic: without any for half a second it must be told its values again, also at rest. Source: the
reference server's handler (facts).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from msgspec.structs import replace

from forwarder.buttplug.messages import OutputType
from forwarder.protocols.base import (
    KeptAlive,
    ProtocolError,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.classes.plain import PlainProtocol
from forwarder.protocols.expressions import crc16_modbus
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Counter, Packet

_HEAD = bytes.fromhex("02 a5 5a 55 aa f0")
_TAIL = 0x03
_TYPE, _HELLO, _VALUES = 0xB1, 0x01, 0x03
_COUNTER_AT = len(_HEAD)
# Bytes before the data: head, counter, type, cmd, length; and behind it: tail, crc.
_BEFORE, _BEHIND = _COUNTER_AT + 5, 3
_GOOD = bytes.fromhex("90 00")
_NONCE = 16
# A secret of the vendor's app.
_SECRET = bytes.fromhex("8be3fd0468350986121abf0330e9e3c5")
# Strengths of a pump begin above those of motors.
_SUCTION = 100
_KEEPALIVE_MS = 500
# Notifications awaited per question, and how many may stay out until it is given up.
_PER_QUESTION, _MAX_MISSED = 3, 4
_MAX_QUESTIONS = 8
# What a device may send that is no frame before it is cut off.
_MAX_PENDING = 1024


class HoneyPlayBox(PlainProtocol):
    kinds = frozenset(
        {OutputType.VIBRATE, OutputType.ROTATE, OutputType.OSCILLATE, OutputType.CONSTRICT}
    )

    def __init__(self, opening: DeviceMemory) -> None:
        super().__init__(opening)
        self._counter = 0
        self._nonce = bytes(_NONCE)
        self._values = dict.fromkeys(self._chosen(None), 0)

    @property
    def keepalive(self) -> KeptAlive | None:
        return KeptAlive(_KEEPALIVE_MS, primed=True)

    def shares_packets(self, feature: int) -> bool:
        return len(self._values) > 1

    def handshake(self) -> Steps[None]:
        yield SubscribeStep("rx")
        pending = b""
        missed = 0
        for _ in range(_MAX_QUESTIONS):
            yield WriteStep("tx", frame(_HELLO, bytes((0, 0x10)), self._counter), response=True)
            self._counter = self._counter + 1 & 0xFF
            for _ in range(_PER_QUESTION):
                try:
                    data = yield WaitStep("rx", 1000 * (missed + 1))
                except StepFailed as error:
                    missed += 1
                    if missed == _MAX_MISSED:
                        raise ProtocolError(f"{self._name}: does not answer") from error
                    continue
                frames, pending = split(pending + (data or b""))
                for answer in frames:
                    self._take(answer)
                    return
        raise ProtocolError(f"{self._name}: answers with what is no answer")

    def _take(self, answer: bytes) -> None:
        nonce = answer[len(_GOOD) : len(_GOOD) + _NONCE]
        if not answer.startswith(_GOOD) or len(nonce) != _NONCE:
            raise ProtocolError(f"{self._name}: refused the handshake ({answer[:2].hex()})")
        self._nonce = nonce

    def output(
        self, feature: int, kind: OutputType, value: int, duration_ms: int = 0
    ) -> tuple[Packet, ...]:
        del duration_ms
        self._check_output(feature, kind)
        strength = abs(value)
        if kind is OutputType.CONSTRICT and strength:
            strength += _SUCTION
        self._values[feature] = strength
        return (self._packet(),)

    def stop(self, features: Collection[int] | None = None) -> tuple[Packet, ...]:
        chosen = self._chosen(features)
        if not chosen:
            return ()
        self._values |= dict.fromkeys(chosen, 0)
        return (self._packet(),)

    def armed(self) -> tuple[Packet, ...]:
        counter, values = self._counter, self._values
        self._values = dict.fromkeys(values, 0)
        try:
            return (self._packet(),)
        finally:
            self._counter, self._values = counter, values

    def _packet(self) -> Packet:
        self._counter = self._counter + 1 & 0xFF
        groups = b"".join(
            bytes((motor << 4 & 0xF0 | 1, 0, 5, 0, 60, 0, 0, strength))
            for motor, strength in enumerate(self._values.values())
        )
        length = (len(groups) + 8).to_bytes(2, "big")
        signed = bytes((_TYPE, _VALUES)) + length + groups + _SECRET + self._nonce
        # MD5 is the vendor's choice; it keeps nothing safe here.
        tag = hashlib.md5(signed, usedforsecurity=False).digest()[:8]
        data = frame(_VALUES, groups + tag, self._counter)
        packet = self._opening.packet("tx", data, "all", response=True)
        return replace(packet, counter=Counter(_COUNTER_AT))


def frame(command: int, data: bytes, counter: int) -> bytes:
    checked = bytes((_TYPE, command)) + len(data).to_bytes(2, "big") + data
    crc = crc16_modbus(checked).to_bytes(2, "big")
    return _HEAD + bytes((counter,)) + checked + bytes((_TAIL,)) + crc


def split(pending: bytes) -> tuple[list[bytes], bytes]:
    """The data of the whole frames in `pending`, and what may become one."""
    found = []
    pending = pending[-_MAX_PENDING:]
    while (start := pending.find(_HEAD)) >= 0:
        pending = pending[start:]
        if len(pending) < _BEFORE:
            break
        end = _BEFORE + int.from_bytes(pending[_BEFORE - 2 : _BEFORE], "big")
        if end + _BEHIND > _MAX_PENDING:
            pending = pending[1:]
            continue
        if len(pending) < end + _BEHIND:
            break
        if pending[end] != _TAIL:
            pending = pending[1:]
            continue
        found.append(pending[_BEFORE:end])
        pending = pending[end + _BEHIND :]
    return found, pending
