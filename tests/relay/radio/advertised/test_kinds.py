"""What an owner may say about advertised toys."""

from __future__ import annotations

import sys

import pytest

from relay.errors import UsageError
from relay.radio.advertised.kinds import USUAL, AdvertisedKind, kind_of
from relay.radio.choice import RadioChoice, open_radio
from relay.wanted import NamedRadios

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone advertises")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("lovespouse", AdvertisedKind("lovespouse")),
        ("LoveSpouse-2", AdvertisedKind("lovespouse-2")),
        ("lovespouse:77624b9665", AdvertisedKind("lovespouse", bytes.fromhex("77624B9665"))),
        ("lovespouse@hci1", AdvertisedKind("lovespouse", USUAL, "hci1")),
        (
            "lovespouse-2:7762162343@02:00:00:00:00:FF",
            AdvertisedKind("lovespouse-2", bytes.fromhex("7762162343"), "02:00:00:00:00:FF"),
        ),
    ],
)
def test_a_kind_is_said_with_address_and_adapter(text: str, kind: AdvertisedKind) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "text", ["", "muse", "lovespouse:77", "lovespouse:", "lovespouse@", "@hci0"]
)
def test_anything_else_is_refused_with_how_it_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="are said as KIND") as caught:
        kind_of(text)
    assert "lovespouse, lovespouse-2" in str(caught.value)


def test_each_has_an_adapter_of_its_own() -> None:
    def opened(*texts: str) -> str:
        return open_radio(RadioChoice(NamedRadios(advertised_toys=texts))).info.kind

    assert opened("lovespouse") == "advertised"
    assert opened("lovespouse", "lovespouse-2@hci1") == "several"
    with pytest.raises(UsageError, match="at one adapter would take turns"):
        opened("lovespouse", "lovespouse-2")


def test_it_is_off_unless_it_is_said() -> None:
    assert NamedRadios().advertised_toys == ()
    assert not NamedRadios().named
