"""The hub's figures in the text format of Prometheus. Loaded when somebody asks for the first time.

Names of toys, apps and addresses are in none of them: a device is its index, a relay its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from forwarder.hub.hub import Hub
from forwarder.metrics.meter import BUCKETS_S, LatencyBuckets, Meter
from forwarder.sources.relays.relay import Relay
from forwarder.sources.relays.source import RelaySource
from forwarder.stalls import Stalls
from relay.link.names import neutralise

# Counters of a relay are said by itself; a relay of ours has a dozen.
MOST_COUNTERS = 32
_UNSAFE = re.compile(r"[^a-z0-9]+")


class Figures(NamedTuple):
    """Where everything is read that is told."""

    hub: Hub
    relays: RelaySource
    stalls: Stalls
    meter: Meter
    version: str
    up_s: float


class _HubCollector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        hub, relays, stalls, meter, version, up_s = self._figures
        info = InfoMetricFamily("forwarder", "Which hub this is")
        info.add_metric([], {"version": version})
        yield info
        yield _gauge("forwarder_up_seconds", "How long it has run", up_s)
        yield _gauge("forwarder_clients", "Clients that are connected", len(hub.clients))
        yield _gauge("forwarder_devices", "Devices that are connected", len(hub.devices))
        running = sum(device.running for device in hub.devices.values())
        yield _gauge("forwarder_devices_running", "Devices with an output on", running)
        held = hub.hold.holds
        yield _gauge("forwarder_held", "1 while a person has stopped or paused everything", held)
        latency = HistogramMetricFamily(
            "forwarder_latency_seconds",
            "What outputs took, by hop; from the first request for these figures on",
            labels=["hop"],
        )
        for hop, taken in meter.hops.items():
            latency.add_metric([hop], _buckets(taken), taken.sum_s)
        yield latency
        yield _counter("forwarder_outputs", "Outputs by what became of them, from the first"
                       " request on", "result", meter.outputs)  # fmt: skip
        yield _counter("forwarder_stops", "Stops of a device, by cause", "cause", meter.stops)
        connects = CounterMetricFamily(
            "forwarder_device_connects", "Devices that came, or came back"
        )
        connects.add_metric([], meter.connects)
        yield connects
        yield _counter("forwarder_relay_links", "Links of a relay, the first included", "relay",
                       relays.links)  # fmt: skip
        stood = CounterMetricFamily("forwarder_stalls", "Times the loop stood still over 50 ms")
        stood.add_metric([], stalls.count)
        yield stood
        longest = stalls.longest_s
        yield _gauge("forwarder_stall_longest_seconds", "The longest time it stood still", longest)
        stalled = InfoMetricFamily("forwarder_stall_longest", "Where it stood still for longest")
        stalled.add_metric([], {"in": stalls.longest_in})
        yield stalled
        yield from _relays(relays)


def _relays(source: RelaySource) -> Iterator[Metric]:
    relays = [(neutralise(relay.name), relay) for relay in source.relays.values()]
    up = GaugeMetricFamily("forwarder_relay_up", "1 while it is linked", labels=["relay"])
    trip = GaugeMetricFamily(
        "forwarder_relay_round_trip_seconds", "Running mean of its beats", labels=["relay"]
    )
    places = GaugeMetricFamily(
        "forwarder_relay_places", "Places for devices", labels=["relay", "state"]
    )
    counted = CounterMetricFamily(
        "forwarder_relay_events",
        "What it counts itself since its start: writes, superseded, congested, failed, …",
        labels=["relay", "event"],
    )
    seen: set[str] = set()
    for name, relay in relays:
        if name in seen:
            continue  # two of this machine may be called alike
        seen.add(name)
        up.add_metric([name], relay.link is not None)
        if (trip_s := _trip_s(relay)) is not None:
            trip.add_metric([name], trip_s)
        places.add_metric([name, "taken"], relay.taken)
        places.add_metric([name, "free"], max(0, relay.free_slots))
        events: dict[str, float] = {}
        for word, number in list(relay.stats.items())[:MOST_COUNTERS]:
            event = _UNSAFE.sub("_", word.casefold()).strip("_")
            events[event] = events.get(event, 0.0) + max(0.0, number)
        for event, number in events.items():
            counted.add_metric([name, event], number)
    yield from (up, trip, places, counted)


def _trip_s(relay: Relay) -> float | None:
    trip_ms = None if relay.link is None else relay.link.session.round_trip_ms
    return None if trip_ms is None else trip_ms / 1000


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _counter(name: str, text: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([neutralise(key)], count)
    return family


def _buckets(taken: LatencyBuckets) -> list[tuple[str, float]]:
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    total, summed = 0, []
    for bound, count in zip(bounds, taken.counts, strict=True):
        total += count
        summed.append((bound, float(total)))
    return summed


def told(figures: Figures) -> bytes:
    """Everything, as it is now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_HubCollector(figures))
    return generate_latest(registry)
