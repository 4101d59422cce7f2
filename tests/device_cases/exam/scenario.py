"""A scenario as values, one per line of a *.jsonl file.

A simulated toy, what a client of spec version 4 asks for, and what the reference server did then.
`toy.services`: service → [characteristic, properties]; a characteristic that two services share
is named `service/characteristic` everywhere else. An operation is `s UUID` (subscribe), `u UUID`,
`w UUID hex` (write with response) or `W UUID hex`; `?` stands for one hex digit, `*` for any
number of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from relay.radio.simulated.models import ToyCharacteristic, ToyModel, ToyResponse
from relay.radio.simulated.toy import Toy
from tests.device_cases.case import BadCase


class Out(Struct, array_like=True):
    """`duration` in ms makes it a timed move."""

    feature: int
    kind: str
    value: int
    duration: int | None = None


class ToyData(Struct):
    name: str
    address: str
    services: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    advertises: tuple[str, ...] = ()
    manufacturer: dict[int, str] = {}
    reads: dict[str, str] = {}
    greets: dict[str, str] = {}
    answers: tuple[tuple[str, str, str, str], ...] = ()

    def toy(self) -> Toy:
        seen = Counter(uuid for _, group in self.services for uuid, _ in group)
        services = {
            service: tuple(
                ToyCharacteristic(
                    uuid if seen[uuid] == 1 else f"{service}/{uuid}", uuid, properties
                )
                for uuid, properties in group
            )
            for service, group in self.services
        }
        model = ToyModel(
            name=self.name,
            protocol="",
            advertised=(self.name,),
            services=services,
            uuids=self.advertises,
            manufacturer=self.manufacturer,
            reads=self.reads,
            answers=tuple(ToyResponse(*each) for each in self.answers),
            greets=self.greets,
        )
        return Toy(model, self.address, advertised=self.name)


class Step(Struct):
    """What the client does, or the toy by itself (`notify`); `wait` in ms replaces `settle_ms`."""

    out: tuple[Out, ...] = ()
    stop: bool | int | None = None
    read: tuple[int, str] | None = None
    input: tuple[int, str, str] | None = None
    notify: tuple[str, str] | None = None
    wait: int | None = None

    @property
    def rests(self) -> bool:
        """Whether after this step what it concerns is off."""
        return self.stop is not None or (bool(self.out) and all(one.value == 0 for one in self.out))

    @property
    def moves(self) -> bool:
        """Whether it is a timed move, whose way may be told in other steps."""
        return bool(self.out) and all(one.duration is not None for one in self.out)

    def __str__(self) -> str:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        given = {name: value for name, value in values.items() if value not in (None, ())}
        return msgspec.json.encode(given).decode().replace(",null]", "]")


class Told(Struct):
    """What the reference did in a step. `disputed`: why it is not compared."""

    reply: tuple[object, ...] = ()
    ops: tuple[str, ...] = ()
    readings: tuple[object, ...] | None = None
    count: int | None = None
    disputed: str | None = None


class DeviceTold(Struct):
    name: str
    features: dict[str, dict[str, object]]


class Expectation(Struct):
    device: DeviceTold
    connect: tuple[str, ...]
    steps: tuple[Told, ...]


class Scenario(Struct):
    """`extra`: how a user's file would make the toy recognised, if no name of it is known."""

    id: str
    protocol: str
    toy: ToyData
    settle_ms: int
    steps: tuple[Step, ...]
    expect: Expectation
    identifier: str | None = None
    extra: tuple[dict[str, object], ...] | None = None


def scenarios(path: Path) -> Iterator[Scenario]:
    """Raises BadCase that names file and line."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield msgspec.json.decode(line, type=Scenario)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise BadCase(f"{path.name}:{number}: {error}") from error
