"""A protocol file's behaviour, compiled: every template and expression becomes a Python function.

`compile_file` finds what is wrong with single keys (SchemaError with their path). Whether each
model can be driven is the business of `definitions/check.py`.

All the work is done here, once, and none of it for a command: what a file says is text that a
stranger may have written, and a hub drives toys ten times a second by it. So everything is looked
at before anything is connected, a mistake names its key, and what is left for a command are calls
of functions that need no more checks than those that a value can bring about.

A *scope* is the names that an expression may use, by where it stands: a step of the handshake knows
no value, an answer knows no feature that was asked for. A name that does not exist there is a
mistake in the file, not a surprise at the toy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from forwarder.buttplug.messages import InputType, OutputType
from forwarder.definitions import schema
from forwarder.definitions.lines import Path
from forwarder.definitions.model import INPUT_NAMES, OUTPUT_NAMES
from forwarder.definitions.schema import SchemaError, listed
from forwarder.protocols.expressions import (
    CONNECT_NAMES,
    IDENTITY_NAMES,
    ExpressionError,
    Scope,
    check,
    compile_expression,
)
from forwarder.protocols.expressions import (
    INPUT_NAMES as INPUT_SCOPE,
)
from forwarder.protocols.expressions import (
    OUTPUT_NAMES as OUTPUT_SCOPE,
)
from forwarder.protocols.packets import Encoder, compile_bytes, compile_text
from forwarder.protocols.registry import CODECS, FUNCTIONS, HOOKS, TICKERS

Function = Callable[..., object]
Codec = Callable[[bytes], bytes]

# Texts from devices have up to 512 characters. Three open repetitions over them are some million
# steps at worst; a repetition of a group could be exponential.
_MAX_PATTERN = 200
_MAX_OPEN = 3


@dataclass(frozen=True, slots=True)
class PacketRule:
    """`keys`: None for the feature's own, or everybody's if the packet carries other values."""

    encoder: Encoder
    endpoint: str
    response: bool
    after_ms: int
    codec: Codec | None
    when: Function | None = None
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class OutputRule:
    """`static`: `when` is settled once a device is connected."""

    types: frozenset[OutputType]
    when: Function | None
    static: bool
    remember: bool
    packets: tuple[PacketRule, ...]
    ticks: str | None


@dataclass(frozen=True, slots=True)
class StopRule:
    types: frozenset[OutputType]
    when: Function | None
    packet: PacketRule


@dataclass(frozen=True, slots=True)
class IdentifyRule:
    step: schema.Identify
    pattern: re.Pattern[str] | None = None
    ask: PacketRule | None = None
    rename: Function | None = None


@dataclass(frozen=True, slots=True)
class InitRule:
    step: schema.Init
    packet: PacketRule | None = None
    pattern: re.Pattern[str] | None = None
    lets: tuple[tuple[str, Function], ...] = ()
    when: Function | None = None


@dataclass(frozen=True, slots=True)
class InputRule:
    kind: InputType
    feature: int | None
    read: str | None
    ask: PacketRule | None
    listen: str | None
    subscribe: str | None
    pattern: re.Pattern[str] | None
    when: Function | None
    value: Function
    timeout_ms: int
    until: bytes = b""


@dataclass(frozen=True, slots=True)
class KeepAliveRule:
    every_ms: int
    packet: PacketRule | None
    only_running: bool
    only_demanded: bool
    primed: bool


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`captures`: names that `init` fills, with the values that they have before."""

    protocol: str
    identify: tuple[IdentifyRule, ...]
    redirect: tuple[Function, str] | None
    init: tuple[InitRule, ...]
    keepalive: KeepAliveRule | None
    outputs: tuple[OutputRule, ...]
    stops: tuple[StopRule, ...]
    inputs: tuple[InputRule, ...]
    captures: dict[str, object]
    endpoints: frozenset[str]


# Phones in the background drop a connection that is silent for longer; the interval that the
# reference uses.
DEMANDED_MS = 5_000


def compile_file(file: schema.File) -> Behaviour:
    """Raises SchemaError."""
    return _Compiler(file).compile()


class _Compiler:
    def __init__(self, file: schema.File) -> None:
        self._file = file
        self._captures: dict[str, object] = {}
        for step in file.init:
            if step.capture is not None:
                self._captures[step.capture] = b""
            self._captures |= dict.fromkeys(step.let, 0)
        # A model may set a name that the file does not: it is known to all rules, which are shared.
        constants = set(file.set) | self._captures.keys()
        for device in file.device:
            constants |= device.set.keys()
        self._constants = frozenset(constants)
        self._endpoints: set[str] = set()

    def compile(self) -> Behaviour:
        file = self._file
        return Behaviour(
            protocol=file.protocol,
            identify=tuple(self._identify(("identify", n), s) for n, s in enumerate(file.identify)),
            redirect=self._redirect(),
            init=tuple(self._init(("init", n), step) for n, step in enumerate(file.init)),
            keepalive=self._keepalive(),
            outputs=tuple(self._output(("output", n), rule) for n, rule in enumerate(file.output)),
            stops=tuple(self._stop(("stop", n), rule) for n, rule in enumerate(file.stop)),
            inputs=tuple(self._input(("input", n), rule) for n, rule in enumerate(file.input)),
            captures=self._captures,
            endpoints=frozenset(self._endpoints),
        )

    def _scope(self, names: frozenset[str]) -> Scope:
        return Scope(names, self._constants, FUNCTIONS)

    def _expression(self, path: Path, text: str, names: frozenset[str]) -> Function:
        try:
            return compile_expression(text, self._scope(names))
        except ExpressionError as error:
            raise SchemaError(path, str(error)) from error

    def _test(self, path: Path, text: str | None, names: frozenset[str]) -> Function | None:
        return None if text is None else self._expression((*path, "when"), text, names)

    def _pattern(self, path: Path, text: str | None) -> re.Pattern[str] | None:
        if text is None:
            return None
        # Repetitions are counted where they are meant as such: not escaped, not within brackets.
        bare = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]", "x", text)
        if len(text) > _MAX_PATTERN or len(re.findall(r"[*+]|\{\d*,\}", bare)) > _MAX_OPEN:
            raise SchemaError(path, f"a pattern may have {_MAX_OPEN} repetitions at most")
        if re.search(r"\)[*+?{]", bare):
            raise SchemaError(path, "a pattern may not repeat a group")
        try:
            return re.compile(text)
        except re.error as error:
            raise SchemaError(path, f"not a regular expression: {error}") from error

    def _endpoint(self, endpoint: str | None) -> str | None:
        if endpoint is not None:
            self._endpoints.add(endpoint)
        return endpoint

    def _codec(self, path: Path, name: str | None) -> Codec | None:
        name = self._file.codec if name is None else name
        if not name:
            return None
        if name not in CODECS:
            raise SchemaError(path, f"there is no codec {name} (known: {', '.join(CODECS)})")
        return CODECS[name]

    def _packet(self, path: Path, packet: schema.PacketEntry, names: frozenset[str]) -> PacketRule:
        if (packet.bytes is None) == (packet.text is None):
            raise SchemaError(path, "a packet needs either bytes or text")
        encoder = self._encoder(path, packet.bytes, packet.text, names)
        codec = self._codec((*path, "codec"), packet.codec)
        if codec is not None and encoder.counts:
            # The relay puts the running number into what it writes, and would have to encode anew.
            raise SchemaError(path, "seq cannot be counted on inside a codec")
        self._endpoints.add(packet.to)
        return PacketRule(
            encoder=encoder,
            endpoint=packet.to,
            response=packet.response,
            after_ms=packet.after_ms,
            codec=codec,
            when=self._test(path, packet.when, names),
            keys=listed(packet.key) or None,
        )

    def _encoder(
        self, path: Path, hexes: str | None, text: str | None, names: frozenset[str]
    ) -> Encoder:
        key = "bytes" if hexes is not None else "text"
        try:
            if hexes is not None:
                return compile_bytes(hexes, self._scope(names))
            return compile_text(text or "", self._scope(names))
        except ExpressionError as error:
            raise SchemaError((*path, key), str(error)) from error

    def _types(self, names: str | Iterable[str]) -> frozenset[OutputType]:
        return frozenset(
            OUTPUT_NAMES[name] for name in ((names,) if isinstance(names, str) else names)
        )

    def _output(self, path: Path, rule: schema.OutputEntry) -> OutputRule:
        single = rule.bytes is not None or rule.text is not None
        if single + (rule.send is not None) + (rule.ticks is not None) != 1:
            raise SchemaError(path, "an output needs one of bytes, text, send and ticks")
        if rule.ticks is not None and rule.ticks not in TICKERS:
            raise SchemaError((*path, "ticks"), f"there is no ticker {rule.ticks}")
        packets = tuple(
            self._packet(path if single else (*path, "send", n), packet, OUTPUT_SCOPE)
            for n, packet in enumerate(rule.packets)
        )
        # Most conditions ask which model it is. Those are settled when it connects, and cost a
        # command nothing; one that looks at what the handshake brought is not known by then.
        static = True
        if rule.when is not None:
            self._expression((*path, "when"), rule.when, OUTPUT_SCOPE)
            uses = check(rule.when, self._scope(OUTPUT_SCOPE))
            static = uses.is_static and not uses.uses & self._captures.keys()
        return OutputRule(
            types=self._types(rule.on),
            when=self._test(path, rule.when, OUTPUT_SCOPE),
            static=static,
            remember=rule.remember,
            packets=packets,
            ticks=rule.ticks,
        )

    def _stop(self, path: Path, rule: schema.StopEntry) -> StopRule:
        types = self._types(rule.on)
        if not all(kind.is_position for kind in types):
            # 0 is a place like any other for a position, and off for all the rest: two ways to say
            # off would be two that can differ.
            raise SchemaError((*path, "on"), "only positions need this; the others stop with 0")
        packet = self._packet(path, rule.packet, OUTPUT_SCOPE)
        return StopRule(types, self._test(path, rule.when, OUTPUT_SCOPE), packet)

    def _identify(self, path: Path, step: schema.Identify) -> IdentifyRule:
        ways = [step.name, step.const, step.mfg, step.read, step.ask]
        if sum(way is not None for way in ways) != 1:
            raise SchemaError(path, "a step needs one of name, const, mfg, read and ask")
        if step.read is not None and step.form is None:
            raise SchemaError(path, "a read needs `as`")
        if step.ask is not None and (step.on is None or step.match is None):
            raise SchemaError(path, "a question needs `on` and `match` for its answer")
        for endpoint in (step.read, step.subscribe, step.on):
            self._endpoint(endpoint)
        rename = None
        if step.rename is not None:
            rename = self._expression((*path, "rename"), step.rename, IDENTITY_NAMES)
        return IdentifyRule(
            step=step,
            pattern=self._pattern(path, step.match if step.ask else step.name),
            ask=self._packet((*path, "ask"), step.ask, IDENTITY_NAMES) if step.ask else None,
            rename=rename,
        )

    def _redirect(self) -> tuple[Function, str] | None:
        redirect = self._file.redirect
        if redirect is None:
            return None
        test = self._expression(("redirect", "when"), redirect.when, IDENTITY_NAMES)
        return test, redirect.protocol

    def _init(self, path: Path, step: schema.Init) -> InitRule:
        acts = (step.write, step.text, step.read, step.subscribe, step.unsubscribe, step.hook)
        given = sum(act is not None for act in (*acts, step.sleep_ms))
        writes = step.write is not None or step.text is not None
        if given > 1 or (given == 0 and step.wait is None) or (given and step.wait and not writes):
            raise SchemaError(path, "a step does one thing; only a write may also wait")
        if step.hook is not None and step.hook not in HOOKS:
            raise SchemaError((*path, "hook"), f"there is no hook {step.hook}")
        for endpoint in (step.read, step.subscribe, step.unsubscribe, step.wait, step.on):
            self._endpoint(endpoint)
        packet = None
        if writes:
            packet = PacketRule(
                encoder=self._encoder(path, step.write, step.text, CONNECT_NAMES),
                endpoint=step.to,
                response=step.response,
                after_ms=0,
                codec=self._codec((*path, "codec"), step.codec),
            )
            self._endpoints.add(step.to)
        names = CONNECT_NAMES | {"r", "g"}
        return InitRule(
            step=step,
            packet=packet,
            pattern=self._pattern((*path, "match"), step.match),
            lets=tuple(
                (name, self._expression((*path, "let", name), text, names))
                for name, text in step.let.items()
            ),
            when=self._test(path, step.when, CONNECT_NAMES),
        )

    def _keepalive(self) -> KeepAliveRule | None:
        rule = self._file.keepalive
        if rule is None:
            return None
        path: Path = ("keepalive",)
        if rule.mode is not None:
            packet = schema.PacketEntry(
                bytes=rule.bytes, text=rule.text, to=rule.to, response=rule.response
            )
            compiled = self._packet(path, packet, CONNECT_NAMES)
            return KeepAliveRule(rule.every_ms or DEMANDED_MS, compiled, False, True, False)
        if rule.every_ms is None or (rule.resend is None) == (rule.while_ is None):
            raise SchemaError(path, "needs every_ms and one of resend and while, or mode")
        # A relay repeats packets without knowing what they say: all that it is told is whether
        # something runs.
        if rule.while_ is not None and rule.while_.replace(" ", "") not in ("v>0", "v", "v!=0"):
            raise SchemaError((*path, "while"), "only `v>0` can be watched for")
        running = rule.while_ is not None
        return KeepAliveRule(rule.every_ms, None, running, False, not running)

    def _input(self, path: Path, rule: schema.ReadingEntry) -> InputRule:
        listen = rule.from_ or rule.subscribe
        if (rule.read is None) == (listen is None):
            raise SchemaError(path, "an input needs either read, or from or subscribe")
        for endpoint in (rule.read, listen):
            self._endpoint(endpoint)
        return InputRule(
            kind=INPUT_NAMES[rule.on],
            feature=rule.feature,
            read=rule.read,
            ask=self._packet((*path, "ask"), rule.ask, CONNECT_NAMES) if rule.ask else None,
            listen=listen,
            subscribe=rule.subscribe,
            pattern=self._pattern((*path, "match"), rule.match),
            when=self._test(path, rule.when, INPUT_SCOPE),
            value=self._expression((*path, "value"), rule.value, INPUT_SCOPE),
            timeout_ms=rule.timeout_ms,
            until=(rule.until or "").encode("latin-1", "replace"),
        )
