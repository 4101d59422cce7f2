"""What some vendors do to a finished packet. Source: the reference server's handlers (facts)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

# Galaku: four rows of key bytes; which row applies is decided by the byte encoded before.
_GALAKU = tuple(
    bytes.fromhex(row)
    for row in (
        "00 18 98 f7 a5 3d 0d 29 25 50 44 46",
        "00 45 6e 6a 6f 78 20 53 2d 31 2e 37",
        "00 65 78 20 54 6f 79 73 0a 8e 9d a3",
        "00 c5 d6 e7 f8 0a 32 20 6f 62 0d 0a",
    )
)
_GALAKU_HEAD = 0x23
_BLOCK_BITS = 128


def galaku(data: bytes) -> bytes:
    """`23` + data (10 bytes) + sum, each byte but the first mixed with a key byte."""
    plain = bytes((_GALAKU_HEAD, *data))
    plain += bytes((sum(plain) & 0xFF,))
    if len(plain) != len(_GALAKU[0]):
        raise ValueError(f"galaku takes 10 bytes, not {len(data)}")
    out = bytearray(plain[:1])
    for at in range(1, len(plain)):
        key = _GALAKU[out[-1] & 3][at]
        out.append(((key ^ _GALAKU_HEAD ^ plain[at]) + key) & 0xFF)
    return bytes(out)


class AesCodec:
    """AES-128-ECB with PKCS#7 padding and a key built into the vendor's app. Hides nothing."""

    def __init__(self, key: str) -> None:
        # ECB and the static key are the vendor's, not a choice.
        self._cipher = Cipher(algorithms.AES(key.encode("ascii")), modes.ECB())

    def __call__(self, data: bytes) -> bytes:
        padder = PKCS7(_BLOCK_BITS).padder()
        encryptor = self._cipher.encryptor()
        return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()

    def decode(self, data: bytes) -> bytes:
        """Raises ValueError if this is not what the device would send."""
        decryptor = self._cipher.decryptor()
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


fluffer = AesCodec("jdk#Flu%y6fer32f")
vibcrafter = AesCodec("jdk#Cra%f5Vib28r")
vibio = AesCodec("jdk#vib%y5fir21a")
