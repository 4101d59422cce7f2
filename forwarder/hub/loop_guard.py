"""How hubs that are each other's source of devices tell, so that no device goes round in circles.

A hub that dials a Buttplug server ends its ClientName with its id. A hub that is asked by such a
client leaves out devices that came by way of it, and puts the way of all others into their feature
objects (`Via`), the one place where every Buttplug client accepts more than the spec says.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

_MARK: Final = re.compile(r" #bpf-([0-9a-f]{16})$")


def new_hub_id() -> str:
    """An id for this run; nobody has to recognise it tomorrow."""
    return secrets.token_hex(8)


def marked(client_name: str, hub_id: str) -> str:
    """The ClientName of a hub."""
    return f"{client_name} #bpf-{hub_id}"


def hub_id_of(client_name: str) -> str | None:
    """The id of the hub that calls itself so; None for any other client."""
    found = _MARK.search(client_name)
    return found[1] if found else None


def plain_name(client_name: str) -> str:
    """The name without the mark, for people."""
    return _MARK.sub("", client_name)
