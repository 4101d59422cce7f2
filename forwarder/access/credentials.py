"""What a request gives as its credentials. Absent and invalid are different things: who gives none
may come in for other reasons, who gives some is judged by them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from forwarder.access.bounds import MAX_GIVEN

# As forwarder.access.tokens makes them; here it only says that a part of a path is meant as a
# token.
TOKEN_PREFIX: Final = "bpft_"
# `/token/…`: for tokens of any make, where a path may mean anything else.
_TOKEN_FOLDER: Final = "token"
_TOO_MANY: Final = ""


def given(
    authorization: Iterable[str], query: Iterable[str] = (), path: str = "/"
) -> tuple[str, ...]:
    """Everything that is meant as a credential, in the order header, query, path.

    `authorization`: the values of these header fields; `query`: those of `token`; `path` is
    decoded. What cannot be one (another scheme, nothing behind `?token=`) is in it all the same:
    it was given, and it is not good. Empty: none was given.
    """
    found = [*map(_bearer, authorization), *(value.strip() for value in query), *_in_path(path)]
    if len(found) > MAX_GIVEN:
        return (*found[:MAX_GIVEN], _TOO_MANY)
    return tuple(found)


def _bearer(value: str) -> str:
    scheme, _, token = value.strip().partition(" ")
    # RFC 9110, 11.1: schemes are compared without regard to case.
    return token.strip() if scheme.lower() == "bearer" else ""


def _in_path(path: str) -> Sequence[str]:
    first, *rest = path.removeprefix("/").split("/")
    if first == _TOKEN_FOLDER and rest:
        return [rest[0]]
    return [part for part in (first, *rest) if part.lower().startswith(TOKEN_PREFIX)]
