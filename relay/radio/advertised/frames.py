"""What toys of the Love Spouse and MuSe family hear: one command as the bytes of an advertisement.

They have a receiver of 2.4 GHz that knows nothing of Bluetooth: it waits, on the frequency of
advertising channel 37, for a preamble, an address and a command of its own. The bytes are chosen so
that they are those once the controller has whitened them, which goes by how many bytes of the
packet were before. Source: arz321/MuSe-Protocol; no real toy has heard it from here.
"""

from __future__ import annotations

from relay.radio.bounds import BEFORE, POLYNOMIAL

# Of its receiver (XN297): what each packet begins with.
_PREAMBLE = bytes((0x71, 0x0F, 0x55))
# Seeds of the whiteners: the receiver's own, and that of advertising channel 37.
_INNER, _CHANNEL_37 = 0x3F, 0x25


def frame(address: bytes, command: int) -> bytes:
    """Return the 11 bytes that say `command` (one byte) to all toys of `address` (5 bytes).

    They have to begin BEFORE bytes behind the start of the packet.
    """
    body = bytes(map(_mirrored, _PREAMBLE + address[::-1])) + bytes((command,))
    whole = body + _checksum(address, command)
    head = len(_PREAMBLE)
    whole = whole[:head] + _whitened(whole[head:], _INNER)
    return _whitened(bytes(BEFORE) + whole, _CHANNEL_37)[BEFORE:]


def _checksum(address: bytes, command: int) -> bytes:
    """CRC-16 as the receiver has it, low byte first."""
    value = 0xFFFF
    for byte in (*address[::-1], _mirrored(command)):
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (POLYNOMIAL if value & 0x8000 else 0)) & 0xFFFF
    mirrored = _mirrored(value & 0xFF) << 8 | _mirrored(value >> 8)
    return (mirrored ^ 0xFFFF).to_bytes(2, "little")


def _whitened(data: bytes, seed: int) -> bytes:
    """As Bluetooth does it (x^7 + x^4 + 1), the lowest bit of each byte first. Its own inverse."""
    cells = [1, *(seed >> bit & 1 for bit in range(5, -1, -1))]
    result = bytearray()
    for byte in data:
        for bit in range(8):
            out = cells[6]
            byte ^= out << bit
            cells = [out, cells[0], cells[1], cells[2], cells[3] ^ out, cells[4], cells[5]]
        result.append(byte)
    return bytes(result)


def _mirrored(byte: int) -> int:
    return int(f"{byte:08b}"[::-1], 2)
