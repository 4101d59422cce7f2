"""The toys that can be simulated, and how a user names them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from relay.link.misfit import near
from relay.link.names import CHIPS, quoted
from relay.radio.simulated.models import ToyModel, decode, decode_kinds
from relay.radio.simulated.toy import Toy

_FILE = Path(__file__).with_name("toys.json")

# The two highest bits of a static random address are ones (Bluetooth core, vol 6 part B, 1.3.2.1).
_STATIC_RANDOM = 0xC0


class UnknownToy(ValueError):
    """Nobody can simulate that; the text names it and suggests others."""

    def __init__(self, name: str, close: Sequence[str]) -> None:
        meant = f"Did you mean {', '.join(close)}?"
        hint = meant if close else "See docs/devices.md for their names."
        super().__init__(f"There is no toy called {quoted(name)} to simulate. {hint}")


@lru_cache(maxsize=1)
def catalogue() -> tuple[ToyModel, ...]:
    """Every toy that comes with the relay; read once, when first needed."""
    return decode(_FILE.read_bytes())


@lru_cache(maxsize=1)
def _kinds() -> dict[str, str]:
    return decode_kinds(_FILE.read_bytes())


def find(name: str, models: Sequence[ToyModel]) -> tuple[ToyModel, str | None]:
    """Return the model called `name`, and the advertised name if it was that.

    Device names come before advertised names, whole names before those with a `*`, all of them
    before device names spelt with other spaces and hyphens; case does not matter. Raises
    UnknownToy.
    """
    wanted = name.casefold()
    for model in models:
        if model.name.casefold() == wanted:
            return model, None
    for model in models:
        for advertised in model.advertised:
            if advertised.casefold() == wanted:
                return model, advertised
    for model in models:
        for advertised in model.advertised:
            start = advertised.removesuffix("*").casefold()
            if start != advertised.casefold() and wanted.startswith(start):
                return model, name
    for model in models:
        if _letters(model.name) == _letters(name):
            return model, None
    raise UnknownToy(name, _close(name, models))


def model_of(advertised: str, models: Sequence[ToyModel] | None = None) -> str | None:
    """What a toy that advertises this name is, for people: its model, or its kind where several
    models do; None where nobody knows, or where it is the name of a chip."""
    if not advertised or advertised in CHIPS:
        return None
    known = catalogue() if models is None else models
    best, length = [model for model in known if advertised in model.advertised], 0
    if not best:
        for model in known:
            for one in model.advertised:
                start = one.removesuffix("*")
                if start == one or not advertised.startswith(start) or len(start) < length:
                    continue
                best = [*best, model] if len(start) == length else [model]
                length = len(start)
    if not best and models is None:
        return _kind_of(advertised)
    names = {model.name for model in best}
    kinds = {model.protocol for model in best}
    if len(names) == 1:
        return names.pop()
    return f"{kinds.pop()} device" if len(kinds) == 1 else None


def _kind_of(advertised: str) -> str | None:
    """What it is where no toy can be simulated that has this name."""
    begins = (f"{advertised[:end]}*" for end in range(len(advertised), 0, -1))
    for name in (advertised, *begins):
        if (protocol := _kinds().get(name)) is not None:
            return f"{protocol} device"
    return None


def _letters(name: str) -> str:
    """What is left when people do not agree on spaces and hyphens: We-Vibe, WeVibe, We Vibe."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def address_of(model: ToyModel, ordinal: int) -> str:
    """The address of the `ordinal`th toy of a model: the same on every run and every machine."""
    digest = hashlib.sha256(f"{model.name}/{ordinal}".encode()).digest()
    octets = bytes([digest[0] | _STATIC_RANDOM]) + digest[1:6]
    return octets.hex(":").upper()


def toys_by_name(names: str, models: Sequence[ToyModel] | None = None) -> list[Toy]:
    """Make the toys of a comma separated list; one that is named twice is there twice.

    Raises UnknownToy.
    """
    known = catalogue() if models is None else models
    seen: Counter[str] = Counter()
    toys = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        model, advertised = find(name, known)
        toys.append(Toy(model, address_of(model, seen[model.name]), advertised=advertised))
        seen[model.name] += 1
    return toys


def toy_at(name: str, address: str) -> Toy:
    """A toy with an address of its own. Raises UnknownToy."""
    model, advertised = find(name, catalogue())
    return Toy(model, address, advertised=advertised)


def _close(name: str, models: Sequence[ToyModel]) -> list[str]:
    """Up to three names like `name`: those that contain it, else by spelling."""
    known = {model.name.casefold(): model.name for model in models}
    for model in models:
        for advertised in model.advertised:
            if not advertised.endswith("*"):
                known.setdefault(advertised.casefold(), advertised)
    wanted = name.casefold()
    alike = [text for text in known if wanted in text] or near(wanted, known, 3)
    return [known[text] for text in alike[:3]]
