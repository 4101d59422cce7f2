"""What is looked at around a hub that runs: by `forwarder doctor` from outside, and by the hub
itself for its dashboard. The hub is told by its own documents, so both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from forwarder.api.documents.model import OriginsView, StatusView
from forwarder.api.documents.seen import SeenList
from forwarder.checks.settings import settings
from forwarder.config import Config
from forwarder.connectors.host_addresses import addresses
from forwarder.sources.relays.choosing.seen import WhyNotHere
from relay.checks import machine
from relay.checks.findings import Check, Finding, bad, good, note

# One screen; the nearest come first.
_MOST_TOYS = 8
_MOST_PAGES = 8
# No reasons to look into anything: it is here, or will be in a moment.
_FINE = (WhyNotHere.CONNECTED, WhyNotHere.OPENING, WhyNotHere.SOON)


@dataclass(frozen=True, slots=True)
class HubReport:
    """What a running hub says of itself. `seen` and `origins` are None where it was not asked."""

    status: StatusView
    seen: SeenList | None = None
    origins: OriginsView | None = None


def running_checks(config: Config, report: HubReport) -> Iterator[tuple[str, Check]]:
    """For a hub about itself. Its parts are made already, so only what may have changed since."""
    yield "settings", partial(settings, config)
    yield "state folder", partial(machine.state_folder, config.state_dir)
    yield from hub_checks(config, report)
    yield from standing_checks(config)
    yield "network", partial(network, lan=report.status.hub.lan)


def hub_checks(config: Config, report: HubReport) -> Iterator[tuple[str, Check]]:
    """What the hub's own documents tell."""
    yield "hub", partial(_hub, config, report.status)
    yield "stop", partial(_stop, report.status)
    yield "relays", partial(_relays, report.status)
    yield "meeting points", partial(_meetings, report.status)
    if report.seen is not None:
        yield "toys", partial(_toys, report.seen)
    if report.origins is not None:
        yield "web pages", partial(_pages, report.origins)


def standing_checks(config: Config) -> Iterator[tuple[str, Check]]:
    """What can go wrong around a hub, whether it runs or not: asked at the start, and by the
    dashboard."""
    radio = config.radio
    named = [*radio.bluetooth, *([] if radio.adapter is None else [radio.adapter])]
    wanted = radio.local or bool(radio.bluetooth)
    yield "clock", partial(machine.clock, folder=config.state_dir)
    instead = "pair a phone or another computer with `forwarder pair`"
    yield "Bluetooth", partial(machine.bluetooth, named, wanted=wanted, instead=instead)


def network(*, lan: bool) -> Iterator[Finding]:
    """By what addresses others reach this machine, if they may."""
    found = [str(address) for address in addresses()]
    if not found:
        yield note("This machine is in no network: phones cannot reach it.")
    elif lan:
        yield good(f"Others reach this machine at {', '.join(found)}.")
    else:
        yield note(
            "The hub listens on this machine only, unless started with --lan; it would be at"
            f" {', '.join(found)}."
        )


def _hub(config: Config, status: StatusView) -> Iterator[Finding]:
    yield good(
        f"A hub runs; apps connect to {status.hub.client_url}, the dashboard is at"
        f" {status.hub.dashboard_url}."
    )
    if status.hub.page_url is None and config.link.https_port:
        port = config.link.https_port
        yield bad(
            f"Phones cannot get their page over https: port {port} was taken when the hub started."
            " End the program that has it, or choose another with --https-port, and start the hub"
            " again."
        )


def _stop(status: StatusView) -> Iterator[Finding]:
    hold = status.hold
    if hold.mode != "free":
        by = f" by {hold.by}" if hold.by else ""
        yield note(f"Everything is {hold.mode}{by}: `forwarder resume`, or Resume, ends it.")
    if hold.unsaved:
        yield bad(
            f"What is stopped would be forgotten at a restart: {hold.unsaved}. Make room on the"
            " disk, and stop again."
        )
    for muted in hold.muted:
        yield note(f"The app {muted.name} is muted: `forwarder app unmute` lets it drive again.")
    for lost in hold.missing:
        yield bad(
            f"{lost.name} may be running, and {lost.relay} has lost it: switch it off by its"
            " button, or bring it back into reach."
        )
    for kept in hold.kept:
        yield note(f"{kept.name} is kept by its wearer: {kept.why}")


def _relays(status: StatusView) -> Iterator[Finding]:
    away = [relay.name for relay in status.relays if not relay.connected]
    here = len(status.relays) - len(away)
    if here:
        yield good(f"Relays that are connected: {here}.")
    else:
        yield note(
            "No relay is connected: `forwarder pair` lends this hub the radio of a phone or of"
            " another computer, --local-radio that of this one."
        )
    for relay in status.relays:
        if relay.blocked is not None:
            yield note(relay.blocked)
        if relay.radio is not None and not relay.radio.on:
            yield bad(f"The radio of {relay.name} is off: {relay.radio.text}")
        elif relay.radio is not None:
            for part in relay.radio.parts:
                if not part.on:
                    yield bad(f"The radio {part.name} of {relay.name} is off: {part.text}")
    for name in away:
        yield note(f"The relay {name} is paired, and away: start it with `relay run` there.")


def _meetings(status: StatusView) -> Iterator[Finding]:
    for point in status.hub.meetings:
        if point.registered:
            yield good(f"Relays from elsewhere find this hub at {point.url}.")
        else:
            why = f" ({point.trouble})" if point.trouble else ""
            yield bad(
                f"Relays from elsewhere do not find this hub at {point.url}{why}: look whether"
                " that meeting point runs, and whether this machine reaches it."
            )


def _toys(seen: SeenList) -> Iterator[Finding]:
    """Models that are known, are heard, and are not connected."""
    lost = [toy for toy in seen.toys if toy.model is not None and toy.reason not in _FINE]
    for toy in lost[:_MOST_TOYS]:
        yield note(f"{toy.name} ({toy.model}) is heard and not connected: {toy.text}")
    if len(lost) > _MOST_TOYS:
        yield note(f"{len(lost) - _MOST_TOYS} more: `forwarder seen` says why each is not here.")


def _pages(origins: OriginsView) -> Iterator[Finding]:
    for origin in list(origins.asked)[-_MOST_PAGES:]:
        yield note(
            f"The web page {origin} wants to connect and waits for your answer: allow or refuse it"
            " on the dashboard."
        )
