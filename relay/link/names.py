"""Making text from a peer safe to show: in a terminal, a log, a page, a list."""

from __future__ import annotations

import platform
import unicodedata
from typing import Final

from relay.link.bounds import MAX_NAME

# What Bluetooth modules are called as they come from their makers, whatever they are built into:
# MLT-BT05 and HM-10 by their data sheets, Nordic's UART by its examples. No name of a toy.
CHIPS: Final = frozenset({"BT05", "MLT-BT05", "HMSoft", "HC-08", "Nordic_UART"})
# As long as a label of a host name may be (RFC 1123, section 2.1).
_MACHINE_MOST: Final = 63
# Cc: control characters, which move a terminal's cursor or fake a log line. Cf: invisible ones,
# among them the bidirectional overrides that turn a name round. Cs: halves of surrogate pairs,
# which no encoder takes. Co, Cn: private and unassigned, which look different everywhere. Zl, Zp:
# line and paragraph ends.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Stacked accents that climb over the lines above; no name needs more than a few in a row.
_MARKS: Final = frozenset({"Mn", "Me"})
_MAX_MARKS: Final = 3
# Joins emoji to one: a family, a profession, a flag. Anywhere else it hides.
_JOINER: Final = "\N{ZERO WIDTH JOINER}"
_SKIN: Final = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_AS_PICTURE: Final = "\N{VARIATION SELECTOR-16}"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def neutralise(text: str, limit: int = MAX_NAME) -> str:
    """Return `text` on one line, without what hides, moves or reverses other text, `limit` long.

    Runs of white space become one space, forbidden characters become U+FFFD. Idempotent. May be
    empty: what an empty name shows as is for the caller to say.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return " ".join(text.split())  # nearly all that there are
    out: list[str] = []
    marks = 0
    # Four code points for each that is shown: enough for any name, a bound on the work for none.
    text = unicodedata.normalize("NFC", text[: 4 * limit])
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if character.isspace():
            out.append(" ")
        elif character == _JOINER and _joins(out, text[place + 1 : place + 2]):
            out.append(character)
        elif category in _HIDDEN:
            out.append(_REPLACEMENT)
        elif marks <= _MAX_MARKS:
            out.append(character)
    shown = " ".join("".join(out).split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip().rstrip(_JOINER) + "…"


def _joins(before: list[str], after: str) -> bool:
    """Whether a joiner between these makes one picture of two."""
    last = before[-1] if before else ""
    return (last == _AS_PICTURE or _is_picture(last)) and _is_picture(after)


def _is_picture(character: str) -> bool:
    return character in _SKIN or (bool(character) and unicodedata.category(character) == "So")


def machine_name(otherwise: str) -> str:
    """What people call this machine: its host name without the domain; `otherwise` without one."""
    return neutralise(platform.node().split(".")[0], _MACHINE_MOST) or otherwise


def quoted(text: str, limit: int = MAX_NAME) -> str:
    """`text` as a name in a sentence: made safe, in quotation marks, and not as a program would
    spell it (a backslash stays one, an apostrophe changes nothing)."""
    return f"'{neutralise(text, limit)}'"
