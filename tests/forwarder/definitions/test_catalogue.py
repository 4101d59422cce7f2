"""From an advertisement to an opened protocol, with our own files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from forwarder.buttplug.messages import OutputType
from forwarder.definitions.catalogue import Catalogue
from forwarder.errors import ConfigError
from forwarder.protocols.base import ProtocolError, ReadStep, StepFailed
from relay.link.messages import Advertisement, Characteristic, Service

CATALOGUE = Catalogue.load()
MINE = """
protocol = "{name}"
[[match]]
ble = {{ names = ["Mine"] }}
[match.services.0000ffe0-0000-1000-8000-00805f9b34fb]
tx = "0000ffe1-0000-1000-8000-00805f9b34fb"
[[feature]]
vibrate = [0, 9]
[[output]]
on = "{on}"
bytes = "77 {{v}}"
"""


def test_satisfyer_tells_its_model_in_its_advertisement_or_when_read() -> None:
    seen = Advertisement("AA", "SF Something", manufacturer={93: b"\0\0\x27\xb0"})
    (candidate,) = CATALOGUE.match(seen)
    with pytest.raises(StopIteration) as end:
        next(candidate.identify(seen))
    assert end.value.value == "10160"
    assert candidate.resolve("10160", seen).definition.name == "Satisfyer Double Desire"
    # Another company's data is not its model number.
    other = Advertisement("AA", "SF Something", manufacturer={94: b"\0\0\x27\xb0"})
    steps = CATALOGUE.match(other)[0].identify(other)
    assert next(steps) == ReadStep("rxblemodel")
    with pytest.raises(StopIteration) as end:
        steps.send(b"\0\0\x27\xb0")
    assert end.value.value == "10160"


def test_a_device_that_does_not_tell_is_the_default_model() -> None:
    seen = Advertisement("AA", "SF Something")
    (candidate,) = CATALOGUE.match(seen)
    steps = candidate.identify(seen)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.throw(StepFailed("cannot be read"))
    assert end.value.value is None
    model = candidate.resolve(None, seen)
    assert (model.definition.name, model.definition.identifier) == ("Satisfyer Device", None)


def test_a_redirected_device_has_the_other_protocols_endpoints() -> None:
    seen = Advertisement("AA", "HISMITH")
    candidate = CATALOGUE.match(seen)[0]
    model = candidate.resolve("4001", seen)
    assert (candidate.protocol, model.definition.protocol) == ("hismith", "hismith-mini")
    uuid = "0000ffe{}-0000-1000-8000-00805f9b34fb"
    services = (Service(uuid.format(5), (Characteristic(4, uuid.format(9)),)),)
    assert model.endpoints(services) == {"tx": 4}


def test_a_model_that_nobody_knows_is_an_error_that_names_it() -> None:
    with pytest.raises(ProtocolError, match="no model of it is known as 'nobody'"):
        CATALOGUE.resolve("vorze-sa", "nobody", Advertisement("AA"))


def test_search_finds_models_by_all_words() -> None:
    found = CATALOGUE.search("nora LOVENSE")
    assert {entry.definition.name for entry in found} == {"Lovense Nora"}
    assert [entry.identifiers for entry in found] == [("A", "C"), ("Nora",)]
    assert CATALOGUE.search("no such toy") == []
    assert len(CATALOGUE.entries()) > 800


def test_a_file_of_the_users_own_is_loaded_and_replaces_ours(tmp_path: Path) -> None:
    (tmp_path / "aneros.toml").write_text(MINE.format(name="aneros", on="vibrate"))
    catalogue = Catalogue.load(own=tmp_path)
    assert catalogue.match(Advertisement("AA", "Massage Demo")) == ()
    seen = Advertisement("AA", "Mine")
    model = catalogue.match(seen)[0].resolve("Mine", seen)
    protocol = model.open(endpoints={"tx": 1})
    assert protocol.output(0, OutputType.VIBRATE, 5)[0].data == b"\x77\5"
    assert len(catalogue.files.names()) == len(CATALOGUE.files.names())


@pytest.mark.parametrize(
    ("name", "on", "reason"),
    [
        ("mine", "oscillate", "mine.toml:1: mine: feature 0, vibrate 0: .* no rule"),
        ("other", "vibrate", "mine.toml:1: protocol: other is not mine"),
        ("mine", "levitate", "mine.toml:9: .*'levitate' is not an output type"),
    ],
)
def test_a_wrong_file_of_the_users_own_is_refused_at_start(
    name: str, on: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(MINE.format(name=name, on=on))
    with pytest.raises(ConfigError, match=reason):
        Catalogue.load(own=tmp_path)


def test_a_file_that_is_no_text_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b'protocol = "\xff"')
    with pytest.raises(ConfigError, match=r"mine.toml:1: it is not text in UTF-8"):
        Catalogue.load(own=tmp_path)


def test_a_start_reads_the_index_and_parses_no_file() -> None:
    catalogue = Catalogue.load()
    assert catalogue.files.parsed == ()


def test_the_whole_catalogue_fits_into_a_few_megabytes() -> None:
    tracemalloc.start()
    catalogue = Catalogue.load()
    catalogue.entries()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 16 * 2**20


def test_who_only_shares_a_service_with_a_brand_has_to_answer_as_it_does() -> None:
    """Nordic's UART is on many a board: without the brand's answer it is none of its devices."""
    service = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
    stranger = Advertisement("AA", "My Board", services=(service,))
    (candidate,) = (one for one in CATALOGUE.match(stranger) if one.protocol == "lovense")
    with pytest.raises(ProtocolError, match="My Board does not answer as lovense devices do"):
        candidate.resolve(None, stranger)
    assert candidate.resolve("Z", stranger).definition.name == "Lovense Hush"
    # A name of the brand speaks for itself, as for old firmware that does not answer.
    named = Advertisement("AA", "LVS-Z001", services=(service,))
    (candidate, *_) = CATALOGUE.match(named)
    assert candidate.resolve(None, named).definition.name == "Lovense Device"
