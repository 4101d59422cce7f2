"""Patterns of bytes in the language of toys.json, made from samples."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIGITS = re.compile(r"\d+|\D+")


def pattern_of(samples: Sequence[bytes], *, text: bool) -> str:
    """What these packets have in common, in the language of toys.json."""
    if text:
        texts = [_DIGITS.findall(data.decode("latin-1")) for data in samples]
        return "'" + "".join(_common(part) for part in zip(*texts, strict=True))
    digits = [data.hex() for data in samples]
    return "".join(
        "?" if len(set(column)) > 1 else column[0] for column in zip(*digits, strict=True)
    )


def _common(numbers: Sequence[str]) -> str:
    """What they share: all of it, or the digits before a level of fixed width ("V0" + "9999")."""
    if len(set(numbers)) == 1:
        return numbers[0]
    if len(set(map(len, numbers))) > 1:
        return "*"
    shared = 0
    while len({number[: shared + 1] for number in numbers}) == 1:
        shared += 1
    return numbers[0][:shared] + "*"


def split(samples: list[bytes], against: list[bytes], *, text: bool) -> list[str]:
    """Patterns that fit all samples; none of `against`, as far as they differ at all."""
    pattern = pattern_of(samples, text=text)
    expression = _compiled(pattern)
    if not any(expression.fullmatch(_shown(pattern, data)) for data in against):
        return [pattern]
    columns = list(zip(*(_units(data, text=text) for data in samples), strict=True))
    choices = [(len(set(column)), at) for at, column in enumerate(columns) if len(set(column)) > 1]
    if not choices:
        return [pattern]
    _, at = min(choices)
    parts: dict[str, list[bytes]] = {}
    for data in samples:
        parts.setdefault(_units(data, text=text)[at], []).append(data)
    return [found for part in parts.values() for found in split(part, against, text=text)]


def _units(data: bytes, *, text: bool) -> list[str]:
    if text:
        return _DIGITS.findall(data.decode("latin-1"))
    return list(data.hex())


def _compiled(pattern: str) -> re.Pattern[str]:
    body = re.escape(pattern.removeprefix("'"))
    return re.compile(body.replace(r"\?", ".").replace(r"\*", ".*"), re.DOTALL)


def _shown(pattern: str, data: bytes) -> str:
    return data.decode("latin-1") if pattern.startswith("'") else data.hex()
