"""When several devices can begin at the same moment."""

from __future__ import annotations

from collections.abc import Iterable

from forwarder.hub.device import Device


def common_time(devices: Iterable[Device], now: float) -> float | None:
    """When (loop time) all of these can begin at once: as late as the slowest way asks for.

    None: at once, for fewer than two ways take times, and what goes by one way arrives together.
    """
    leads: dict[str, float] = {}
    for device in devices:
        lead = device.lead()
        if lead is not None:
            leads[device.source] = max(lead, leads.get(device.source, 0.0))
    return now + max(leads.values()) if len(leads) > 1 else None
