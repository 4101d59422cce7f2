"""How proxies and their keys are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.errors import UsageError
from relay.radio.esphome.named import esphome_radios
from tests.doubles.esphome_proxy import KEY

OTHER = KEY.replace("A", "B")


def keys_of(proxies: list[str], keys: list[str]) -> list[object]:
    return [vars(radio)["_key"] for radio in esphome_radios(proxies, keys)]


def test_a_key_is_for_all_or_for_one(tmp_path: Path) -> None:
    file = tmp_path / "proxy.key"
    file.write_text(f'"{OTHER}"\n')
    assert keys_of(["a.local", "b.local:6000"], []) == [None, None]
    assert keys_of(["a.local", "B.local"], [KEY]) == [KEY, KEY]
    assert keys_of(["a.local", "b.local"], [KEY, f"b.local={file}"]) == [KEY, OTHER]
    assert keys_of(["a.local"], [str(file)]) == [OTHER]
    assert keys_of(["a.local", "b.local"], [f"A.local={KEY}"]) == [KEY, None]


def test_names_are_as_they_were_given() -> None:
    (first, second) = esphome_radios(["a.local", "192.168.1.7:6000"], [])
    assert (first.info.kind, first.info.name) == ("esphome", "a.local")
    assert second.info.name == "192.168.1.7:6000"
    assert not first.info.on


@pytest.mark.parametrize("text", ["", ":6053", "a:99999", "a:0", "a/b", "me@a", "a..b", "a b"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is said as HOST or HOST:PORT"):
        esphome_radios([text], [])


@pytest.mark.parametrize("text", ["nonsense", "a.local=", f"a.local={KEY[:-3]}="])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        esphome_radios(["a.local"], [text])
    assert KEY[:20] not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end")
def test_a_file_without_an_end_is_no_key() -> None:
    with pytest.raises(UsageError, match="--esphome-key"):
        esphome_radios(["a.local"], ["/dev/zero"])


def test_a_key_without_a_proxy_is_refused() -> None:
    with pytest.raises(UsageError, match="name one with --esphome"):
        esphome_radios([], [KEY])
