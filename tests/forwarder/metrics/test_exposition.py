"""What a whole hub tells, read by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from forwarder.buttplug.messages import OutputCmd, OutputType, OutputValue
from forwarder.errors import DeviceError
from tests.doubles.running_hub import RunningHub, running_hub
from tests.forwarder.hub.test_hub import FakeClient


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path, ("Lovense Hush",)) as made:
        yield made


async def figures(hub: RunningHub) -> dict[str, float]:
    """Name with its labels -> value."""
    async with hub.http.get(f"{hub.url}/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    assert "Lovense" not in text, "no name of a toy"
    return {
        ",".join([sample.name, *sample.labels.values()]): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def output(value: int) -> OutputCmd:
    command = {OutputType.VIBRATE: OutputValue(value=value)}
    return OutputCmd(id=1, device_index=0, feature_index=0, command=command)


async def test_the_parser_of_prometheus_reads_what_happened(hub: RunningHub) -> None:
    await hub.with_devices(1)
    first = await figures(hub)
    assert first["forwarder_devices"] == first["forwarder_device_connects_total"] == 1
    assert first["forwarder_relay_up,simulated toys"] == 1
    assert first["forwarder_relay_links_total,simulated toys"] == 1
    client = FakeClient()
    hub.app.hub.join(client)
    for value in (5, 5, 7):
        outcome = hub.app.hub.output(client, output(value))
        if outcome is not None:
            await outcome
    with pytest.raises(DeviceError):
        hub.app.hub.output(client, output(999))
    await hub.ask("POST", "/stop", {"device": 0})
    now = await figures(hub)
    assert now["forwarder_outputs_total,taken"] == 2
    assert now["forwarder_outputs_total,coalesced"] == 1
    assert now["forwarder_outputs_total,refused"] == 1
    assert now["forwarder_stops_total,person"] == 1
    assert now["forwarder_latency_seconds_count,command"] == 2
    assert now["forwarder_latency_seconds_bucket,hub,+Inf"] == 3
    assert now["forwarder_stall_longest_seconds"] >= 0
    assert now["forwarder_up_seconds"] > 0
