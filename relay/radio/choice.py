"""Which radio a relay uses: this machine's, or a simulated one."""

from __future__ import annotations

from collections.abc import Sequence

from relay.errors import UsageError
from relay.radio.base import Radio
from relay.radio.bleak_radio import BleakRadio
from relay.radio.simulated.catalogue import UnknownToy, toy_at, toys_by_name
from relay.radio.simulated.radio import SimulatedRadio
from relay.radio.trace import Trace, TracedRadio


def open_radio(
    simulate: str | None,
    adapter: str | None,
    trace: Trace | None = None,
    *,
    placed: Sequence[tuple[str, str]] = (),
) -> Radio:
    """`simulate`: names of toys, separated by commas; `placed`: others, by name and address.

    Raises UsageError for an unknown one.
    """
    radio: Radio
    if simulate is not None:
        try:
            toys = [toy_at(name, address) for name, address in placed]
            radio = SimulatedRadio([*toys_by_name(simulate), *toys])
        except UnknownToy as error:
            raise UsageError(str(error)) from error
    else:
        radio = BleakRadio(adapter)
    return radio if trace is None else TracedRadio(radio, trace)
