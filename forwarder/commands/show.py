"""`forwarder status`, `relays`, `revoke`: what is there, who drives it, how to end a pairing."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime

from forwarder.api.documents.model import (
    ClientView,
    LiveDeviceView,
    RadioPartView,
    RelayView,
    Revoked,
    StatusView,
)
from forwarder.api.documents.stop import HoldView, MissingView
from forwarder.commands.api_client import in_path, pretty
from forwarder.commands.base import (
    FINE,
    add_json,
    add_state,
    admin_of,
    counted,
    table,
)
from forwarder.connectors.base import PathKind
from relay.command_line import Subcommand


def _add_status(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    add_json(parser)


def _status(options: argparse.Namespace) -> int:
    status = admin_of(options).get("/status", StatusView)
    print(pretty(status) if options.json else "\n".join(status_lines(status)))
    return FINE


def status_lines(status: StatusView) -> Iterator[str]:
    """The whole state for a terminal."""
    hub = status.hub
    yield f"Hub {hub.name} (version {hub.version}), up {_since(hub.up_s)}"
    yield from hold_lines(status.hold)
    yield f"  apps connect to {hub.client_url}, the dashboard is at {hub.dashboard_url}"
    yield "Relays"
    yield from table(map(relay_row, status.relays)) if status.relays else ("  none",)
    yield "Devices"
    yield from table(map(device_row, status.devices)) if status.devices else ("  none",)
    yield from choice_lines(status.devices)
    yield "Clients"
    yield from table(map(_client_row, status.clients)) if status.clients else ("  none",)


def hold_lines(hold: HoldView) -> Iterator[str]:
    """Who stopped what, since when, and how it goes on."""
    if hold.since is not None:
        by = f" by {hold.by}" if hold.by else ""
        yield f"  {hold.mode.upper()}{by} since {_at(hold.since)}: `forwarder resume` ends it"
    for muted in hold.muted:
        by = f" by {muted.by}" if muted.by else ""
        yield f"  {muted.name} is muted{by} since {_at(muted.since)}"
    for toy in hold.missing:
        yield f"  {missing_in_words(toy)}"
    for kept in hold.kept:
        yield f"  {kept.name} is kept from other relays until its wearer resumes: {kept.why}"
    for name in hold.held_back:
        yield f"  {name} is not connected: stopped by a person; it connects when they resume"
    if hold.unsaved is not None:
        yield f"  {hold.unsaved}"


def missing_in_words(toy: MissingView) -> str:
    return (
        f"{toy.name} is not connected and may be running: {toy.relay} looks for it, and stops it."
        " Switch it off by hand if you can; then say"
        f" `forwarder devices forget {shlex.quote(toy.name)}`."
    )


def _at(since: float) -> str:
    return f"{datetime.fromtimestamp(since):%Y-%m-%d %H:%M}"


# What carries a link, in a word; nothing for one of this machine.
_BY = {
    PathKind.HERE: "",
    PathKind.NETWORK: "LAN",
    PathKind.INTERNET: "internet",
    PathKind.MEETING: "meeting point",
    PathKind.DIRECT: "direct",
    PathKind.RELAYED: "iroh relay",
}


def relay_row(relay: RelayView) -> tuple[str, ...]:
    if relay.blocked is not None:
        state = relay.blocked
    elif relay.connected:
        state = "connected"
    else:
        state = "away"
    by = "" if relay.path is None else _BY[relay.path.kind]
    trip = "" if relay.round_trip_ms is None else f"{relay.round_trip_ms:.1f} ms"
    trip = ", ".join(filter(None, (by, trip)))
    radio = ""
    if relay.radio is not None and not relay.radio.on:
        radio = f"radio off: {relay.radio.text}"
    elif relay.radio is not None and relay.radio.parts:
        radio = ", ".join(radio_in_words(part) for part in relay.radio.parts)
    devices = counted(len(relay.devices), "device") if relay.connected else ""
    if relay.connected and not relay.free_slots:
        devices += ", no free place"
    paired = "paired" if relay.paired else "this machine"
    return relay.name, state, trip, devices, paired, radio


def radio_in_words(part: RadioPartView) -> str:
    """One of several radios: its name, and what is wrong with it."""
    if not part.on:
        return f"{part.name} off: {part.text}"
    return f"{part.name}: {part.text}" if part.text else part.name


def device_row(device: LiveDeviceView) -> tuple[str, ...]:
    battery = "" if device.live.battery is None else f"battery {device.live.battery} %"
    return (
        str(device.index),
        device.shown_name,
        outputs_in_words(device),
        battery,
        f"at {device.source}",
    )


def choice_lines(devices: Sequence[LiveDeviceView]) -> Iterator[str]:
    """Why each device is where it is, if there was a choice."""
    rows = [
        (device.shown_name, *(f"{choice.text}" for choice in device.live.choice))
        for device in devices
        if len(device.live.choice) > 1
    ]
    if rows:
        yield "Chosen by score, in dB"
    for name, *choices in rows:
        yield f"  {name}  {'; '.join(choices)}"


def outputs_in_words(device: LiveDeviceView) -> str:
    """ "vibrate 40 % by App, rotate off"."""
    words = []
    for level in device.live.levels.values():
        share = f"{level.percent:.0f} %" if level.steps else "off"
        by = f" by {level.driven_by}" if level.driven_by is not None else ""
        words.append(f"{level.type.value.lower()} {share}{by}")
    if device.live.may_run:
        words.append("may be running")
    return ", ".join(words) or "ready"


def _client_row(client: ClientView) -> tuple[str, ...]:
    kind = client.kind if client.version is None else f"{client.kind}, v{client.version}"
    driven = dict.fromkeys(drive.device_name for drive in client.drives)
    drives = f"drives {', '.join(driven)}" if driven else "drives nothing"
    if client.muted:
        drives = "muted"
    token = "" if client.token is None else f"token {client.token}"
    return client.name, f"({kind})", drives, token


def _since(seconds: int) -> str:
    minutes, hours = seconds // 60, seconds // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def _relays(options: argparse.Namespace) -> int:
    relays = admin_of(options).get("/relays", tuple[RelayView, ...])
    if options.json:
        print(pretty(relays))
    elif relays:
        print("\n".join(table(map(relay_row, relays), "")))
    else:
        print("No relay has been here. Pair one with `forwarder pair`.")
    return FINE


def _add_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as `forwarder relays` shows it")
    add_state(parser)


def _revoke(options: argparse.Namespace) -> int:
    revoked = admin_of(options).send("DELETE", f"/relays/{in_path(options.name)}", Revoked)
    cut = "its link was cut" if revoked.cut else "it was not connected"
    print(f"{revoked.name} is revoked; {cut}. To come back, it has to be paired again.")
    return FINE


COMMANDS = {
    "status": Subcommand(_add_status, _status),
    "relays": Subcommand(_add_status, _relays),
    "revoke": Subcommand(_add_revoke, _revoke),
}
