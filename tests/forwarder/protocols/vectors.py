"""Runs vector files; their grammar is in vectors/README.md. Problems come back as lines of text."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from forwarder.definitions.check import numbered
from forwarder.definitions.files import Files, open_protocol
from forwarder.definitions.loader import LoadedProtocol, ModelEntry
from forwarder.definitions.model import INPUT_NAMES, OUTPUT_NAMES
from forwarder.protocols import connecting
from forwarder.protocols.base import (
    DeviceProtocol,
    NoticeStep,
    ProtocolError,
    ReadStep,
    SleepStep,
    Step,
    StepFailed,
    Steps,
    SubscribeStep,
    UnsubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.connecting import Seen
from forwarder.protocols.memory import DeviceMemory
from forwarder.protocols.template import merge
from relay.link.messages import Packet

FOLDER = Path(__file__).parent / "vectors"
Tree = dict[str, Any]
T = TypeVar("T")


class Mismatch(Exception):
    """Something was not as the vector says."""


@dataclass
class Randomness:
    """Yields what the vector says; an unforeseen draw is a mismatch."""

    data: bytes

    def __call__(self, size: int) -> bytes:
        if len(self.data) < size:
            raise Mismatch("randomness was drawn that the case does not give")
        drawn, self.data = self.data[:size], self.data[size:]
        return drawn


@dataclass
class Case:
    tree: Tree
    loaded: LoadedProtocol
    seen: Seen = field(default_factory=Seen)
    roles: dict[int, str] = field(default_factory=dict)

    def run(self, files: Files) -> None:
        """Raises Mismatch."""
        tree = self.tree
        name = str(tree.get("name", tree.get("device") or ""))
        companies = {int(k): _hex(v) for k, v in (tree.get("manufacturer") or {}).items()}
        self.seen = Seen(name, tree.get("address", "00:11:22:33:44:55"), companies)
        if "identify" in tree:
            self._identify(tree["identify"])
        loaded = self.loaded
        target = (tree.get("identify") or {}).get("redirect")
        if target is not None and ("handshake" in tree or "steps" in tree):
            loaded = files.get(target)
        if "identify" not in tree or "handshake" in tree or "steps" in tree or "features" in tree:
            self._drive(self._open(loaded))

    def _identify(self, tree: Tree) -> None:
        steps = connecting.identify(self.loaded.behaviour, self.seen, self.loaded.companies)
        found = exchange("identify", steps, tree.get("exchange", []))
        _same("identifier", found, tree.get("gives"))
        target = connecting.redirected(self.loaded.behaviour, found, self.seen)
        _same("redirect", target, tree.get("redirect", self.loaded.name))

    def _entry(self, loaded: LoadedProtocol) -> ModelEntry:
        device = self.tree.get("device")
        if device is None and "identify" in self.tree:
            device = self.tree["identify"].get("gives")
        entry = loaded.models.get(device) if device is not None else None
        if entry is None and self.tree.get("device") is not None:
            raise Mismatch(f"there is no model {device!r}")
        entry = entry or loaded.default
        if entry is None:
            raise Mismatch("there is no default model")
        return entry

    def _open(self, loaded: LoadedProtocol) -> DeviceProtocol:
        entry = self._entry(loaded)
        endpoints = self.tree.get("endpoints")
        if endpoints is None:
            endpoints = [
                endpoint
                for block in loaded.blocks
                for table in block.services.values()
                for endpoint in table
            ] or ["tx", "rx"]
        self._check_features(entry)
        handles = numbered(endpoints)
        self.roles = {handle: role for role, handle in handles.items()}
        opening = DeviceMemory(
            definition=entry.definition,
            endpoints=handles,
            address=self.seen.address,
            name=self.seen.name,
            manufacturer=self.seen.manufacturer,
            constants=entry.constants,
            random=Randomness(_hex(self.tree.get("random", ""))),
        )
        return open_protocol(loaded, opening)

    def _check_features(self, entry: ModelEntry) -> None:
        features = {feature.index: feature for feature in entry.definition.features}
        for index, outputs in (self.tree.get("features") or {}).items():
            feature = features[int(index)]
            for type_, expected in outputs.items():
                if type_ in OUTPUT_NAMES:
                    spec = feature.outputs[OUTPUT_NAMES[type_]]
                    _same(f"range of {index} {type_}", [spec.low, spec.high], expected)
                elif INPUT_NAMES[type_] not in feature.inputs:
                    raise Mismatch(f"feature {index} has no input {type_}")

    def _drive(self, protocol: DeviceProtocol) -> None:
        tree = self.tree
        if "handshake" in tree:
            exchange("handshake", protocol.handshake(), tree["handshake"])
        else:
            idle(protocol.handshake())
        if "keepalive" in tree:
            _same("keepalive", self._keepalive(protocol), _keepalive(tree["keepalive"]))
        for number, step in enumerate(tree.get("steps") or []):
            self._step(f"step {number + 1}", step, protocol)

    def _step(self, where: str, step: Tree, protocol: DeviceProtocol) -> None:
        match step:
            case {"output": command}:
                self._packets(where, _output(protocol, command), step["packets"])
            case {"outputs": commands}:
                sent = merge([_output(protocol, command) for command in commands])
                self._packets(where, sent, step["packets"])
            case {"stop": features}:
                sent = protocol.stop(None if features == "all" else features)
                self._packets(where, sent, step["packets"])
            case {"tick": times}:
                sent = tuple(packet for _ in range(times) for packet in protocol.tick())
                self._packets(where, sent, step["packets"])
            case {"read": wanted}:
                steps = protocol.read(wanted["feature"], INPUT_NAMES[wanted["type"]])
                found = exchange(where, steps, step["exchange"])
                if not any("fails" in e and len(e) == 1 for e in step["exchange"]):
                    _same(f"{where} reading", found, step.get("reading"))
            case {"notify": wanted}:
                data = _hex(wanted["hex"]) if "hex" in wanted else wanted["text"].encode()
                kind = INPUT_NAMES[wanted["type"]]
                protocol.subscription(wanted["feature"], kind)
                found = protocol.reading(wanted["feature"], kind, data)
                _same(f"{where} reading", found, step["reading"])
            case _:
                raise Mismatch(f"{where}: unknown step {step}")

    def _keepalive(self, protocol: DeviceProtocol) -> Tree | None:
        keepalive = protocol.keepalive
        if keepalive is None:
            return None
        packet = keepalive.packet
        return {
            "every_ms": keepalive.every_ms,
            "data": packet.data if packet else None,
            "endpoint": self.roles[packet.handle] if packet else None,
            "running": keepalive.only_running,
            "demanded": keepalive.only_demanded,
            "primed": keepalive.primed,
        }

    def _packets(self, where: str, sent: Iterable[Packet], expected: list[Tree]) -> None:
        shown = [(self.roles[p.handle], p.data.hex(" "), p.response, p.after_ms) for p in sent]
        wanted = [
            (
                one.get("to", "tx"),
                (_hex(one["hex"]) if "hex" in one else one["text"].encode()).hex(" "),
                one.get("response", False),
                one.get("after_ms", 0),
            )
            for one in expected
        ]
        _same(where, shown, wanted)


def load(path: Path) -> list[Tree]:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert tree["source"]
    cases: list[Tree] = tree["cases"]
    return cases


def exchange(where: str, steps: Steps[T], entries: Iterable[Tree]) -> T | None:
    """Play the device; None if the exchange ends in the ProtocolError that it should."""
    waiting = list(entries)
    fails = bool(waiting) and waiting[-1] == {"fails": True}
    if fails:
        waiting.pop()
    number = 0
    try:
        step = next(steps)
        for number, entry in enumerate(waiting, 1):
            _same(f"{where}[{number}]", shown_step(step), _expected(entry))
            step = _answer(steps, entry)
    except StopIteration as end:
        _same(f"{where}: played entries", number, len(waiting))
        if fails:
            raise Mismatch(f"{where}: ended well instead of failing") from None
        result: T = end.value
        return result
    except ProtocolError as error:
        if not fails or number != len(waiting):
            raise Mismatch(f"{where}[{number}]: {error}") from error
        return None
    raise Mismatch(f"{where}: {step} was not expected")


def _answer(steps: Generator[Step, bytes | None, T], entry: Tree) -> Step:
    if entry.get("fails") or entry.get("silence"):
        return steps.throw(StepFailed("no answer"))
    data = entry.get("answer", entry.get("notify"))
    if data is not None:
        return steps.send(_hex(data))
    if "notify_text" in entry:
        return steps.send(entry["notify_text"].encode())
    if "answer_text" in entry:
        return steps.send(entry["answer_text"].encode())
    return steps.send(None)


def _expected(entry: Tree) -> tuple[object, ...]:
    match entry:
        case {"write": data}:
            return ("write", entry.get("to", "tx"), _hex(data), entry.get("response", False))
        case {"text": text}:
            return ("write", entry.get("to", "tx"), text.encode(), entry.get("response", False))
        case {"read": endpoint}:
            return ("read", endpoint)
        case {"subscribe": endpoint}:
            return ("subscribe", endpoint)
        case {"unsubscribe": endpoint}:
            return ("unsubscribe", endpoint)
        case {"wait": endpoint}:
            return ("wait", endpoint)
        case {"sleep": ms}:
            return ("sleep", ms)
        case {"notice": True}:
            return ("notice",)
    raise Mismatch(f"unknown entry {entry}")


def shown_step(step: Step) -> tuple[object, ...]:
    match step:
        case WriteStep(endpoint, data, response):
            return ("write", endpoint, data, response)
        case ReadStep(endpoint):
            return ("read", endpoint)
        case SubscribeStep(endpoint):
            return ("subscribe", endpoint)
        case UnsubscribeStep(endpoint):
            return ("unsubscribe", endpoint)
        case WaitStep(endpoint, _):
            return ("wait", endpoint)
        case SleepStep(ms):
            return ("sleep", ms)
        case NoticeStep():
            return ("notice",)


def idle(steps: Steps[None]) -> None:
    """Run a handshake against a device that answers with nothing."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, (ReadStep, WaitStep)):
                step = steps.throw(StepFailed("nothing comes"))
            else:
                step = steps.send(None)
    except (StopIteration, ProtocolError):
        return


def _keepalive(tree: Tree | None) -> Tree | None:
    if tree is None:
        return None
    data = _hex(tree["hex"]) if "hex" in tree else tree["text"].encode() if "text" in tree else None
    return {
        "every_ms": tree.get("every_ms", 5000 if tree.get("demanded") else None),
        "data": data,
        "endpoint": tree.get("endpoint", "tx") if data is not None else None,
        "running": tree.get("running", False),
        "demanded": tree.get("demanded", False),
        "primed": tree.get("primed", False),
    }


def _output(protocol: DeviceProtocol, command: Tree) -> tuple[Packet, ...]:
    kind = OUTPUT_NAMES[command["type"]]
    return protocol.output(command["feature"], kind, command["value"], command.get("duration", 0))


def _hex(text: str) -> bytes:
    return bytes.fromhex(str(text))


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Mismatch(f"{what}: {found!r}, not {expected!r}")
