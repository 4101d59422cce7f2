"""Text ↔ messages: opens frames, reads each object by itself, and salvages the Id of a bad one.

Accepts more than the specification asks for: a lone object, arrays one behind the other, integral
floats, null for absent, the spellings of all known clients. Emits one message per frame with no
field too many, because strict clients drop a whole frame for one surprise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, NoReturn, TypeVar

import msgspec

from forwarder.buttplug.messages import MAX_U32, stop_named
from forwarder.errors import Code

# A frame full of rubbish must not be answered with a hundred times its size.
MAX_ANONYMOUS_ERRORS: Final = 16
MAX_TEXT: Final = 240  # characters of an error text; what a peer sent may be part of it
MAX_DIGITS: Final = 20  # of an integer of 64 bits
_BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

FrameBody = msgspec.Raw | object
Fields = dict[str, object]
M = TypeVar("M", bound=msgspec.Struct)


class Envelope(msgspec.Struct, frozen=True):
    """One object of a frame, name taken off; `body` is JSON text or already parsed.

    `complaint`: what is wrong with where it stood; only stops are taken out of such places.
    """

    name: str
    body: FrameBody
    complaint: str | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """What is no message. `id`: its Id, or 0 if it has none that can be read."""

    id: int
    text: str
    code: Code = Code.MESSAGE


def one_line(text: str) -> str:
    """Make `text` fit for an ErrorMessage or a log line: one line, bounded, printable."""
    line = " ".join(text.split())
    if len(line) > MAX_TEXT:
        line = line[: MAX_TEXT - 1] + "…"
    # Lone surrogates, which UTF-8 cannot carry, count as not printable.
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


# --- outgoing ------------------------------------------------------------------------------------

_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> str:
    """One message as one frame: an array of one object with one key."""
    name: str = getattr(message, "wire_name", type(message).__name__)
    return _encoder.encode([{name: message}]).decode()


# --- incoming ------------------------------------------------------------------------------------

_frame_decoder = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def open_frame(frame: str | bytes) -> list[Envelope | Unreadable]:
    """Split a frame into its objects, in order. Never raises; [] for an empty frame. For those that
    may be long, see long_frames.py."""
    usual = open_usual(frame)
    if usual is not None:
        return usual
    opened, complaint = open_values(frame)
    if complaint is not None:
        opened.append(Unreadable(0, complaint))
    return bounded(opened)


def open_usual(frame: str | bytes) -> list[Envelope | Unreadable] | None:
    """What is in a frame that is as the specification says; None for any other."""
    try:
        objects = _frame_decoder.decode(frame)
    except _BROKEN:
        return None
    opened: list[Envelope | Unreadable] = []
    for item in objects:
        if len(item) == 1:
            ((name, body),) = item.items()
            opened.append(Envelope(name, body))
        else:
            return None
    return opened


def open_values(frame: str | bytes) -> tuple[list[Envelope | Unreadable], str | None]:
    """What is in the JSON values of `frame`, and what is wrong behind the last of them."""
    values, complaint = _values(frame)
    opened: list[Envelope | Unreadable] = []
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            opened.extend(_open_object(item))
    return opened, complaint


def _values(frame: str | bytes) -> tuple[list[object], str | None]:
    """All JSON values that stand one behind the other, and what is wrong after the last."""
    values: list[object] = []
    try:
        text = frame.decode() if isinstance(frame, bytes) else frame
    except UnicodeDecodeError:
        return values, "The frame is neither text nor UTF-8."
    text = text.lstrip("\ufeff \t\r\n")
    at = 0
    while at < len(text):
        try:
            value, at = _json.raw_decode(text, at)
        except RecursionError:
            return values, "The frame is nested too deeply."
        except ValueError:
            return values, "The frame is not valid JSON, or was cut off."
        values.append(value)
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
    return values, None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> float:
    """No field takes more than 64 bits; Python's own integers have no end, and int() has one."""
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


_json = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant)


def _open_object(item: object) -> list[Envelope | Unreadable]:
    if isinstance(item, dict) and len(item) == 1:
        ((name, body),) = item.items()
        return [Envelope(name, body)]
    text = "Expected an object with one key, the name of a message."
    if not item or not isinstance(item, dict | list):
        return [Unreadable(0, text)]
    objects = [item] if isinstance(item, dict) else _buried(item)
    if isinstance(item, dict):
        text = "An object must have one key, the name of a message; this one has several."
    # What is in the wrong place is refused, but for a stop: that is carried out and refused.
    stops = [
        Envelope(name, body, text)
        for each in objects
        for name, body in each.items()
        if stop_named(name) is not None
    ]
    # Every Id in an object may have somebody waiting.
    ids = {salvage_id(body) for body in item.values()} if isinstance(item, dict) else set()
    ids -= {0, *(salvage_id(stop.body) for stop in stops)}
    rest = sorted(ids) or ([] if stops else [0])
    return [*stops, *(Unreadable(id, text) for id in rest)]


def _buried(item: object) -> list[dict[str, object]]:
    """The objects in arrays within the array of a frame, in order."""
    found: list[dict[str, object]] = []
    left = [item]
    while left:
        match left.pop():
            case dict() as each:
                found.append(each)
            case list() as inner:
                left.extend(reversed(inner))
    return found


def bounded(opened: Sequence[Envelope | Unreadable], said: int = 0) -> list[Envelope | Unreadable]:
    """`opened`, but of what no Id can answer only so many that a frame has MAX_ANONYMOUS_ERRORS;
    `said`: how many of them it has had before."""
    kept: list[Envelope | Unreadable] = []
    for item in opened:
        if anonymous(item):
            said += 1
            if said > MAX_ANONYMOUS_ERRORS:
                continue
        kept.append(item)
    return kept


def anonymous(item: Envelope | Unreadable) -> bool:
    return isinstance(item, Unreadable) and item.id == 0


def salvage_id(body: FrameBody) -> int:
    """The Id of a message that may be wrong in any way; 0 if it cannot be answered by Id."""
    fields = parsed(body)
    if not isinstance(fields, dict):
        return 0
    id = fields.get("Id")
    if isinstance(id, float) and id.is_integer():
        id = int(id)
    if isinstance(id, int) and not isinstance(id, bool) and 1 <= id <= MAX_U32:
        return id
    return 0


def parsed(body: FrameBody) -> object:
    """The body as plain Python values; None if it is no JSON that Python can hold."""
    if not isinstance(body, msgspec.Raw):
        return body
    try:
        return _json.decode(bytes(body).decode())
    except (ValueError, RecursionError):
        return None


def tidy(value: object) -> Any:
    """Integral floats become integers, null fields disappear; at any depth.

    Half a surrogate pair, which JSON can write and UTF-8 cannot, becomes U+FFFD.
    """
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


class BodyReader(Generic[M]):
    """Reads bodies into one message type: at once if they are exact, else after tidying up."""

    def __init__(self, type: type[M], spelling: Callable[[Fields], Fields] | None = None) -> None:
        self._type = type
        self._decoder = msgspec.json.Decoder(type)
        self._spelling = spelling

    def read(self, body: FrameBody) -> M:
        """Raises ValueError with what is wrong, in words of the wire."""
        if isinstance(body, msgspec.Raw):
            try:
                return self._decoder.decode(body)
            except _BROKEN:
                pass  # nearly always our more patient way can read it or say why not
        try:
            fields = tidy(parsed(body))
            if self._spelling is not None and isinstance(fields, dict):
                fields = self._spelling(fields)
            return msgspec.convert(fields, self._type, str_keys=True)
        except (RecursionError, OverflowError) as error:
            raise ValueError("nested too deeply, or a number is out of range") from error


class Vocabulary(Generic[M]):
    """The messages that one side understands in one version, and why it refuses others."""

    def __init__(
        self, readers: Mapping[str, BodyReader[Any]], refusals: Mapping[str, str], where: str
    ) -> None:
        """`refusals`: known names that are not served, with the reason; `where`: for texts."""
        self.readers = readers
        self._refusals = refusals
        self._where = where

    def read(self, envelope: Envelope) -> M | Unreadable:
        """Never raises."""
        reader = self.readers.get(envelope.name)
        if reader is None:
            return Unreadable(salvage_id(envelope.body), self._refusal(envelope.name))
        try:
            message: M = reader.read(envelope.body)
        except ValueError as error:
            text = one_line(f"{envelope.name} cannot be read: {error}.")
            return Unreadable(salvage_id(envelope.body), text)
        return message

    def _refusal(self, name: str) -> str:
        known = self._refusals.get(name)
        if known is not None:
            return known
        return one_line(f"{name[:64]!r} is no message of {self._where}.")
