"""Settings that contradict each other, or that have no effect. Decisions only; sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from forwarder.access.admission import is_address, is_loopback, is_program, normal_origin
from forwarder.config import PUBLIC_RELAYS, Clients, Config, Link, Upstream, WebsocketDevices
from relay.checks.findings import Finding, bad, note
from relay.link.direct.place import direct_address, relay_url
from relay.link.errors import LinkError
from relay.link.security.meeting import meeting_origin

# Labels of letters, digits and hyphens, of any script (RFC 5890); underscores, for some have them.
_HOST = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?")
_SPECIAL_ORIGINS = ("*", "null", "(empty)")


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port that the hub takes. `key`: in the configuration file; `option`: what changes it.
    `vital`: without it there is no hub."""

    port: int
    hosts: tuple[str, ...]
    what: str
    key: str
    option: str
    vital: bool = True


LOOPBACK = ("127.0.0.1", "::1")
_EVERYWHERE = ("0.0.0.0", "::")


def wanted_ports(config: Config) -> Iterator[WantedPort]:
    """All of them, in the order in which the hub takes them; port 0 takes a free one."""
    clients, link, devices = config.clients, config.link, config.websocket_devices
    reach = _EVERYWHERE if link.lan else LOOPBACK
    yield WantedPort(clients.port, clients.hosts, "apps", "clients.port", "--port")
    yield WantedPort(link.port, reach, "relays and the dashboard", "link.port", "--link-port")
    if link.https_port:
        yield WantedPort(link.https_port, reach, "phones", "link.https_port", "--https-port", False)
    if devices.enabled:
        key = "websocket_devices.port"
        yield WantedPort(devices.port, devices.hosts, "devices that dial in", key, key)
    lovense = config.bridges.lovense
    if lovense.enabled:
        key = "bridges.lovense.port"
        yield WantedPort(lovense.port, lovense.hosts, "apps of Lovense's protocol", key, key)
    if link.meet_here is not None:
        yield WantedPort(
            link.meet_port, LOOPBACK, "the meeting point here", "link.meet_port", "--meet-port"
        )
    for number, entry in enumerate(config.upstream, 1):
        if entry.dial is None and entry.listen is not None:
            key = f"upstream[{number}].listen"
            yield WantedPort(entry.listen, LOOPBACK, f"the upstream {entry.name}", key, key)


def settings(config: Config) -> Iterator[Finding]:
    """What is bad keeps the hub from starting."""
    yield from _same_ports(config)
    yield from _clients(config.clients)
    yield from _link(config.link)
    if config.radio.adapter is not None and not config.radio.local:
        yield _no_effect("radio.adapter", "radio.local is true")
    devices = config.websocket_devices
    if not devices.enabled and devices != WebsocketDevices():
        yield _no_effect("websocket_devices", "websocket_devices.enabled is true")
    yield from _listening(devices.hosts, devices.enabled, "websocket_devices.hosts")
    bridges = config.bridges
    yield from _listening(bridges.lovense.hosts, bridges.lovense.enabled, "bridges.lovense.hosts")
    yield from _listening((bridges.osc.host,), bridges.osc.enabled, "bridges.osc.host")
    for number, stand_in in enumerate(config.stand_ins, 1):
        if stand_in.low >= stand_in.high:
            yield bad(
                f"stand_ins[{number}]: low is {stand_in.low:g} and high {stand_in.high:g}, so it"
                " could not move: choose a high that is above low."
            )
    groups: set[str] = set()
    for number, group in enumerate(config.groups, 1):
        if group.name in groups:
            yield bad(f"groups[{number}].name: another group is called that; choose another name.")
        groups.add(group.name)
    if bridges.mqtt.enabled and not (
        _HOST.fullmatch(bridges.mqtt.broker) or is_address(bridges.mqtt.broker)
    ):
        yield bad(
            f"bridges.mqtt.broker: {bridges.mqtt.broker} is no name of a machine; write it without"
            ' mqtt:// and without a port, like "homeassistant.local".'
        )
    names: set[str] = set()
    for number, entry in enumerate(config.upstream, 1):
        yield from _upstream(entry, f"upstream[{number}]")
        if entry.name in names:
            yield bad(
                f"upstream[{number}].name: another upstream is called that; choose another name."
            )
        names.add(entry.name)
    folder = config.devices.catalogue
    if folder is not None and not folder.is_dir():
        yield bad(f"devices.catalogue: there is no folder {folder}; make it, or correct its name.")
    if config.trace is not None and not config.trace.absolute().parent.is_dir():
        yield bad(f"trace: there is no folder {config.trace.absolute().parent}; make it.")


def _no_effect(what: str, unless: str) -> Finding:
    return note(f"{what} has no effect unless {unless}.")


def _same_ports(config: Config) -> Iterator[Finding]:
    seen: dict[int, str] = {}
    for wanted in wanted_ports(config):
        if wanted.port and wanted.port in seen:
            yield bad(
                f"{wanted.key} and {seen[wanted.port]} are both {wanted.port}: choose another port"
                " for one of them."
            )
        seen.setdefault(wanted.port, wanted.key)


def _listening(hosts: tuple[str, ...], wanted: bool, key: str) -> Iterator[Finding]:
    for host in hosts if wanted else ():
        if not is_address(host):
            yield bad(
                f"{key}: {host} is no address of a machine; names are not enough, write its"
                ' number, like "192.168.1.20".'
            )


def _clients(clients: Clients) -> Iterator[Finding]:
    if not clients.hosts:
        yield bad('clients.hosts is empty, so no app could connect: write ["127.0.0.1", "::1"].')
    yield from _listening(clients.hosts, True, "clients.hosts")
    beyond = any(is_address(host) and not is_loopback(host) for host in clients.hosts)
    for one in clients.trusted:
        if not is_address(one):
            yield bad(f'clients.trusted: {one} is no IP address; write one like "192.168.1.30".')
    if clients.trusted and not beyond:
        yield _no_effect("clients.trusted", "clients.hosts has an address that others can reach")
    if beyond and not clients.secure:
        yield note(
            "clients.hosts lets other machines in by plain ws, where their tokens can be read on"
            " the way: set clients.wss, or use /buttplug at the https port."
        )
    for origin in clients.origins:
        known = origin.strip().lower() in _SPECIAL_ORIGINS or origin.lower().startswith("file:")
        if not known and not origin.lower().startswith(("http://", "https://")):
            if is_program(origin.lower()) or "://" in origin:
                continue
            yield note(
                f'clients.origins: {origin} matches no page; write it like "https://example.com".'
            )
        elif not known and urlsplit(normal_origin(origin)).path:
            yield note(
                f"clients.origins: {origin} matches no page, for an origin ends with its host;"
                " leave out what follows."
            )


def _link(link: Link) -> Iterator[Finding]:
    for name in link.names:
        if not _HOST.fullmatch(name) and not is_address(name):
            yield bad(
                f"link.names: {name} is no name of a machine; write it without https:// and without"
                ' a port, like "hub.example.org".'
            )
    for key, texts, read in (
        ("link.meet", link.meet, meeting_origin),
        ("link.iroh_relays", link.iroh_relays, _iroh_relay),
        ("link.direct_at", link.direct_at, direct_address),
    ):
        for text in texts:
            try:
                read(text)
            except LinkError as error:
                yield bad(f"{key}: {error}.")
    if link.direct_at and not link.direct and not link.iroh_relays:
        yield _no_effect("link.direct_at", "link.direct is true")
    if link.tls is not None and not link.https_port:
        yield _no_effect("link.tls", "link.https_port is a port")


def _iroh_relay(text: str) -> str:
    return text if text == PUBLIC_RELAYS else relay_url(text)


def _upstream(entry: Upstream, where: str) -> Iterator[Finding]:
    if entry.dial is None and entry.listen is None:
        yield bad(
            f"{where} ({entry.name}): say where it is, with `dial`, or where it calls this hub,"
            " with `listen`."
        )
    if entry.dial is not None and entry.listen is not None:
        yield _no_effect(f"{where}.listen", "`dial` is left out")
    if entry.secure and entry.listen is None:
        yield _no_effect(f"{where}.wss and .tls", "`listen` is said")
    if entry.fingerprint is not None and not (entry.dial or "").startswith("wss://"):
        yield _no_effect(f"{where}.fingerprint", "`dial` begins with wss://")
