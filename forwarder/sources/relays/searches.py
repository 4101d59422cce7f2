"""Ends the search for a toy that may be running when another relay has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from forwarder.sources.relays.relay import Relay, hardware_of
from relay.link.messages import Forget


def end_searches(relays: Iterable[Relay], stopped: str | None = None) -> None:
    """Tell each relay what it need not look for: before a toy is listed it was stopped. `stopped`:
    the address of one that was, and is listed nowhere."""
    known = tuple(relays)
    for relay in known:
        if relay.link is None:
            continue
        elsewhere = {
            hardware_of(opened).address
            for other in known
            if other is not relay
            for opened in other.devices.values()
        }
        for debt in relay.debts:
            if debt.address in elsewhere or debt.address == stopped:
                relay.link.request(_forget(debt.address))


def _forget(address: str) -> Callable[[int], Forget]:
    return lambda id: Forget(id, address)
