"""Which radios a relay uses: this machine's, or simulated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.errors import UsageError
from relay.radio.base import Radio
from relay.radio.bleak_radio import BleakRadio
from relay.radio.several import MOST_RADIOS, Radios
from relay.radio.simulated.catalogue import UnknownToy, toy_at, toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.trace import Trace, TracedRadio
from relay.radio.wired.named import serial_radio


@dataclass(frozen=True, slots=True)
class Wanted:
    """The radios that somebody has named. None at all: this machine's default Bluetooth adapter.

    `bluetooth`: adapters by the name that the system has for them, "" the default one. `simulate`:
    names of toys, separated by commas; `placed`: others, by name and address. `serial`: ports with
    what is on them, as `/dev/ttyUSB0=tcode`.
    """

    bluetooth: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()
    simulate: str | None = None
    placed: Sequence[tuple[str, str]] = ()


def open_radio(wanted: Wanted, trace: Trace | None = None) -> Radio:
    """Return the radios of `wanted` as one. Raises UsageError for what cannot be."""
    radios = list(_radios(wanted)) or [BleakRadio()]
    if len(radios) > MOST_RADIOS:
        raise UsageError(f"one relay has {MOST_RADIOS} radios at most, not {len(radios)}")
    radio = radios[0] if len(radios) == 1 else Radios(radios)
    return radio if trace is None else TracedRadio(radio, trace)


def _radios(wanted: Wanted) -> Iterator[Radio]:
    if wanted.simulate is not None or wanted.placed:
        try:
            toys = [toy_at(name, address) for name, address in wanted.placed]
            yield SimulatedRadio([*toys_by_name(wanted.simulate or ""), *toys])
        except UnknownToy as error:
            raise UsageError(str(error)) from error
    _demand_once("--bluetooth", wanted.bluetooth)
    for adapter in wanted.bluetooth:
        yield BleakRadio(adapter or None)
    _demand_once("--serial", [text.rpartition("=")[0] or text for text in wanted.serial])
    yield from map(serial_radio, wanted.serial)


def _demand_once(option: str, named: Sequence[str]) -> None:
    for one in named:
        if named.count(one) > 1:
            raise UsageError(f"{option} {one}: this radio is named twice".replace("  ", " "))
