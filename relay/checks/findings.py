"""What a check finds, how it is shown, and what of it may be given away. Sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from relay.checks.bounds import MOST_CHARS, PART_CHARS
from relay.link.names import neutralise


class Mark(Enum):
    GOOD = "ok  "
    NOTE = "note"
    BAD = "BAD "


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence; a bad one ends with what to do. `about`: the name of the check."""

    mark: Mark
    text: str
    about: str = field(default="", compare=False)


Check = Callable[[], Iterable[Finding]]


def good(text: str) -> Finding:
    return Finding(Mark.GOOD, text)


def note(text: str) -> Finding:
    return Finding(Mark.NOTE, text)


def bad(text: str) -> Finding:
    return Finding(Mark.BAD, text)


def run_checks(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Each check in turn, by the name of what it looks at. One that fails is a finding: the others
    are made nevertheless. The same sentence comes once."""
    said: set[str] = set()
    for name, check in checks:
        try:
            found = list(check())
        except Exception as error:  # noqa: BLE001  a fault boundary: the next check may say why
            found = [bad(f"{name}: this check itself failed ({type(error).__name__}: {error}).")]
        for finding in found:
            if finding.text not in said:
                said.add(finding.text)
                yield replace(finding, text=neutralise(finding.text, MOST_CHARS), about=name)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """For a terminal; the last line is the sum."""
    for finding in findings:
        yield f"{finding.mark.value} {finding.text}"
    count = sum(finding.mark is Mark.BAD for finding in findings)
    yield ""
    yield f"{count} problem{'' if count == 1 else 's'} found." if count else "Nothing is wrong."


def failed(findings: Iterable[Finding]) -> bool:
    return any(finding.mark is Mark.BAD for finding in findings)


# Whatever looks like one of these is taken out, wherever it stands.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("<token>", re.compile(r"\bbpft_[\w-]+")),
    ("<link>", re.compile(r"\b\S*#[\w-]{20,}")),
    ("<fingerprint>", re.compile(r"\b(?:[0-9A-Fa-f]{2}[: ]){31}[0-9A-Fa-f]{2}\b")),
    ("<address>", re.compile(r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b")),
    ("<address>", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")),
    ("<address>", re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")),
    ("<url>", re.compile(r"\b(?:wss?|https?)://[^\s,;)]+")),
    ("<key>", re.compile(r"\b[0-9A-Fa-f]{16,}\b|\b[A-Za-z0-9+/_-]{40,}={0,2}")),
)  # fmt: skip
_HERE = ("127.0.0.1", "0.0.0.0", "::1", "::")


class Redactor:
    """Takes out addresses, names and keys. `secrets`: what is known to be one → what is put there,
    like {"Attic": "<relay 1>"}; matched in any case, the longest first."""

    def __init__(self, secrets: Iterable[tuple[str, str]]) -> None:
        known = sorted(dict(secrets).items(), key=lambda item: -len(item[0]))
        self._secrets = [(_searched(text), put) for text, put in known if text]

    def __call__(self, text: str) -> str:
        for secret, put in self._secrets:
            text = secret.sub(lambda _, put=put: put, text)  # type: ignore[misc]
        for put, pattern in _PATTERNS:
            text = pattern.sub(lambda found, put=put: _keep(found[0]) or put, text)  # type: ignore[misc]
        return text

    def leaks(self, text: str) -> list[str]:
        """What `text` still gives away; empty if it may go out."""
        found = [put for secret, put in self._secrets if secret.search(text)]
        for put, pattern in _PATTERNS:
            found += [put for one in pattern.findall(text) if not _keep(one)]
        return found


def _searched(secret: str) -> re.Pattern[str]:
    whole = re.escape(secret)
    if len(secret) < PART_CHARS:
        whole = rf"(?<!\w){whole}(?!\w)"
    return re.compile(whole, re.IGNORECASE)


def _keep(text: str) -> str:
    """Addresses that every machine has, and the times in front of a line, say nothing."""
    bare = text.strip("[]")
    return text if bare in _HERE or re.fullmatch(r"\d{2}:\d{2}:\d{2}", bare) else ""
