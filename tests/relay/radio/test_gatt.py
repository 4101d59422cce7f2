from __future__ import annotations

import pytest

from relay.radio.gatt import canonical_address, with_response

WRITE, COMMAND = "write", "write-without-response"


@pytest.mark.parametrize(
    ("properties", "wanted", "expected"),
    [
        ((WRITE, COMMAND), True, True),
        ((WRITE, COMMAND), False, False),
        ((WRITE,), False, True),
        ((COMMAND,), True, False),
        (("notify",), True, True),
        (("notify",), False, False),
    ],
)
def test_writes_go_as_wanted_unless_only_the_other_way_is_offered(
    properties: tuple[str, ...], *, wanted: bool, expected: bool
) -> None:
    assert with_response(properties, wanted) is expected


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("e5:6e:7a:fc:49:71", "E5:6E:7A:FC:49:71"),
        ("E5-6E-7A-FC-49-71", "E5:6E:7A:FC:49:71"),
        ("dev_E5", "dev_E5"),
        ("E56E7AFC4971", "E5:6E:7A:FC:49:71"),
        ("6E400001-B5A3-F393-E0A9-E50E24DCCA9E", "6E400001-B5A3-F393-E0A9-E50E24DCCA9E"),
        ("not an addre", "not an addre"),
    ],
)
def test_addresses_have_one_form(text: str, canonical: str) -> None:
    assert canonical_address(text) == canonical
