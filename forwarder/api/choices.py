"""Which relay has or could have a device, and why, as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from forwarder.access.relay_keys import HubTrust
from forwarder.api.documents.seen import ChoiceView, PinView, ScoreView
from forwarder.sources.relays.choosing.choice import RelayVerdict
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.relay import Relay
from relay.link.names import neutralise
from relay.radio.score import UNKNOWN_DBM

# A cause is a line on a screen; longer texts are cut.
_MAX_TEXT = 160


def choices(verdicts: Iterable[RelayVerdict], now: float | None = None) -> tuple[ChoiceView, ...]:
    """`now`: loop time; None for what was decided some time ago."""
    return tuple(_choice(verdict, now) for verdict in verdicts)


def _choice(verdict: RelayVerdict, now: float | None) -> ChoiceView:
    told = verdict.score
    return ChoiceView(
        relay=neutralise(verdict.post.name),
        score=ScoreView(
            total=round(told.total, 1),
            signal_dbm=told.signal if told.signal > UNKNOWN_DBM else None,
            failures=round(told.failures, 1),
            connecting=told.connecting,
            slots=round(told.slots, 1),
            kept=round(told.kept, 1),
            hangs=told.hangs,
            preferred=told.preferred,
        ),
        obstacle=verdict.obstacle,
        why=neutralise(verdict.why, _MAX_TEXT) or None,
        again_s=None
        if now is None or not verdict.until
        else round(max(0.0, verdict.until - now), 1),
        text=neutralise(str(verdict), _MAX_TEXT),
    )


def pins_of(
    pins: Pins, address: str, relays: Mapping[str, Relay], trust: HubTrust
) -> tuple[PinView, ...]:
    """What a person decided about relays and the device at this address."""
    names = {paired.key.hex(): paired.name for paired in trust.book}
    names |= {key: relay.name for key, relay in relays.items()}
    decided = [
        PinView(relay=neutralise(names.get(key, key.removeprefix("local:"))), how=how)
        for key, how in pins.by_key(address).items()
    ]
    known = {view.relay.casefold() for view in decided}
    decided += [
        PinView(relay=neutralise(name), how=how)
        for name, how in pins.by_name(address).items()
        if name not in known
    ]
    return tuple(decided)
