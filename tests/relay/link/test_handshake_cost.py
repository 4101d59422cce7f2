"""What a peer that nobody knows costs the hub. The figures are printed with `pytest -s`."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.link.bounds import HANDSHAKE_FRAME_BYTES
from relay.link.security.handshake import HubHandshake, RelayHandshake
from relay.link.security.noise import KeyPair
from tests.relay.link.security.test_handshake import Hub

_PEERS = 1_000
_SECRET = bytes(range(32))
_RELAY = KeyPair.generate()


def resident() -> int:
    """Bytes of this process in memory, OpenSSL's own included."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("only Linux says how much memory a process has")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _hub() -> Hub:
    hub = Hub()
    hub.relays[_RELAY.public] = "attic"
    return hub


def _silent(hub: Hub) -> HubHandshake:
    return HubHandshake(hub)


def _pairing(hub: Hub) -> HubHandshake:
    end = HubHandshake(hub)
    end.receive(RelayHandshake(_RELAY, secret=_SECRET, name="x" * 128).start(), 0.0)
    return end


def _known(hub: Hub) -> HubHandshake:
    end = HubHandshake(hub)
    end.receive(RelayHandshake(_RELAY, hub_key=hub.key.public).start(), 0.0)
    return end


def _refused(hub: Hub) -> HubHandshake:
    end = HubHandshake(hub)
    end.receive(b"\x01\x02" + bytes(HANDSHAKE_FRAME_BYTES - 2), 0.0)
    return end


@pytest.mark.parametrize("half_open", [_silent, _pairing, _known, _refused])
def test_a_half_open_peer_costs_four_kibibytes_at_most(
    half_open: Callable[[Hub], HubHandshake],
) -> None:
    hub = _hub()
    warm = [half_open(hub) for _ in range(50)]
    del warm
    gc.collect()
    before = resident()
    started = time.perf_counter()
    peers = [half_open(hub) for _ in range(_PEERS)]
    seconds = time.perf_counter() - started
    gc.collect()
    each = (resident() - before) / _PEERS
    print(
        f"{half_open.__name__[1:]}: {each:.0f} bytes, {seconds / _PEERS * 1e6:.0f} µs (both ends)"
    )
    assert each <= 4096
    assert len(peers) == _PEERS


def test_the_cost_does_not_grow_with_what_the_peer_sends() -> None:
    hub = _hub()
    end = HubHandshake(hub)
    frame = b"\x01\x02" + bytes(HANDSHAKE_FRAME_BYTES - 2)
    end.receive(frame, 0.0)
    gc.collect()
    tracemalloc.start()
    try:
        peers = [_refused(hub) for _ in range(200)]
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept / len(peers) <= 4096
