from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from forwarder.connectors.bounds import OWN_PLACES, RESERVED, Purpose
from forwarder.connectors.descriptors import PLACES, doors_within


def filled(limit: int | None, each: int = 200) -> int:
    """How many connections there are when everybody has come, from everywhere and for anything."""
    doors = doors_within(limit)
    # Direct paths take no descriptor.
    sockets = [purpose for purpose in Purpose if purpose is not Purpose.DIRECT]

    def come(address: str) -> None:
        for number in range(each):
            for purpose in sockets:
                for settled in (False, True):
                    place = doors.arrive(
                        address.format(number >> 8, number & 255), 0.0, lambda: None
                    )
                    if settled:
                        place.enter(purpose, 0.0, settled=True)
                    else:
                        place.enter(purpose, 0.0, settled=False)
                        if number % 2:
                            place.settle((purpose, number))
            doors.arrive(address.format(number >> 8, number & 255), 0.0, lambda: None)

    for address in ("127.0.{}.{}", "192.0.{}.{}", "198.51.{}.{}"):
        come(address)
    return doors.count


def test_all_places_together_are_what_the_bounds_say() -> None:
    all_places = filled(None, each=1100)
    # Those that networks have for themselves: test_doors.py.
    shared = PLACES - OWN_PLACES
    assert shared * 0.8 < all_places <= shared
    assert filled(PLACES + RESERVED) == filled(None)


@pytest.mark.parametrize("limit", [224, 256, 512, 800, 1024])
def test_fewer_descriptors_are_fewer_places_of_every_kind_and_it_is_said(
    limit: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        count = filled(limit)
    assert len(Purpose) <= count <= limit - RESERVED
    assert f"gives the hub {limit} open files" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
@pytest.mark.parametrize(("soft", "hard", "expected"), [(256, 256, 256), (256, 512, 512)])
def test_the_process_takes_what_it_may_have(soft: int, hard: int, expected: int) -> None:
    code = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from forwarder.connectors.descriptors import descriptors\n"
        "print(descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(expected)] * 2
