"""The services that stand for devices which are not Bluetooth: `serial/PROTOCOL` and its kin.

The UUID of a way to a device is the version 5 UUID (RFC 4122) of its text under `NAMESPACE`; the
characteristics `tx` and `rx` are those of their names under the service. What the ways are called:
forwarder/definitions/data/README.md.
"""

from __future__ import annotations

from uuid import UUID, uuid5

NAMESPACE = UUID("b0a40b5e-6ff7-5cf6-9b9c-6f0f7f6b3f64")
ENDPOINTS = ("tx", "rx")


def stand_in(way: str) -> str:
    """Return the UUID of the service that stands for this way."""
    return str(uuid5(NAMESPACE, way))


def endpoints_of(way: str) -> dict[str, str]:
    """Return endpoint → UUID of its characteristic."""
    service = uuid5(NAMESPACE, way)
    return {endpoint: str(uuid5(service, endpoint)) for endpoint in ENDPOINTS}
