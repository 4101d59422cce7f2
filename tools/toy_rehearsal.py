"""What a simulated toy must answer for its protocol to be content, found by playing it through."""

from __future__ import annotations

from dataclasses import dataclass, field

from forwarder.definitions.model import Definition, FeatureSpec
from forwarder.protocols import codecs
from forwarder.protocols.base import (
    DeviceProtocol,
    ProtocolError,
    ReadStep,
    StepFailed,
    Steps,
    SubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.classes import honeyplaybox

RehearsedAnswer = tuple[str, str, str, str]

# What devices answer when nothing is known about it: enough bytes for every file's expressions.
_ZEROS = bytes(20)
_BATTERY = 85
_NONCE = bytes(range(16, 32))
# Answers that cannot be taken from the question: protocol → (pattern of the write, answer).
_ANSWERS: dict[str, tuple[str, str]] = {
    # "Your proof is right", whatever was sent.
    "fluffer": ("*", codecs.fluffer(bytes((0xA5, 1, 1, 0))).hex()),
    "honeyplaybox": (
        "02a55a55aaf0??b10100020010033686",
        honeyplaybox.frame(1, b"\x90\x00" + _NONCE, 0).hex(),
    ),
    "thehandy-v3": ("080112*", "0802"),
    "vibcrafter": ("*", codecs.vibcrafter(b"OK;").hex()),
    "vibio": ("*", codecs.vibio(b"OK;").hex()),
}
# Sent as soon as somebody listens: "the button has been pressed", the news that come each second.
GREETINGS = {
    "lelo-harmony": "01" + "00" * 7,
    "lelo-f1sv2": "01" + "00" * 7,
    "yiciyuan": "351301{battery}",
}
# Ankni: six bytes, so that its authentication is walked through.
_READS = {("ankni", "generic0"): "010203040506"}


@dataclass(slots=True)
class Rehearsal:
    """What a device must do for a protocol to be content with it."""

    protocol: str
    reads: dict[str, str] = field(default_factory=dict)
    answers: dict[RehearsedAnswer, None] = field(default_factory=dict)
    notifies: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)

    def play(self, steps: Steps[None]) -> None:
        written: tuple[str, str] | None = None
        try:
            step = next(steps)
            while True:
                answer: bytes | None = None
                match step:
                    case WriteStep(endpoint, data, _):
                        written = (endpoint, data.hex())
                        self.writes.add(endpoint)
                    case SubscribeStep(endpoint):
                        self.notifies.add(endpoint)
                    case ReadStep(endpoint):
                        known = _READS.get((self.protocol, endpoint), _ZEROS.hex())
                        answer = bytes.fromhex(self.reads.setdefault(endpoint, known))
                    case WaitStep(endpoint, _):
                        answer = self._notify(endpoint, written)
                        if answer is None:
                            step = steps.throw(StepFailed("nothing to say"))
                            continue
                    case _:
                        pass
                step = steps.send(answer)
        except StopIteration:
            return

    def _notify(self, endpoint: str, written: tuple[str, str] | None) -> bytes | None:
        self.notifies.add(endpoint)
        if self.protocol in GREETINGS:
            return bytes.fromhex(GREETINGS[self.protocol].format(battery=f"{_BATTERY:02x}"))
        if written is None:
            return None
        # A device that is only waited for may well repeat what it was told.
        pattern, said = _ANSWERS.get(self.protocol, (written[1], written[1]))
        self.answers[written[0], pattern, endpoint, said] = None
        return bytes.fromhex(said)


def rehearse_inputs(definition: Definition, protocol: DeviceProtocol, rehearsal: Rehearsal) -> None:
    for feature in definition.features:
        for kind in feature.inputs:
            try:
                rehearsal.notifies.add(protocol.subscription(feature.index, kind))
            except ProtocolError:
                # It is read, not subscribed to.
                _battery(feature, protocol, rehearsal)


def _battery(feature: FeatureSpec, protocol: DeviceProtocol, rehearsal: Rehearsal) -> None:
    """Find the answer that reads as the battery's level, by trying."""
    kind = next(iter(feature.inputs))
    for answer, shown in _readings():
        steps = protocol.read(feature.index, kind)
        asked: tuple[str, str] | None = None
        try:
            step = next(steps)
            while True:
                match step:
                    case WriteStep(endpoint, data, _):
                        asked = (endpoint, _text(data) or data.hex())
                        step = steps.send(None)
                    case ReadStep(endpoint):
                        role = endpoint
                        step = steps.send(answer)
                    case WaitStep(endpoint, _):
                        role = endpoint
                        step = steps.send(answer)
                    case SubscribeStep(endpoint):
                        rehearsal.notifies.add(endpoint)
                        step = steps.send(None)
                    case _:
                        step = steps.send(None)
        except ProtocolError:
            continue
        except StopIteration as end:
            if end.value == _BATTERY and asked is None:
                if rehearsal.protocol not in GREETINGS:
                    rehearsal.reads[role] = shown
                return
            if end.value == _BATTERY and asked is not None:
                rehearsal.notifies.add(role)
                rehearsal.answers[asked[0], asked[1], role, shown] = None
                return


def _readings() -> list[tuple[bytes, str]]:
    found = [(bytes((_BATTERY,)), "{battery}"), (f"{_BATTERY};".encode(), "'{battery};")]
    for at in range(len(_ZEROS)):
        data = bytes(at) + bytes((_BATTERY,)) + bytes(len(_ZEROS) - at - 1)
        found.append((data, "00" * at + "{battery}" + "00" * (len(_ZEROS) - at - 1)))
    return found


def _text(data: bytes) -> str | None:
    return "'" + data.decode("ascii") if data.isascii() and data[-1:] == b";" else None
