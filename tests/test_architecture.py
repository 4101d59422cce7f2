"""The import rules of docs/architecture.md, read from the source and checked."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("relay", "forwarder")

# Sans-I/O: none of these may be reached from there, not even through other modules of ours.
IO = ("asyncio", "aiohttp", "bleak", "socket", "threading", "subprocess", "selectors", "uvloop")
SANS_IO = (
    "forwarder.buttplug",
    "forwarder.definitions",
    "forwarder.protocols",
    "forwarder.config",
    "forwarder.connectors.bounds",
    "forwarder.connectors.doors",
    "forwarder.errors",
    "forwarder.meet.bounds",
    "forwarder.meet.flow",
    "forwarder.meet.proxies",
    "forwarder.meet.table",
    "forwarder.stop.hold",
    "forwarder.sources.relays.choosing.choice",
    "forwarder.sources.relays.choosing.pins",
    "forwarder.sources.relays.choosing.seen",
    "forwarder.sources.relays.choosing.sightings",
    "forwarder.access.tokens",
    "forwarder.access.relay_keys",
    "relay.debts.debts",
    "relay.peripheral.actions",
    "relay.peripheral.gate",
    "relay.peripheral.history",
    "relay.peripheral.limits",
    "relay.peripheral.machine",
    "relay.peripheral.outcomes",
    "relay.peripheral.runs",
    "relay.peripheral.slots",
    "relay.peripheral.stops",
    "relay.peripheral.voice",
    "relay.peripheral.worker",
    "relay.link.codec",
    "relay.link.direct.place",
    "relay.link.errors",
    "relay.link.security.handshake",
    "relay.link.lease_clock",
    "relay.link.misfit",
    "relay.checks.findings",
    "forwarder.checks.settings",
    "relay.link.messages",
    "relay.link.security.meeting",
    "relay.link.security.noise",
    "relay.link.security.pairing",
    "relay.link.session",
    "relay.link.security.transport",
    "relay.debts.record",
    "relay.wanted",
    "relay.radio.advertised.frames",
    "relay.radio.advertised.on_air",
    "relay.radio.score",
)
# The only modules that may import a library, because they translate its errors.
SOLE_IMPORTERS = {
    "bleak": ("relay.radio.",),
    "dbus_fast": ("relay.supervision.", "relay.radio.advertised.bluez"),
    "aioesphomeapi": ("relay.radio.esphome.",),
    "hid": ("relay.radio.wired.hidapi",),
    "evdev": ("relay.radio.gamepad.linux",),
    "iroh": ("relay.link.direct.endpoint",),
    "serialx": ("relay.radio.wired.serial_port",),
    "prometheus_client": ("forwarder.metrics.exposition",),
    "zeroconf": (
        "forwarder.connectors.mdns",
        "relay.hub_link.looking",
        "relay.radio.esphome.found",
    ),
}
# What the hub may use of the relay: the link, and the machine of a peripheral with its seam to a
# radio, for devices that dial in to the hub by themselves.
USABLE = (
    "relay.link", "relay.peripheral", "relay.radio.base", "relay.context", "relay.command_line",
    "relay.autostart", "relay.hub_link.hubs",
    # Whether a hub is found by mDNS is asked as relays ask.
    "relay.hub_link.looking", "relay.service_manager", "relay.terminal",
    # What is looked at around both programs is one list.
    "relay.checks.bundle", "relay.checks.findings", "relay.checks.machine",
    "relay.version",
    # The words of both programs for radios.
    "relay.wanted",
    # Lines of both logs are alike.
    "relay.json_log",
    # One measure for relays and for the radios of one.
    "relay.radio.score",
)  # fmt: skip
# And the embedded relay, where everything is put together.
EMBEDDING = ("relay.embedded",)
TOGETHER = (
    "forwarder.app",
    "forwarder.composition.sources",
    # Before the hub is loaded: the relay's own debts.
    "forwarder.commands.program.left_behind",
)


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = path
    return found


MODULES = _modules()


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


IMPORTS = {name: sorted(set(_imports(path))) for name, path in MODULES.items()}


def _inside(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def _way_to(start: str, targets: tuple[str, ...]) -> list[str] | None:
    """The chain of imports from `start` to one of `targets`, if there is one."""
    ways = [[start]]
    seen = {start}
    while ways:
        way = ways.pop()
        for name in IMPORTS.get(way[-1], ()):
            if any(_inside(name, target) for target in targets):
                return [*way, name]
            if name in MODULES and name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None


@pytest.mark.parametrize("module", [name for name in MODULES if _inside(name, "relay")])
def test_the_relay_imports_nothing_of_the_forwarder(module: str) -> None:
    assert not [name for name in IMPORTS[module] if _inside(name, "forwarder")]


@pytest.mark.parametrize("module", [name for name in MODULES if _inside(name, "forwarder")])
def test_the_forwarder_imports_only_the_link_and_the_machine_of_the_relay(module: str) -> None:
    allowed = (*USABLE, *(EMBEDDING if module in TOGETHER else ()))
    foreign = [name for name in IMPORTS[module] if _inside(name, "relay")]
    assert not [name for name in foreign if not any(_inside(name, part) for part in allowed)]


@pytest.mark.parametrize(
    "module", [name for name in MODULES if any(_inside(name, part) for part in SANS_IO)]
)
def test_a_sans_io_module_reaches_no_io(module: str) -> None:
    assert _way_to(module, IO) is None


@pytest.mark.parametrize("library", SOLE_IMPORTERS)
def test_a_library_is_imported_only_where_its_errors_are_translated(library: str) -> None:
    users = [name for name in MODULES if any(_inside(each, library) for each in IMPORTS[name])]
    assert not [name for name in users if not name.startswith(SOLE_IMPORTERS[library])]


# The command line loads what a word needs when it was said: help is there in a quarter of a second.
LATE = ("forwarder.commands.", "relay.commands.")
# And where an extra is needed by few: NATS by a meeting point with nodes, iroh for direct paths; or
# what takes memory and time of every hub and is used by few, late, or beside the loop: mDNS, radios
# of its own, QR codes, the description of the API, the checks, bridges, sources that the
# configuration names; and of every relay each kind of radio but its own.
LATE_TOO = (
    "forwarder.api.dashboard.checks", "forwarder.api.pairing", "forwarder.api.server",
    "forwarder.composition.meetings", "forwarder.bridges.bridges", "forwarder.checks.examine",
    "forwarder.composition.sources", "relay.checks.machine", "relay.radio.choice",
    "relay.radio.wired.named",
    "forwarder.connectors.mdns", "relay.embedded", "relay.hub_link.looking",
    "forwarder.__main__", "forwarder.cli", "forwarder.meet.server", "relay.__main__",
    "relay.command_line", "relay.link.direct.endpoint",
)  # fmt: skip


@pytest.mark.parametrize(
    "module", [name for name in MODULES if not name.startswith(LATE) and name not in LATE_TOO]
)
def test_nothing_is_imported_inside_a_function(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    inside = [
        f"{function.name}:{node.lineno}"
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inside


def test_no_two_modules_import_each_other() -> None:
    loops = [
        name for name in MODULES if _way_to(name, (name,)) and MODULES[name].stem != "__init__"
    ]
    assert not loops


def test_only_the_hub_moves_a_device_and_it_asks_the_persons_stop_first() -> None:
    """Everything that calls `x.output(…)`, by what `x` is there. Whoever adds a way to a device
    has to pass Hub.output, where forwarder.stop.hold is asked."""
    calls: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        if any(_inside(name, part) for part in ("relay", "forwarder.definitions")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=owner, attr="output")):
                    calls.setdefault(ast.unparse(owner), set()).add(name)
    del calls["self"]  # a protocol's own, a client's own
    assert calls == {
        "device": {"forwarder.hub.hub"},  # the gate
        "super()": {"forwarder.metrics.hub"},  # the gate itself, counted
        "self._hub": {  # to the gate
            "forwarder.clients.driver",
            "forwarder.api.controllers",
            "forwarder.play.driver",
        },
        "driver": {"forwarder.api.controllers", "forwarder.api.dashboard.session"},  # of the API
        "hub": {"forwarder.sources.virtual.members"},  # as a client of it, so before the gate
        "remote": {"forwarder.bridges.performer"},  # a client like any other, so before the gate
        "self._scripts": {"forwarder.api.actions"},
        "self._driver": {"forwarder.hub.device"},  # behind the gate
        "self.protocol": {"forwarder.devices.packet_driver"},
        "self._hardware": {"forwarder.devices.packet_driver"},
        "self._peripheral": {"forwarder.sources.websocket_devices.hardware"},  # its machine
    }
