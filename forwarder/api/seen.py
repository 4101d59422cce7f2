"""What relays hear, which of them has or could have it, and why not: as documents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from forwarder.access.relay_keys import HubTrust
from forwarder.api.access import Call
from forwarder.api.bounds import LATELY_S, MOST_CHOSEN, MOST_SEEN, SEEN_MAX_TEXT
from forwarder.api.documents.seen import (
    ChoiceView,
    HeardBy,
    ListenBody,
    PinView,
    ScoreView,
    SeenList,
    SeenView,
    SkeletonView,
)
from forwarder.api.services import ApiServices
from forwarder.definitions.skeleton import protocol_name, skeleton
from forwarder.errors import ConfigError
from forwarder.sources.relays.choosing.choice import RelayVerdict
from forwarder.sources.relays.choosing.heard import HeardToy
from forwarder.sources.relays.choosing.pins import Pins
from forwarder.sources.relays.choosing.seen import WhyNotHere
from forwarder.sources.relays.relay import Relay
from relay.link.names import neutralise, quoted
from relay.radio.score import UNKNOWN_DBM


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
        why=neutralise(verdict.why, SEEN_MAX_TEXT) or None,
        again_s=None
        if now is None or not verdict.until
        else round(max(0.0, verdict.until - now), 1),
        text=neutralise(str(verdict), SEEN_MAX_TEXT),
    )


class ChosenViews:
    """What was decided about a device when it was opened, made into documents once: dashboards ask
    ten times a second, of each device."""

    def __init__(self, chosen: Callable[[str], tuple[RelayVerdict, ...]]) -> None:
        self._chosen = chosen
        self._made: dict[str, tuple[tuple[RelayVerdict, ...], tuple[ChoiceView, ...]]] = {}

    def of(self, address: str) -> tuple[ChoiceView, ...]:
        verdicts = self._chosen(address)
        made = self._made.get(address)
        if made is None or made[0] is not verdicts:
            if len(self._made) >= MOST_CHOSEN:
                self._made.clear()
            made = self._made[address] = verdicts, choices(verdicts)
        return made[1]


def pins_of(
    pins: Pins, address: str, relays: Mapping[str, Relay], trust: HubTrust
) -> tuple[PinView, ...]:
    """What a person decided about relays and the device at this address."""

    def name(key: str) -> str:
        if key in relays:
            return relays[key].name
        try:
            paired = trust.book.name(bytes.fromhex(key))
        except ValueError:  # one of this machine, which was not paired
            paired = None
        return key.removeprefix("local:") if paired is None else paired

    decided = [
        PinView(relay=neutralise(name(key)), how=how) for key, how in pins.by_key(address).items()
    ]
    known = {view.relay.casefold() for view in decided}
    decided += [
        PinView(relay=neutralise(name), how=how)
        for name, how in pins.by_name(address).items()
        if name not in known
    ]
    return tuple(decided)


class SeenActions:
    """Every public method is one route's."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def listen(self, call: Call) -> None:
        self._services.relays.heard.listen(call.sent(ListenBody).for_s)

    async def seen(self, call: Call) -> SeenList:
        now = asyncio.get_running_loop().time()
        toys = [self._view(heard, now) for heard in self._lately(now)]
        toys.sort(key=_interest)
        listening = self._services.relays.heard.listening
        return SeenList(listening=listening, lately_s=LATELY_S, toys=tuple(toys[:MOST_SEEN]))

    async def skeleton(self, call: Call) -> SkeletonView:
        """Raises ConfigError if nothing of that name or address is heard, or several are."""
        wanted = call.path["name"].casefold()
        now = asyncio.get_running_loop().time()
        found = [
            heard.sighting.advertisement
            for heard in self._lately(now)
            if wanted in (heard.address.casefold(), _name(heard).casefold())
        ]
        if len(found) != 1:
            what = f"{len(found)} are called {quoted(call.path['name'])}: say the address"
            if not found:
                what = f"nothing that is called {quoted(call.path['name'])} was heard lately"
            raise ConfigError(f"{what}, as `forwarder seen` shows it.")
        protocol = protocol_name(call.query.get("protocol", found[0].name or ""))
        return SkeletonView(file=f"{protocol}.toml", text=skeleton(found[0], protocol))

    def _lately(self, now: float) -> list[HeardToy]:
        return [
            heard
            for heard in self._services.relays.heard
            if heard.why.reason is WhyNotHere.CONNECTED
            or any(now - when <= LATELY_S for when, _ in heard.sighting.seen.values())
        ]

    def _view(self, heard: HeardToy, now: float) -> SeenView:
        services, advertisement = self._services, heard.sighting.advertisement
        was = services.store.at(heard.address)
        known = None if was is None else services.store.of(was)
        model = services.catalogue.model_name(advertisement)
        until = heard.why.until
        return SeenView(
            address=neutralise(heard.address),
            name=_name(heard),
            # What it turned out to be the last time is more than what it says now.
            model=neutralise(known.name if known is not None and known.name else model or "")
            or None,
            index=None if known is None else known.index,
            reason=heard.why.reason,
            text=neutralise(heard.why.text, SEEN_MAX_TEXT),
            again_s=None if until is None else round(max(0.0, until - now), 1),
            heard=tuple(self._heard_by(heard, now)),
            services=advertisement.services,
            manufacturer={
                company: data.hex() for company, data in advertisement.manufacturer.items()
            },
            relays=choices(heard.verdicts, now),
        )

    def _heard_by(self, heard: HeardToy, now: float) -> Iterator[HeardBy]:
        relays = self._services.relays.relays
        for key, (when, level) in heard.sighting.seen.items():
            if key not in relays:
                continue
            name, ago_s = neutralise(relays[key].name), round(now - when, 1)
            radios = heard.sighting.radios.get(key, ())
            for signal in radios:
                yield HeardBy(
                    relay=name,
                    radio=neutralise(signal.radio),
                    signal_dbm=signal.rssi,
                    ago_s=ago_s,
                )
            if not radios:
                known = level if level > UNKNOWN_DBM else None
                yield HeardBy(relay=name, radio=None, signal_dbm=known, ago_s=ago_s)


def _name(heard: HeardToy) -> str:
    return neutralise(heard.sighting.advertisement.name or "") or "no name"


def _interest(seen: SeenView) -> tuple[bool, bool, float]:
    """Sorts what people look for first: known and not here, then the nearest."""
    strongest = max((one.signal_dbm or UNKNOWN_DBM for one in seen.heard), default=UNKNOWN_DBM)
    return seen.reason is WhyNotHere.CONNECTED, seen.model is None, -strongest
