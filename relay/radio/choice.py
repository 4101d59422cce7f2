"""Which radios a relay uses: this machine's, or simulated ones.

Each kind's modules and libraries are loaded when one is named: most relays have one kind, and those
of the others would be most of its memory (tests/benchmarks/installed.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.errors import UsageError
from relay.radio.base import Radio, RadioSource
from relay.radio.bounds import MOST_RADIOS, WORD_MOST
from relay.radio.trace import Trace, TracedRadio
from relay.wanted import EVERY, NONE, OPTIONS, NamedRadios


@dataclass(frozen=True, slots=True)
class RadioChoice:
    """The radios that somebody has named. None at all: this machine's default Bluetooth adapter.

    `simulate`: names of toys, separated by commas; `placed`: others, by name and address.
    """

    radios: NamedRadios = NONE
    simulate: str | None = None
    placed: Sequence[tuple[str, str]] = ()


def open_radio(wanted: RadioChoice, trace: Trace | None = None) -> Radio:
    """Return the radios of `wanted` as one. Raises UsageError for what cannot be."""
    radios, sources = list(_radios(wanted)), dict(_sources(wanted.radios))
    if not radios and not sources:
        radios = [_adapter("")]
    if len(radios) > MOST_RADIOS:
        raise UsageError(f"one relay has {MOST_RADIOS} radios at most, not {len(radios)}")
    if sources or len(radios) > 1:
        from relay.radio.several import Radios

        radio: Radio = Radios(radios, sources)
    else:
        (radio,) = radios
    return radio if trace is None else TracedRadio(radio, trace)


def _radios(wanted: RadioChoice) -> Iterator[Radio]:
    if wanted.simulate is not None or wanted.placed:
        yield _simulated(wanted)
    named = wanted.radios
    _demand_words(named)
    _demand_once("--bluetooth", named.bluetooth)
    if EVERY in named.bluetooth and len(named.bluetooth) > 1:
        raise UsageError("--bluetooth all is every adapter: leave the others out")
    for adapter in named.bluetooth:
        if adapter != EVERY or sys.platform != "linux":
            yield _adapter("" if adapter == EVERY else adapter)
    _demand_once("--serial", [text.rpartition("=")[0] or text for text in named.serial])
    _demand_once("--tcode", named.tcode)
    if named.serial or named.tcode:
        from relay.radio.wired.named import network_radio, serial_radio

        yield from map(serial_radio, named.serial)
        yield from map(network_radio, named.tcode)
    _demand_once("--hid", named.hid)
    if named.hid:
        from relay.radio.wired.hid import hid_radio

        yield from map(hid_radio, named.hid)
    _demand_once("--dongle", named.dongle)
    if named.dongle:
        from relay.radio.dongle.named import dongle_radio

        yield from map(dongle_radio, named.dongle)
    _demand_once("--esphome", named.esphome)
    if named.esphome or named.esphome_key:
        from relay.radio.esphome.named import esphome_radios

        yield from esphome_radios(named.esphome, named.esphome_key)
    if named.gamepads:
        from relay.radio.gamepad.named import gamepad_radio

        yield gamepad_radio()
    if named.advertised_toys:
        yield from _advertised(named.advertised_toys)


def _simulated(wanted: RadioChoice) -> Radio:
    from relay.radio.simulated.catalogue import UnknownToy, toy_at, toys_by_name
    from relay.radio.simulated.radio import SimulatedRadio

    try:
        toys = [toy_at(name, address) for name, address in wanted.placed]
        return SimulatedRadio([*toys_by_name(wanted.simulate or ""), *toys])
    except UnknownToy as error:
        raise UsageError(str(error)) from error


def _advertised(named: Sequence[str]) -> Iterator[Radio]:
    from relay.radio.advertised.kinds import kind_of
    from relay.radio.advertised.radio import AdvertisedRadio

    kinds = list(map(kind_of, named))
    if len({kind.adapter for kind in kinds}) < len(kinds):
        raise UsageError(
            "--advertised-toys: two kinds at one adapter would take turns on the air, and stops"
            " come late; give each an adapter of its own: lovespouse@hci1"
        )
    yield from map(AdvertisedRadio, kinds)


def _sources(named: NamedRadios) -> Iterator[tuple[str, RadioSource]]:
    """What brings radios while the relay runs, by their kind."""
    if EVERY in named.bluetooth and sys.platform == "linux":
        from relay.radio.bluetooth.adapters import every_adapter

        yield "bleak", every_adapter()
    if named.esphome:
        from relay.radio.esphome.named import proxies_of_the_network

        if (found := proxies_of_the_network(named.esphome, named.esphome_key)) is not None:
            yield "esphome", found


def _adapter(name: str) -> Radio:
    """BlueZ tells its state before anybody scans; elsewhere the first scan does."""
    if sys.platform == "linux":
        from relay.radio.bluetooth.adapters import AdapterRadio

        return AdapterRadio(name)
    from relay.radio.bleak_radio import BleakRadio

    return BleakRadio(name or None)


def _demand_words(named: NamedRadios) -> None:
    """That each is something that could be said. Raises UsageError."""
    for option in OPTIONS:
        for one in getattr(named, option.key) if option.metavar is not None else ():
            if not one and option.alone != "":
                raise UsageError(f"{option.flag} names nothing: {option.metavar} is missing")
            if not one.isprintable() or len(one) > WORD_MOST:
                # Not the text itself, of which lines of a log could be made, or a screen.
                raise UsageError(f"{option.flag}: no {option.metavar} is called like that")


def _demand_once(option: str, named: Sequence[str]) -> None:
    for one in named:
        if named.count(one) > 1:
            raise UsageError(f"{option} {one}: this radio is named twice".replace("  ", " "))
