"""The peers themselves: `python -m tests.hostile.peers NAME SECONDS TARGET`, the latter as JSON.

They go on for so many seconds, over loopback only, and then print how much they have done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from tests.hostile import insiders, raw, strangers
from tests.hostile.pace import Target

# Those that only talk.
TALKERS: dict[str, Callable[[Target], raw.Kind]] = {
    "gzip": strangers.gzip_bombs,
    "bodies": strangers.bodies,
    "tls": strangers.unfinished_tls,
    "tls-finished": strangers.tls_handshakes,
    "slow": strangers.slow_requests,
    "events": strangers.event_sockets,
    "links": strangers.link_sockets,
    "pages": strangers.pages,
    "tokens": strangers.tokens,
    "pipelines": strangers.pipelines,
    "pings": strangers.pings,
    "frames": insiders.long_frames,
    "messages": insiders.short_frames,
    "relay": insiders.relay_floods,
    "heavy": insiders.heavy_relays,
    "device": insiders.devices,
}
# Those that have to listen as well.
PARTNERS: dict[str, Callable[[Target], Awaitable[None]]] = {
    "inventor": insiders.invented_toys,
    "liar": insiders.liars,
    "comer": insiders.comers_and_goers,
    "upstream": insiders.upstreams,
}
PEERS = (*TALKERS, *PARTNERS)


async def _partners(name: str, seconds: float, target: Target) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await PARTNERS[name](target)


def _attack(name: str, seconds: float, target: Target) -> None:
    kind = TALKERS[name](target) if name in TALKERS else None
    print("ready", flush=True)
    if kind is None:
        asyncio.run(_partners(name, seconds, target))
    else:
        raw.crowd(kind, target, seconds)


if __name__ == "__main__":
    # Whoever is attacked on one's own machine shares its processor with the attacker.
    os.nice(10)
    aim = msgspec.json.decode(sys.argv[3], type=Target)
    try:
        _attack(sys.argv[1], float(sys.argv[2]), aim)
    finally:
        print(aim.acts, aim.held, flush=True)
