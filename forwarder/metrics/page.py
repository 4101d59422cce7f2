"""`/metrics` at the API's port: for a program of this machine, or one with the admin token."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable

from aiohttp import web

from forwarder.hub.hub import Hub
from forwarder.metrics.meter import Meter
from forwarder.sources.relays.source import RelaySource
from forwarder.stalls import Stalls

PATH = "/metrics"
# The text format, version 0.0.4, of prometheus.io/docs/instrumenting/exposition_formats.
_TYPE = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


class MetricsPage:
    """`refused`: the answer to whoever may not see them, None for those who may."""

    def __init__(
        self,
        hub: Hub,
        relays: RelaySource,
        stalls: Stalls,
        meter: Meter,
        version: str,
        refused: Callable[[web.Request], web.StreamResponse | None],
    ) -> None:
        self._parts = (hub, relays, stalls, meter, version)
        self._meter = meter
        self._refused = refused
        self._started = time.monotonic()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refused(request)
        if refusal is not None:
            return refusal
        self._meter.watched = True
        # The library takes 40 ms to load, which nobody pays who never asks; not in the loop.
        exposition = await asyncio.to_thread(
            importlib.import_module, "forwarder.metrics.exposition"
        )
        figures = exposition.Figures(*self._parts, time.monotonic() - self._started)
        return web.Response(body=exposition.told(figures), headers=_TYPE)
