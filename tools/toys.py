"""`python -m tools.toys`: make the relay's simulated toys from the protocol files.

Each model becomes a peripheral that answers what its protocol asks while connecting, so that it is
recognised as itself, and that knows from the packets whether it is at rest. The format belongs to
relay/radio/simulated/models.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import msgspec
from msgspec import Struct

from forwarder.definitions.check import opening_of
from forwarder.definitions.files import DATA, Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol, ModelEntry
from forwarder.definitions.model import Definition
from forwarder.definitions.recognition import Recogniser, RecognitionBlock
from forwarder.protocols.base import (
    DeviceProtocol,
)
from forwarder.protocols.memory import DeviceMemory
from relay.link.messages import Advertisement
from relay.link.names import CHIPS
from relay.radio.simulated.catalogue import model_of
from relay.radio.simulated.models import decode
from tools.toy_motors import MotorCue, MotorData, TracedProtocol, motor_names, motors_of
from tools.toy_rehearsal import GREETINGS, Rehearsal, RehearsedAnswer, rehearse_inputs

# Protocols whose packets cannot be told by trying: counters grow, steps are relative.
_MOTORS: dict[str, tuple[str, str]] = {
    "thehandy-v3": ("080112*a238*", "080112*aa3800"),
    "fredorch-rotary": ("55030104aa", "55032427aa"),
    # Motor and level are digits without anything between them.
    "nextlevelracing": ("'M{i}*\r", "'M{i}0\r"),
}
# The same, of devices whose outputs differ: by feature index.
_EACH: dict[str, dict[int, tuple[str, ...]]] = {
    # Its first command brings a mode along, and no mode runs on in the menu.
    "ossm": {0: ("'set:speed:*", "'set:speed:0", "'go:menu")},
    "umove": {
        0: ("5aa55500????0100*", "5aa5550000000100*"),
        2: ("5aa55506ffff0000ffffffff??ff", "5aa55506ffff0000ffffffff00ff"),
    },
    # Its lowest percents are level 0.
    "yiciyuan": {
        0: ("3512??????*", "351200????*"),
        1: ("3512??????*", "3512??00??*"),
        2: ("3512??????*", "3512????00*"),
    },
}
# On/off is a button: protocol → its packet.
_TOGGLES = {"fmachine": "0164*"}
# Stands for whatever address a device has; nothing else in a packet looks like it.
_ADDRESS = "C1:C2:C3:C4:C5:C6"
_LOVENSE_OK = ("Vibrate*", "Rotate*", "Air:*", "Mply:*", "PowerOff;")


class ToyData(Struct, omit_defaults=True):
    """One entry of toys.json."""

    name: str
    protocol: str
    advertised: tuple[str, ...]
    services: dict[str, tuple[tuple[str, str, str], ...]]
    uuids: tuple[str, ...] = ()
    manufacturer: dict[str, str] = {}
    reads: dict[str, str] = {}
    answers: tuple[RehearsedAnswer, ...] = ()
    greets: dict[str, str] = {}
    motors: tuple[dict[str, object], ...] = ()


def toys_of(loaded: LoadedProtocol, recogniser: Recogniser) -> list[ToyData]:
    """One toy per model that Bluetooth can carry and that can make itself known.

    Some models of Intiface's configuration cannot: nothing that recognises their protocol leads to
    the identifier that they are listed under.
    """
    block = next((block for block in loaded.blocks if block.services), None)
    if block is None:
        return []
    groups: dict[str, list[ModelEntry]] = {}
    for entry in loaded.models.values():
        groups.setdefault(f"{entry.definition.id} {entry.definition.name}", []).append(entry)
    toys = [_toy(loaded, entries) for entries in groups.values()]
    if loaded.default is not None and _default_name(loaded) is not None:
        toys.append(_toy(loaded, [loaded.default]))
    return [toy for toy in toys if _recognised(toy, recogniser)]


def _recognised(toy: ToyData, recogniser: Recogniser) -> bool:
    """Leaves only the names by which the toy is taken for one of its protocol."""
    manufacturer = {int(key): bytes.fromhex(data) for key, data in toy.manufacturer.items()}

    def fits(name: str) -> bool:
        seen = Advertisement("toy", name, services=toy.uuids, manufacturer=manufacturer)
        hits = recogniser.hits(seen)
        return bool(hits) and hits[0].block.protocol == toy.protocol

    toy.advertised = tuple(name for name in toy.advertised if name.endswith("*") or fits(name))
    return bool(toy.advertised) and not toy.advertised[0].endswith("*")


def _default_name(loaded: LoadedProtocol) -> str | None:
    """A name under which the default model advertises, None if no device can be it."""
    if loaded.behaviour.redirect is not None:
        return None
    if loaded.default is not None and not _names(loaded) and not loaded.companies:
        # By cable names are for people: the service tells what it is.
        return loaded.default.definition.name
    told = [rule.step for rule in loaded.behaviour.identify]
    if any(step.const in loaded.models for step in told if step.const is not None):
        return None
    return next((name for name in _concrete(loaded) if name not in loaded.models), None)


def _toy(loaded: LoadedProtocol, entries: list[ModelEntry]) -> ToyData:
    entry = entries[0]
    definition = entry.definition
    rehearsal = Rehearsal(loaded.name)
    toy = ToyData(definition.name, loaded.name, (), {})
    _identity(loaded, entries, toy, rehearsal)
    manufacturer = {int(key): bytes.fromhex(data) for key, data in toy.manufacturer.items()}
    opening = replace(opening_of(loaded, entry), address=_ADDRESS, manufacturer=manufacturer)
    protocol = (
        open_protocol(loaded, opening)
        if loaded.code is not None
        else TracedProtocol(loaded.behaviour, opening)
    )
    rehearsal.play(protocol.handshake())
    rehearse_inputs(definition, protocol, rehearsal)
    toy.motors = tuple(_shown(motor) for motor in _motors(opening, loaded.name, protocol))
    if loaded.name in GREETINGS:
        greeting = GREETINGS[loaded.name]
        toy.greets = {role: greeting for role in rehearsal.notifies if role != "rx"}
    toy.services = _services(loaded, definition, rehearsal)
    roles = {role for table in toy.services.values() for role, _, _ in table}
    toy.reads = {role: data for role, data in rehearsal.reads.items() if role in roles}
    toy.answers = tuple(one for one in rehearsal.answers if {one[0], one[2]} <= roles)
    return toy


def _motors(opening: DeviceMemory, name: str, protocol: DeviceProtocol) -> tuple[MotorData, ...]:
    definition, endpoints = opening.definition, opening.endpoints
    if name in _TOGGLES:
        presses = (("tx", _TOGGLES[name]),)
        names = motor_names(definition).values()
        return tuple(MotorData(one, (), toggles=presses) for one in names)
    if name not in _MOTORS and name not in _EACH:
        return motors_of(definition, protocol, endpoints)
    found = []
    for (index, _), motor in motor_names(definition).items():
        drives, *rest = _MOTORS[name] if name in _MOTORS else _EACH[name][index]
        cues = tuple(("tx", one.format(i=index)) for one in rest)
        found.append(MotorData(motor, (("tx", drives.format(i=index)),), cues))
    return tuple(found)


def _shown(motor: MotorData) -> dict[str, object]:
    shown: dict[str, object] = {"name": motor.name, "drives": _anywhere(motor.drives)}
    if motor.toggles:
        shown["toggles"] = _anywhere(motor.toggles)
    if motor.rest:
        shown["rest"] = _anywhere(motor.rest)
    if motor.top:
        shown["top"] = motor.top
    if motor.silence_ms is not None:
        shown["silence_ms"] = motor.silence_ms
    return shown


def _anywhere(cues: tuple[MotorCue, ...]) -> tuple[tuple[object, ...], ...]:
    """The cues for a toy with any address."""
    return tuple((role, pattern.replace(_ADDRESS, "*"), *rest) for role, pattern, *rest in cues)


def _identity(
    loaded: LoadedProtocol, entries: list[ModelEntry], toy: ToyData, rehearsal: Rehearsal
) -> None:
    """How this model tells itself from the others of its protocol."""
    identifiers = [one.definition.identifier for one in entries]
    names = [name for name in identifiers if name is not None]
    block = next(block for block in loaded.blocks if block.services)
    toy.advertised = tuple(names) or (_default_name(loaded) or toy.name,)
    if block.advertised:
        toy.uuids = block.advertised[:1]
    if not (loaded.behaviour.identify or any(name in block.names for name in names)):
        toy.manufacturer = _manufacturer(block)
    for rule in loaded.behaviour.identify:
        step = rule.step
        if step.ask is not None:
            _lovense(loaded, names, toy, rehearsal)
            return
        if step.mfg is not None and names:
            company = min(loaded.companies)
            toy.manufacturer = {str(company): int(names[0]).to_bytes(4, "big").hex()}
            toy.advertised = (f"SF {toy.name.removeprefix('Satisfyer ')}",)
        if step.read is not None:
            told = names[0] if names else None
            rehearsal.reads[step.read] = _told(told, step.form)
            if not any(other.step.mfg for other in loaded.behaviour.identify):
                toy.advertised = _concrete(loaded)
        if step.name is not None and rule.pattern is not None and "*" in "".join(block.names):
            toy.advertised = tuple(_spelled(name, loaded, rule.pattern) for name in names or [""])


def _spelled(identifier: str, loaded: LoadedProtocol, pattern: re.Pattern[str]) -> str:
    """A name that holds the identifier where the pattern looks for it; "" stands for none known."""
    for name in _names(loaded):
        start = name.removesuffix("*")
        for end in (identifier, f"{identifier}_toy", f"toy_{identifier}", "_toy", "1", "toy_99"):
            found = pattern.search(start + end)
            told = None if found is None else found[found.lastindex or 0]
            if told == identifier or (identifier == "" and told not in (None, *loaded.models)):
                return start + end
    return identifier


def _manufacturer(block: RecognitionBlock) -> dict[str, str]:
    """Data by which the protocol is recognised when names do not tell, and some more."""
    return {str(rule.company): (rule.data + bytes(8)).hex() for rule in block.manufacturer[:1]}


def _names(loaded: LoadedProtocol) -> list[str]:
    return [name for block in loaded.blocks for name in block.names]


def _concrete(loaded: LoadedProtocol) -> tuple[str, ...]:
    """The names of a protocol whose models tell themselves otherwise."""
    names = _names(loaded)
    return tuple(f"{name[:-1]}Toy" if name.endswith("*") else name for name in names)


def _told(identifier: str | None, form: str | None) -> str:
    if identifier is None:
        return "00000000" if form == "u32be" else "0000"
    if form == "hex":
        return identifier
    if form == "u32be":
        return int(identifier).to_bytes(4, "big").hex()
    return identifier.encode().hex()


def _lovense(loaded: LoadedProtocol, names: list[str], toy: ToyData, rehearsal: Rehearsal) -> None:
    """Lovense: the letter of its DeviceType answer, which old firmware also puts into the name."""
    block = next(block for block in loaded.blocks if block.services)
    letter, firmware = (names or ["TOY"])[0], 11
    if letter.startswith("EI"):
        letter, firmware = "EI", 3 if letter == "EI-FW3" else 2
    word = toy.name.split()[-1]
    toy.advertised = ()
    for name in dict.fromkeys(one.removesuffix("-FW3") for one in names or ["TOY"]):
        found = (f"LVS-{name}{firmware:03}", f"LVS-{name}{firmware:02}*", f"LVS-{name}0*")
        toy.advertised += (*found, f"LVS-{word}*") if not toy.advertised else found
    first = f"{letter.encode()[:1].hex()}300001-0023-4bd4-bbd5-a6920e4c5653"
    service = first if first in block.services else next(iter(block.services))
    toy.uuids = (service,)
    rehearsal.answers = {
        ("tx", "'DeviceType;", "rx", f"'{letter}:{firmware}:{{mac}};"): None,
        **rehearsal.answers,
        **{("tx", f"'{text}", "rx", "'OK;"): None for text in _LOVENSE_OK},
    }


def _services(
    loaded: LoadedProtocol, definition: Definition, rehearsal: Rehearsal
) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Each endpoint once; of services that are alternatives, the advertised or first one."""
    block = next(block for block in loaded.blocks if block.services)
    order = list(block.services)
    if loaded.name == "lovense":
        letter = (definition.identifier or "P").encode()[:1].hex()
        wanted = f"{letter}300001-0023-4bd4-bbd5-a6920e4c5653"
        order.sort(key=lambda uuid: uuid != wanted)
    roles: set[str] = set()
    found: dict[str, tuple[tuple[str, str, str], ...]] = {}
    for uuid in order:
        table = block.services[uuid]
        if roles & table.keys():
            continue
        roles |= table.keys()
        found[uuid] = tuple(
            (role, characteristic, _properties(role, rehearsal))
            for role, characteristic in table.items()
        )
    return found


def _properties(role: str, rehearsal: Rehearsal) -> str:
    letters = "r" if role in rehearsal.reads else ""
    notifies = role in rehearsal.notifies or role.startswith("rx")
    if role not in ("rxblebattery", "rxblemodel") and (not notifies or role in rehearsal.writes):
        letters += "wW"
    if notifies and role != "rxblemodel":
        letters += "n"
    return letters or "r"


def export(files: Files) -> bytes:
    """The contents of toys.json: one toy per line."""
    recogniser = Recogniser()
    for block in files.parsed_blocks():
        recogniser.add(block)
    toys = [toy for loaded in files.all() for toy in toys_of(loaded, recogniser)]
    lines = b",\n".join(msgspec.json.encode(toy) for toy in toys)
    models = decode(b'{"toys": [' + lines + b"]}")
    kinds = {
        name: block.protocol
        for block in files.parsed_blocks()
        for name in block.names
        if model_of(name.replace("*", "zz"), models) is None and name not in CHIPS
    }
    return b'{"toys": [\n' + lines + b'\n], "kinds": ' + msgspec.json.encode(kinds) + b"}\n"


def main() -> None:
    root = Path(__file__).parents[1]
    (root / "relay" / "radio" / "simulated" / "toys.json").write_bytes(export(Files(DATA)))


if __name__ == "__main__":
    main()
