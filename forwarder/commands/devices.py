"""`forwarder devices`: those that are connected, all that could be, and what the user decides."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from msgspec import UNSET, UnsetType

from forwarder.api.documents.model import (
    CatalogueView,
    DeviceBody,
    DeviceSet,
    How,
    Known,
    LimitBody,
    LiveDeviceView,
)
from forwarder.api.documents.stop import ForgetBody, Forgotten
from forwarder.buttplug.messages import OutputType
from forwarder.commands.api_client import ApiClient, pretty
from forwarder.commands.base import (
    FINE,
    add_json,
    add_state,
    admin_of,
    config_of,
    counted,
    table,
)
from forwarder.commands.show import device_row
from forwarder.errors import ConfigError
from relay.command_line import Subcommand
from relay.link.names import neutralise, quoted

# [FEATURE:]TYPE=[LOW-]HIGH, in percent
_LIMIT = re.compile(r"(?:(\d{1,3}):)?([A-Za-z]+)=(?:(\d{1,3})-)?(\d{1,3})%?")
_PLACE = re.compile(r"(?:(\d{1,3}):)?([A-Za-z]+)")


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    add_json(parser)
    parser.set_defaults(devices=_list)
    commands = parser.add_subparsers(metavar="COMMAND")
    catalogue = commands.add_parser("catalogue", help="all models that can be driven")
    catalogue.add_argument("--search", metavar="TEXT", default="", help="brand, model or protocol")
    add_json(catalogue, nested=True)
    catalogue.set_defaults(devices=_catalogue)
    known = commands.add_parser("known", help="devices that were here once, also denied ones")
    add_json(known, nested=True)
    known.set_defaults(devices=_known)
    change = commands.add_parser("set", help="name, limit, deny or pin a device")
    _add_set(change)
    forget = commands.add_parser("forget", help="a missing device is off: look for it no more")
    forget.add_argument("name", metavar="NAME", help="as `forwarder status` shows it, or its index")
    forget.set_defaults(devices=_forget)
    for command in (catalogue, known, change, forget):
        add_state(command, nested=True)


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(devices=_set)
    parser.add_argument("index", type=int, metavar="INDEX", help="as `forwarder devices` shows it")
    parser.add_argument("--name", metavar="TEXT", help='what to call it; "" takes the name back')
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="[FEATURE:]TYPE=[LOW-]HIGH",
        help="percent of what the device can do, like vibrate=60 or 0:vibrate=10-60",
    )
    parser.add_argument(
        "--disable", action="append", default=[], metavar="[FEATURE:]TYPE", help="hide an output"
    )
    parser.add_argument(
        "--enable", action="append", default=[], metavar="[FEATURE:]TYPE", help="no limit any more"
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--deny", action="store_true", default=None, help="never connect it")
    choice.add_argument("--allow", action="store_true", help="take a denial back")
    pin = parser.add_mutually_exclusive_group()
    pin.add_argument("--pin", metavar="RELAY", help='only this relay may have it; "" for any')
    pin.add_argument("--prefer", metavar="RELAY", help="this relay comes before all others")
    pin.add_argument("--never", metavar="RELAY", help="this relay may not have it")


def _run(options: argparse.Namespace) -> int:
    code: int = options.devices(options)
    return code


def _list(options: argparse.Namespace) -> int:
    devices = admin_of(options).get("/devices", tuple[LiveDeviceView, ...])
    if options.json:
        print(pretty(devices))
    elif devices:
        print("\n".join(table(map(device_row, devices), "")))
    else:
        print("No device is connected. Apps start a scan, and so does the dashboard.")
    return FINE


def _known(options: argparse.Namespace) -> int:
    known = admin_of(options).get("/known", tuple[Known, ...])
    if options.json:
        print(pretty(known))
        return FINE
    for line in table([_known_row(device) for device in known], "") if known else ("None yet.",):
        print(line)
    return FINE


def _known_row(device: Known) -> tuple[str, ...]:
    state = "connected" if device.connected else "away"
    index = "" if device.index is None else str(device.index)
    return index, device.name, "denied" if device.denied else state, device.protocol


def _catalogue(options: argparse.Namespace) -> int:
    """Needs no running hub."""
    config = config_of(options)
    # All that is known about models, which nothing else here needs.
    from forwarder.api.actions import catalogue_view
    from forwarder.definitions.user_files.opened import open_files

    _, catalogue = open_files(
        config.devices.user,
        config.state_dir / "devices.json",
        official=config.devices.official,
        own=config.devices.catalogue,
    )
    found = [catalogue_view(entry) for entry in catalogue.search(options.search)]
    if options.json:
        print(pretty(found))
        return FINE
    for line in table(map(_model_row, found), "") if found else ():
        print(line)
    print(counted(len(found), "model"))
    return FINE


def _model_row(model: CatalogueView) -> tuple[str, ...]:
    has = [_times(kind.value, n) for kind, n in Counter(model.outputs).items()]
    has += [_times(kind.value, n) for kind, n in Counter(model.inputs).items()]
    return neutralise(model.name), model.protocol, ", ".join(has)


def _times(kind: str, number: int) -> str:
    return kind.lower() if number == 1 else f"{number}× {kind.lower()}"


def _set(options: argparse.Namespace) -> int:
    admin = admin_of(options)
    deny: bool | UnsetType = UNSET
    if options.deny or options.allow:
        deny = bool(options.deny)
    body = DeviceBody(
        display_name=UNSET if options.name is None else (options.name or None),
        limits=_limits(admin, options),
        deny=deny,
        **_pin(options),
    )
    if body == DeviceBody():
        raise ConfigError("What shall be set? See `forwarder devices set --help`.")
    print(admin.send("PUT", f"/devices/{options.index}", DeviceSet, body).text)
    return FINE


class _PinWords(TypedDict, total=False):
    pin: str | None
    pin_how: How


def _pin(options: argparse.Namespace) -> _PinWords:
    if options.pin is not None:
        return {"pin": options.pin or None}
    if options.prefer is not None:
        return {"pin": options.prefer, "pin_how": How.PREFER}
    return {} if options.never is None else {"pin": options.never, "pin_how": How.NEVER}


def _forget(options: argparse.Namespace) -> int:
    body = ForgetBody(name=options.name)
    forgotten = admin_of(options).send("POST", "/missing/forget", Forgotten, body)
    print(f"{forgotten.name} counts as off.")
    return FINE


def _limits(admin: ApiClient, options: argparse.Namespace) -> tuple[LimitBody, ...] | UnsetType:
    wanted = [
        *(_limit(text) for text in options.limit),
        *(_place(text, disabled=True) for text in options.disable),
        *(_place(text, disabled=False) for text in options.enable),
    ]
    if not wanted:
        return UNSET
    device = admin.get(f"/devices/{options.index}", LiveDeviceView)
    bodies: list[LimitBody] = []
    for feature, kind, lowest, highest, disabled in wanted:
        features = _features(device, kind) if feature is None else (feature,)
        if not features:
            raise ConfigError(f"{device.shown_name} has no output {kind}.")
        bodies += [
            LimitBody(feature=at, type=kind, lowest=lowest, highest=highest, disabled=disabled)
            for at in features
        ]
    return tuple(bodies)


_Wanted = tuple[int | None, OutputType, float, float, bool]


def _features(device: LiveDeviceView, kind: OutputType) -> Sequence[int]:
    """Those with such an output, also where a limit hides it."""
    return [
        feature.index
        for feature in device.features
        if kind in feature.outputs or kind in feature.limits
    ]


def _limit(text: str) -> _Wanted:
    found = _LIMIT.fullmatch(text.replace(" ", ""))
    if found is None:
        raise ConfigError(f"{quoted(text)} is no limit; write vibrate=60 or 0:vibrate=10-60.")
    feature, kind, low, high = found.groups()
    if int(low or 0) >= int(high) or int(high) > 100:
        raise ConfigError(f"{quoted(text)}: percent from 0 to 100, the lower one first.")
    return _number(feature), _kind(kind), float(low or 0), float(high), False


def _place(text: str, *, disabled: bool) -> _Wanted:
    found = _PLACE.fullmatch(text.replace(" ", ""))
    if found is None:
        raise ConfigError(f"{quoted(text)} is no output; write vibrate or 0:vibrate.")
    feature, kind = found.groups()
    return _number(feature), _kind(kind), 0.0, 100.0, disabled


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _kind(text: str) -> OutputType:
    kind = next((kind for kind in OutputType if kind.value.casefold() == text.casefold()), None)
    if kind is None:
        raise ConfigError(
            f"There is no output type {quoted(text)}; there are {', '.join(OutputType)}."
        )
    return kind


COMMANDS = {
    "devices": Subcommand(_add, _run),
}
