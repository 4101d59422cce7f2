"""Making text from a peer safe to show: in a terminal, a log, a page, a list."""

from __future__ import annotations

import unicodedata
from typing import Final

# As long as a link name may be; what is shown is cut to it whatever its source.
MAX_NAME = 128
# Cc: control characters, which move a terminal's cursor or fake a log line. Cf: invisible ones,
# among them the bidirectional overrides that turn a name round. Cs: halves of surrogate pairs,
# which no encoder takes. Co, Cn: private and unassigned, which look different everywhere. Zl, Zp:
# line and paragraph ends.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Stacked accents that climb over the lines above; no name needs more than a few in a row.
_MARKS: Final = frozenset({"Mn", "Me"})
_MAX_MARKS: Final = 3
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def neutralise(text: str, limit: int = MAX_NAME) -> str:
    """Return `text` on one line, without what hides, moves or reverses other text, `limit` long.

    Runs of white space become one space, forbidden characters become U+FFFD. Idempotent. May be
    empty: what an empty name shows as is for the caller to say.
    """
    out: list[str] = []
    marks = 0
    # Four code points for each that is shown: enough for any name, a bound on the work for none.
    for character in unicodedata.normalize("NFC", text[: 4 * limit]):
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if character.isspace():
            out.append(" ")
        elif category in _HIDDEN:
            out.append(_REPLACEMENT)
        elif marks <= _MAX_MARKS:
            out.append(character)
    shown = " ".join("".join(out).split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def quoted(text: str, limit: int = MAX_NAME) -> str:
    """`text` as a name in a sentence: made safe, in quotation marks, and not as a program would
    spell it (a backslash stays one, an apostrophe changes nothing)."""
    return f"'{neutralise(text, limit)}'"
