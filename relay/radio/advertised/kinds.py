"""What an owner says about toys that listen to advertisements: `lovespouse-2:77624b9665@hci1`."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from typing import Final

from relay.errors import UsageError
from relay.link.messages import Advertisement
from relay.link.stand_ins import stand_in

# What nearly all of them (1,118 of 1,147 products) listen to.
USUAL: Final = bytes.fromhex("77624D5345")
# What may be said, and the name by which the hub knows the model.
KINDS: Final = {"lovespouse": "Love Spouse", "lovespouse-2": "Love Spouse, two motors"}
_SAID = re.compile(r"([\w-]*)(?::([0-9A-Fa-f]{10}))?(?:@(\S+))?")
WARNING: Final = (
    "toys that listen to advertisements: EVERY such toy in range does what is said, a neighbour's"
    " too, and whoever else advertises can steer them; none tells whether it heard a stop"
)


@dataclass(frozen=True, slots=True)
class AdvertisedKind:
    """`said`: the key of KINDS. `address`: five bytes. `adapter`: "": the first that is on."""

    said: str
    address: bytes = USUAL
    adapter: str = ""

    @property
    def name(self) -> str:
        return KINDS[self.said]

    @property
    def way(self) -> str:
        return "advertised/lovespouse"

    @property
    def link_address(self) -> str:
        """Each relay has its own: what one says is not heard where another is."""
        return f"air-{self.address.hex()}@{platform.node() or 'relay'}"[:64]

    @property
    def advertisement(self) -> Advertisement:
        return Advertisement(self.link_address, self.name, services=(stand_in(self.way),))


def kind_of(text: str) -> AdvertisedKind:
    """Return what `KIND[:ADDRESS][@ADAPTER]` means. Raises UsageError."""
    found = _SAID.fullmatch(text)
    if found is None or found[1].lower() not in KINDS:
        known = ", ".join(KINDS)
        raise UsageError(
            f"{text}: advertised toys are said as KIND[:ADDRESS][@ADAPTER], an address of ten hex"
            f" digits (kinds: {known})"
        )
    if sys.platform != "linux":
        raise UsageError("--advertised-toys can be used on Linux only")
    address = USUAL if found[2] is None else bytes.fromhex(found[2])
    return AdvertisedKind(found[1].lower(), address, found[3] or "")
