"""Where a device is, and as which peripheral it appears on the link."""

from __future__ import annotations

from dataclasses import dataclass

from relay.link.messages import Characteristic, Service
from relay.link.stand_ins import endpoints_of, stand_in

# Handles of the two characteristics.
TX, RX = 1, 2


@dataclass(frozen=True, slots=True)
class WiredPlace:
    """`kind`: serial, tcode or hid. `name`: as its owner named it. `address`: on the link.

    `recheck_s`: how long a device that answered is taken to be there while it is not connected;
    None: as long as `presence` says so. `absent`: what to say while it is not. `wireless`: what is
    written may be lost, and nothing but its answers tells that it is still there. `way`: which
    stand-in it is, if not that of its protocol on a serial port.
    """

    kind: str
    name: str
    address: str
    protocol: str
    recheck_s: float | None = None
    absent: str = ""
    wireless: bool = False
    way: str = ""

    @property
    def speaks_tcode(self) -> bool:
        return self.protocol == "tcode-v03"

    @property
    def services(self) -> tuple[Service, ...]:
        way = self.way or f"serial/{self.protocol}"
        uuids = endpoints_of(way)
        writable = ("write", "write-without-response")
        return (
            Service(
                stand_in(way),
                (
                    Characteristic(TX, uuids["tx"], writable),
                    Characteristic(RX, uuids["rx"], ("notify",)),
                ),
            ),
        )
