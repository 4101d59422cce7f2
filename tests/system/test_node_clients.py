"""The official JavaScript clients under Node: every output, then a server that is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from forwarder.buttplug.messages import OutputType
from tests.needs import needs
from tests.system.js.clients import in_node
from tests.system.js.life import OUTPUTS, TOYS, drive, goodbye, sudden_end, whole_life
from tests.system.js.packages import NPM_3, NPM_4, NPM_4_FIRST, NPM_5, Package
from tests.system.processes import house

pytestmark = pytest.mark.node


def test_the_toys_have_every_kind_of_output() -> None:
    # No model takes a position without a duration; only what dials in itself could.
    assert {output.kind for output in OUTPUTS} == set(OutputType) - {OutputType.POSITION}


@pytest.mark.parametrize("package", [NPM_5, NPM_4, NPM_3], ids=str)
async def test_it_does_all_it_can_and_notices_a_killed_server(
    tmp_path: Path, package: Package
) -> None:
    needs("node", "nodejs")
    async with house(tmp_path, ",".join(TOYS)) as home:
        async with in_node(package) as client:
            await whole_life(client, home)
        async with in_node(package) as client:
            await sudden_end(client, home)


async def test_the_first_client_of_v4_is_stopped_by_the_words_of_v3_that_it_sends(
    tmp_path: Path,
) -> None:
    needs("node", "nodejs")
    async with house(tmp_path, ",".join(TOYS)) as home:
        # Its process ends at the first change of the list, so another client looks for the toys.
        async with in_node(NPM_5) as other:
            await other.connect(home.url)
            await other.scan(len(TOYS))
            await other.call("disconnect")
        async with in_node(NPM_4_FIRST) as client:
            await client.connect(home.url)
            await client.until_devices(len(TOYS))
            # What it calls a timed position no server offers.
            await drive(client, home, tuple(item for item in OUTPUTS if item.duration is None))
            await goodbye(client, home, set(TOYS))
