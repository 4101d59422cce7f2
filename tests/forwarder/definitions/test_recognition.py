"""Which protocol an advertisement speaks of."""

from __future__ import annotations

import itertools

from forwarder.definitions.files import DATA, Files
from forwarder.definitions.recognition import (
    DefinitionOrigin,
    ManufacturerMatch,
    Recogniser,
    RecognitionBlock,
)
from relay.link.messages import Advertisement, Characteristic, Service

S1 = "0000ffe0-0000-1000-8000-00805f9b34fb"
S2 = "0000ffe5-0000-1000-8000-00805f9b34fb"
TX = "0000ffe1-0000-1000-8000-00805f9b34fb"
RX = "0000ffe2-0000-1000-8000-00805f9b34fb"

BLOCKS = (
    RecognitionBlock("exact", names=("LVS-A01",)),
    RecognitionBlock("long", names=("LVS-A*",)),
    RecognitionBlock("short", names=("LVS-*",)),
    RecognitionBlock("maker", manufacturer=(ManufacturerMatch(93, b"\0\x27"),)),
    RecognitionBlock("service", advertised=(S1,), ids=("LVS-S001",)),
    RecognitionBlock("any-data", manufacturer=(ManufacturerMatch(7),)),
)


def recogniser(*blocks: RecognitionBlock) -> Recogniser:
    found = Recogniser()
    for block in blocks:
        found.add(block)
    return found


def protocols(advertisement: Advertisement, *blocks: RecognitionBlock) -> list[str]:
    return [block.protocol for block in recogniser(*(blocks or BLOCKS)).match(advertisement)]


EVERYTHING = Advertisement(
    "AA", "LVS-A01", services=(S1.upper(),), manufacturer={93: b"\1\0\x27\5", 7: b""}
)


def test_the_order_is_name_wildcard_manufacturer_service() -> None:
    assert protocols(EVERYTHING) == ["exact", "long", "short", "maker", "any-data", "service"]


def test_the_order_does_not_depend_on_that_of_the_files() -> None:
    orders = {tuple(protocols(EVERYTHING, *blocks)) for blocks in itertools.permutations(BLOCKS, 6)}
    assert len(orders) == 1


def test_wildcards_of_a_device_count_for_nothing() -> None:
    assert protocols(Advertisement("AA", "*")) == []
    assert protocols(Advertisement("AA", "LVS-*")) == ["short"]
    assert protocols(Advertisement("AA", "")) == []
    assert protocols(Advertisement("AA")) == []


def test_manufacturer_data_must_contain_what_the_file_says() -> None:
    assert protocols(Advertisement("AA", manufacturer={93: b"\0\x28"})) == []
    assert protocols(Advertisement("AA", manufacturer={94: b"\0\x27"})) == []
    # Shorter data than ours is no match, whatever it is a part of.
    assert protocols(Advertisement("AA", manufacturer={93: b"\0"})) == []


def test_a_models_name_and_its_service_together_beat_another_brands_wildcard() -> None:
    both = Advertisement("AA", "LVS-S001", services=(S1,))
    assert protocols(both)[0] == "service"
    assert protocols(Advertisement("AA", "LVS-S001"))[0] == "short"


def test_what_the_user_configured_comes_first_among_equals() -> None:
    mine = RecognitionBlock("mine", names=("LVS-A01",), origin=DefinitionOrigin.USER)
    official = RecognitionBlock("aaa", names=("LVS-A01",), origin=DefinitionOrigin.OFFICIAL)
    found = protocols(Advertisement("AA", "LVS-A01"), official, BLOCKS[0], mine)
    assert found == ["mine", "aaa", "exact"]


def test_a_hit_says_why() -> None:
    assert [hit.why for hit in recogniser(*BLOCKS).hits(EVERYTHING)][:4] == [
        "its name is LVS-A01",
        "its name begins with LVS-A",
        "its name begins with LVS-",
        "manufacturer 93 with 00 27",
    ]


def test_endpoints_are_taken_from_the_services_that_are_there() -> None:
    block = RecognitionBlock(
        "x", services={S1: {"tx": TX, "rx": RX}, S2: {"tx": TX, "whitelist": RX}}
    )
    first = Service(S1.upper(), (Characteristic(1, TX.upper()),))
    second = Service(S2, (Characteristic(2, TX), Characteristic(3, RX)))
    assert block.endpoints((first,)) == {"tx": 1}
    assert block.endpoints((second, first)) == {"tx": 1, "whitelist": 3}
    assert block.endpoints((second,)) == {"tx": 2, "whitelist": 3}
    assert block.endpoints(()) == {}


def test_interests_hold_everything_that_can_be_recognised() -> None:
    interests = recogniser(*BLOCKS, RecognitionBlock("x", services={S2: {"tx": TX}})).interests()
    assert interests.names == ("LVS-A01", "LVS-*", "LVS-A*")
    assert interests.companies == (7, 93)
    assert interests.services == (S2,)


def test_websocket_devices_are_matched_by_the_exact_word() -> None:
    found = recogniser(
        RecognitionBlock("b", websocket="Toy"), RecognitionBlock("a", websocket="Toy")
    )
    assert [block.protocol for block in found.match_websocket("Toy")] == ["a", "b"]
    assert found.match_websocket("toy") == ()


def test_a_toy_in_a_firmware_update_is_left_alone_whatever_speaks_for_it() -> None:
    service = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
    recogniser = Recogniser()
    for block in Files(DATA).blocks():
        recogniser.add(block)
    assert recogniser.hits(Advertisement("AA", "LVS-Z001", services=(service,)))
    updating = Advertisement(
        "AA", "LVS-DFU01", services=(service,), manufacturer={620: b"\xff\x21"}
    )
    assert recogniser.hits(updating) == ()
