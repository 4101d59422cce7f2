from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from forwarder.access.tls import client_tls, own_certificate, users_certificate
from forwarder.errors import ConfigError

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_certificate_of_our_own_stays_the_same(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, ["hub.local", "192.168.1.20"], NOW)
    later = NOW + timedelta(days=700)
    assert own_certificate(tmp_path, ["hub.local", "10.0.0.5"], later) == first
    assert own_certificate(tmp_path, [], later) == first


def test_it_is_for_all_names_and_addresses_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, ["Hub.local", "192.168.1.20", "fd00::2"], NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "hub.local"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(text) for text in ("127.0.0.1", "::1", "192.168.1.20", "fd00::2")
    ]
    # Apple's limit.
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc < timedelta(days=825)
    made.server_context()


@pytest.mark.parametrize(
    ("names", "when"),
    [(["hub.local", "other.local"], NOW), (["hub.local"], NOW + timedelta(days=780))],
)
def test_a_new_name_or_a_near_end_makes_a_new_one(
    tmp_path: Path, names: list[str], when: datetime
) -> None:
    first = own_certificate(tmp_path, ["hub.local"], NOW)
    assert own_certificate(tmp_path, names, when).fingerprint != first.fingerprint


def test_the_users_certificate_is_taken_as_it_is(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, [], NOW)
    assert users_certificate(made.certificate, made.key) == made


def test_files_that_do_not_work_say_which(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    with pytest.raises(ConfigError, match=r"bad\.pem (is no certificate|cannot be read)"):
        users_certificate(bad, bad)
    bad.write_text("nothing")
    with pytest.raises(ConfigError, match=r"bad\.pem (is no certificate|cannot be read)"):
        users_certificate(bad, bad)
    one = own_certificate(tmp_path / "one", [], NOW)
    other = own_certificate(tmp_path / "other", [], NOW)
    with pytest.raises(ConfigError, match="do not work"):
        users_certificate(one.certificate, other.key).server_context()
    one.certificate.chmod(0o644)
    with pytest.raises(ConfigError, match="Delete it to get a new one"):
        own_certificate(tmp_path / "one", [], NOW)


def test_a_fingerprint_is_accepted_as_people_write_it(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, [], NOW)
    assert len(made.fingerprint.split(":")) == 32
    plain = made.fingerprint.replace(":", "").lower()
    for text in (made.fingerprint, plain, f" {plain}\n"):
        pinned = client_tls(text)
        assert isinstance(pinned, aiohttp.Fingerprint)
        assert pinned.fingerprint.hex() == plain
    assert client_tls(None) is True


@pytest.mark.parametrize("text", ["", "AB:CD", "not hexadecimal", "ab" * 20])
def test_what_is_no_fingerprint_is_the_users_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match="no SHA-256 fingerprint"):
        client_tls(text)
