"""Identification and connect steps of protocol files, as generators of Steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from forwarder.protocols.base import (
    ProtocolError,
    ReadStep,
    SleepStep,
    StepFailed,
    Steps,
    SubscribeStep,
    UnsubscribeStep,
    WaitStep,
    WriteStep,
)
from forwarder.protocols.compiled import Behaviour, IdentifyRule, InitRule
from forwarder.protocols.memory import DeviceMemory, Memory
from forwarder.protocols.registry import HOOKS

# What an expression can raise on values that it was not written for.
FAULTS = (ArithmeticError, LookupError, TypeError, ValueError)
# More questions than any file has.
MAX_UNANSWERED = 64
# Notifications that do not match are passed over; a device that talks on and on is given up.
MAX_NOTIFICATIONS = 8
# How much of a device's text patterns are tried on; see the bound on patterns in compiled.py.
_MAX_TEXT = 128

Groups = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """An advertisement, as far as identification looks at it."""

    name: str = ""
    address: str = ""
    manufacturer: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Identity:
    """The names of expressions while the model is not yet known."""

    ident: str
    name: str
    address: str
    names: Mapping[str, object] = field(default_factory=dict)


def search(pattern: re.Pattern[str] | None, data: bytes) -> Groups | None:
    """The match and its groups, () without a pattern, None if it is not found."""
    if pattern is None:
        return ()
    found = pattern.search(data[:_MAX_TEXT].decode("latin-1"))
    return None if found is None else (found[0], *(group or "" for group in found.groups()))


def parts(pending: bytes, data: bytes, until: bytes) -> tuple[list[bytes], bytes]:
    """What was said so far, in whole parts that end with `until`, and what may become one.

    Radios cut answers in two and put two into one; without `until` each notification is a part.
    """
    if not until:
        return [data], b""
    *whole, rest = (pending + data).split(until)
    return [one + until for one in whole], rest[-_MAX_TEXT:]


def identify(behaviour: Behaviour, seen: Seen, companies: frozenset[int]) -> Steps[str | None]:
    """The identifier that the first successful step brings; None if none does.

    Without steps it is the advertised name. `companies`: whose manufacturer data may be read.
    """
    if not behaviour.identify:
        return seen.name or None
    for rule in behaviour.identify:
        try:
            found = yield from _identify(rule, seen, companies)
        except StepFailed:
            # The next way may still tell; without any, it is the protocol's default model.
            continue
        if found:
            return found
    return None


def without_asking(steps: Steps[str | None]) -> str | None:
    """What `identify` brings for a device that answers nothing: as far as its name tells."""
    try:
        next(steps)
        for _ in range(MAX_UNANSWERED):
            steps.throw(StepFailed("nobody is asked"))
    except StopIteration as end:
        return None if end.value is None else str(end.value)
    steps.close()
    return None


def _identify(rule: IdentifyRule, seen: Seen, companies: frozenset[int]) -> Steps[str | None]:
    step = rule.step
    if step.const is not None:
        return step.const
    if step.name is not None:
        return _named(rule, seen, search(rule.pattern, seen.name.encode("latin-1", "replace")))
    if step.mfg is not None:
        allowed = {step.company} if step.company is not None else companies
        for company, data in sorted(seen.manufacturer.items()):
            if (not allowed or company in allowed) and len(data) >= 4:
                return str(int.from_bytes(data[:4], "big"))
        return None
    if step.read is not None:
        return _told((yield ReadStep(step.read)) or b"", step.form)
    return (yield from _asked(rule, seen))


def _told(data: bytes, form: str | None) -> str | None:
    if not data:
        return None
    if form == "hex":
        return data.hex()
    if form == "u32be":
        return str(int.from_bytes(data[:4], "big"))
    return data.decode("utf-8", "replace").strip("\0 \r\n\t") or None


def _asked(rule: IdentifyRule, seen: Seen) -> Steps[str | None]:
    step, ask = rule.step, rule.ask
    assert ask is not None
    assert step.on is not None
    if step.subscribe is not None:
        yield SubscribeStep(step.subscribe)
    memory = _Identity("", seen.name, seen.address)
    question = ask.encoder.encode(memory)
    if ask.codec is not None:
        question = ask.codec(question)
    until = (step.until or "").encode("latin-1", "replace")
    for _ in range(step.tries):
        yield WriteStep(ask.endpoint, question, ask.response)
        pending = b""
        try:
            for _ in range(MAX_NOTIFICATIONS):
                data = yield WaitStep(step.on, step.timeout_ms)
                found, pending = parts(pending, data or b"", until)
                for one in found:
                    groups = search(rule.pattern, one)
                    if groups is not None:
                        return _named(rule, seen, groups)
        except StepFailed:
            # What was begun and never ended may still be the whole answer.
            groups = search(rule.pattern, pending) if pending else None
            if groups is not None:
                return _named(rule, seen, groups)
    return None


def _named(rule: IdentifyRule, seen: Seen, groups: Groups | None) -> str | None:
    if groups is None:
        return None
    found = groups[1] if len(groups) > 1 else groups[0]
    if rule.rename is None:
        return found
    try:
        return str(rule.rename(_Identity(found, seen.name, seen.address), g=groups))
    except FAULTS:
        # The answer has not the form that the rule was written for; take it as it is.
        return found


def redirected(behaviour: Behaviour, identifier: str | None, seen: Seen) -> str:
    """The protocol that devices with this identifier speak. Raises ProtocolError."""
    if behaviour.redirect is None:
        return behaviour.protocol
    test, protocol = behaviour.redirect
    try:
        elsewhere = test(_Identity(identifier or "", seen.name, seen.address))
    except FAULTS as error:
        raise ProtocolError(f"{behaviour.protocol}: redirect fails: {error}") from error
    return protocol if elsewhere else behaviour.protocol


def handshake(rules: tuple[InitRule, ...], memory: Memory, opening: DeviceMemory) -> Steps[None]:
    for number, rule in enumerate(rules):
        try:
            if rule.when is None or rule.when(memory):
                yield from _connect(rule, memory, opening)
        except (StepFailed, *FAULTS) as error:
            name = opening.definition.name
            raise ProtocolError(f"{name}: connect step {number + 1} failed: {error}") from error


def _connect(rule: InitRule, memory: Memory, opening: DeviceMemory) -> Steps[None]:
    step = rule.step
    if rule.packet is not None:
        data = rule.packet.encoder.encode(memory)
        if rule.packet.encoder.counts:
            memory.seq = (memory.seq + 1) & 0xFF
        if rule.packet.codec is not None:
            data = rule.packet.codec(data)
        yield WriteStep(rule.packet.endpoint, data, rule.packet.response)
    if step.read is not None:
        _capture(rule, memory, (yield ReadStep(step.read)) or b"", ())
    if step.subscribe is not None:
        yield SubscribeStep(step.subscribe)
    if step.unsubscribe is not None:
        yield UnsubscribeStep(step.unsubscribe)
    if step.sleep_ms is not None:
        yield SleepStep(step.sleep_ms)
    if step.hook is not None:
        yield from HOOKS[step.hook](opening, step.on or "rx")
    if step.wait is not None:
        yield from _wait(rule, memory, step.wait)


def _wait(rule: InitRule, memory: Memory, endpoint: str) -> Steps[None]:
    try:
        for _ in range(MAX_NOTIFICATIONS):
            data = (yield WaitStep(endpoint, rule.step.timeout_ms)) or b""
            groups = search(rule.pattern, data)
            if groups is not None:
                _capture(rule, memory, data, groups)
                return
        raise StepFailed("its notifications are not what was waited for")
    except StepFailed:
        if rule.step.on_timeout == "fail":
            raise


def _capture(rule: InitRule, memory: Memory, data: bytes, groups: Groups) -> None:
    if rule.step.capture is not None:
        memory.names[rule.step.capture] = data
    for name, value in rule.lets:
        memory.names[name] = value(memory, r=data, g=groups)
