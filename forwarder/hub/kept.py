"""`KeptConnection`: a toy that its wearer keeps at one relay, which is paused or stopped."""

from __future__ import annotations

from msgspec import Struct


class KeptConnection(Struct, frozen=True, omit_defaults=True):
    """`relay`: the key of the relay that must resume. `toy`: what the toy is called, if known.

    `why`: a sentence for people.
    """

    address: str
    relay: str
    why: str
    toy: str = ""
