"""Relays as documents."""

from __future__ import annotations

from forwarder.api.bounds import DASHBOARD_MAX_TEXT
from forwarder.api.documents.model import (
    CeilingView,
    PathView,
    RadioPartView,
    RadioView,
    RelayView,
)
from forwarder.connectors.base import LinkPath
from forwarder.sources.relays.relay import Relay
from relay.link.names import neutralise


def relay_facts(relay: Relay, paired: bool) -> tuple[object, ...]:
    """What `relay_view` is made of: as long as this stays the same, so does that."""
    link = relay.link
    return (
        relay.hello,
        relay.radio,
        relay.wearer,
        relay.name,
        paired,
        relay.free_slots,
        None if link is None else (relay.path(), _rounded(link.session.round_trip_ms)),
        [opened.device.index for opened in relay.devices.values()],
    )


def relay_view(relay: Relay, paired: bool) -> RelayView:
    """One that was here since the start."""
    radio, link = relay.radio, relay.link
    return RelayView(
        name=neutralise(relay.name),
        paired=paired,
        connected=link is not None,
        platform=neutralise(relay.hello.platform),
        software=neutralise(relay.hello.software),
        path=None if link is None else _path(relay.path()),
        round_trip_ms=None if link is None else _rounded(link.session.round_trip_ms),
        radio=None
        if radio is None
        else RadioView(
            kind=neutralise(radio.kind),
            name=neutralise(radio.name),
            on=radio.on,
            text=neutralise(radio.text, DASHBOARD_MAX_TEXT),
            parts=tuple(
                RadioPartView(
                    kind=neutralise(part.kind),
                    name=neutralise(part.name),
                    on=part.on,
                    text=neutralise(part.text, DASHBOARD_MAX_TEXT),
                )
                for part in radio.parts
            ),
        ),
        paused=relay.wearer.paused,
        stopped=relay.wearer.stopped,
        blocked=None if relay.blocked is None else neutralise(relay.blocked, DASHBOARD_MAX_TEXT),
        ceilings=tuple(
            CeilingView(
                output=None if ceiling.output is None else neutralise(ceiling.output),
                percent=round(100 * ceiling.level, 1),
            )
            for ceiling in relay.wearer.ceilings
        ),
        max_run_s=relay.wearer.max_run_s,
        devices=tuple(sorted(opened.device.index for opened in relay.devices.values())),
        free_slots=max(0, relay.free_slots),
    )


def absent_relay(name: str) -> RelayView:
    """One that is paired, and has not been here."""
    return RelayView(
        name=name, paired=True, connected=False, platform="", software="", path=None,
        round_trip_ms=None, radio=None, paused=False, stopped=False, blocked=None, ceilings=(),
        max_run_s=0, devices=(), free_slots=0,
    )  # fmt: skip


def _path(path: LinkPath) -> PathView:
    return PathView(kind=path.kind, where=neutralise(path.where))


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)
