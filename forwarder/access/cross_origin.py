"""What browsers are told of pages of other origins that may use this server (CORS). Headers only.

Source: Fetch, "CORS protocol", https://fetch.spec.whatwg.org/#http-cors-protocol. Never `*`, for
what one page may another need not; never credentials, for none are sent by a browser by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from forwarder.access.bounds import PREFLIGHT_S

# A page asks with one of these, by the draft its browser follows: Private Network Access (Chrome
# 94 and later), Local Network Access (its successor).
_NETWORK_ACCESS: Final = {
    "Access-Control-Request-Private-Network": "Access-Control-Allow-Private-Network",
    "Access-Control-Request-Local-Network": "Access-Control-Allow-Local-Network",
}
# The answer depends on who asks: no cache may give it to another.
VARY: Final = {"Vary": "Origin"}


def shared_with(origin: str) -> dict[str, str]:
    """For an answer that the page at `origin` may read."""
    return {"Access-Control-Allow-Origin": origin, **VARY}


def preflight_headers(
    asked: Mapping[str, str], origin: str, methods: str, headers: str
) -> dict[str, str]:
    """The yes to a preflight of the page at `origin`. `asked`: its headers; `methods` and
    `headers`: what may follow, separated by commas."""
    answer = {
        **shared_with(origin),
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Max-Age": str(PREFLIGHT_S),
    }
    if "Access-Control-Request-Headers" in asked:
        answer["Access-Control-Allow-Headers"] = headers
    for question, name in _NETWORK_ACCESS.items():
        if asked.get(question, "").lower() == "true":
            answer[name] = "true"
    return answer
