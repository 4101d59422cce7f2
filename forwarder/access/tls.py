"""Certificates: the user's, or one of our own that stays the same; and whom to trust when dialing.

A certificate of our own is signed by nobody but itself. Browsers warn about it once; programs pin
its fingerprint. It is kept, so that neither has to be done again after a restart.
"""

from __future__ import annotations

import binascii
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from forwarder.errors import ConfigError
from relay.link.files.keys import PrivateFileError, read_private, write_private
from relay.link.names import quoted

# Apple's systems refuse server certificates that are valid for longer than 825 days:
# https://support.apple.com/103769
_VALID = timedelta(days=800)
# A new one comes while the old one still works: whoever pinned it can be told.
_RENEW = timedelta(days=30)
# Clocks of machines without a battery are behind after a power cut.
_BACKDATE = timedelta(days=1)
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files (may be the same one), and what the certificate's fingerprint is."""

    certificate: Path
    key: Path
    fingerprint: str

    def server_context(self) -> ssl.SSLContext:
        """For listening with it. Raises ConfigError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # A password in the terminal would hang a service: the key must come without one.
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            why = "they do not belong together, or the key has a password"
            if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
                why = error.strerror or why
            raise ConfigError(
                f"{self.certificate} and {self.key} do not work: {why}. Use a certificate and its"
                " own key, both PEM, the key without a password."
            ) from error
        return context


def users_certificate(certificate: Path, key: Path) -> Certificate:
    """The user's own files. Raises ConfigError if they cannot be read or used."""
    try:
        first = x509.load_pem_x509_certificate(certificate.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{certificate} cannot be read ({error.strerror}): correct its name, or make it"
            " readable for this user."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{certificate} is no certificate in PEM form: use the file that begins with"
            " -----BEGIN CERTIFICATE-----."
        ) from error
    return Certificate(certificate, key, _fingerprint(first))


def own_certificate(folder: Path, names: Iterable[str], now: datetime) -> Certificate:
    """The certificate of this hub, kept in `folder` (certificate and key in one file, mode 0600).

    `names`: host names and addresses for it; `now`: with a time zone. A new one is made if there
    is none, if it ends soon, or if it lacks one of the host names. Addresses come and go and do
    not count, so pins and exceptions hold. Raises ConfigError for a damaged file.
    """
    path = folder / "certificate.pem"
    names = tuple(dict.fromkeys((*_LOCAL, *(name.lower() for name in names))))
    try:
        known = x509.load_pem_x509_certificate(read_private(path))
        if not _still_good(known, names, now):
            known = _create(path, names, now)
    except FileNotFoundError:
        known = _create(path, names, now)
    except PrivateFileError as error:
        raise ConfigError(f"{path} cannot be used: {error}. Delete it to get a new one.") from error
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ConfigError(f"{path} is damaged. Delete it to get a new one.") from error
    return Certificate(path, path, _fingerprint(known))


def client_tls(fingerprint: str | None = None) -> aiohttp.Fingerprint | bool:
    """Whom to trust when dialing wss: whoever the system trusts, or the one certificate with this
    SHA-256 fingerprint (hexadecimal, with or without colons). Raises ConfigError."""
    if fingerprint is None:
        return True
    try:
        digest = binascii.unhexlify(fingerprint.replace(":", "").strip())
        return aiohttp.Fingerprint(digest)
    except ValueError as error:
        raise ConfigError(
            f"{quoted(fingerprint)} is no SHA-256 fingerprint: copy all of it, 32 pairs of 0-9 and"
            " A-F."
        ) from error


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _still_good(known: x509.Certificate, names: Iterable[str], now: datetime) -> bool:
    if known.not_valid_after_utc - now < _RENEW:
        return False
    covered = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = set(covered.get_values_for_type(x509.DNSName))
    return all(_ip(name) is not None or name in hosts for name in names)


def _create(path: Path, names: Iterable[str], now: datetime) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Buttplug Forwarder")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        write_private(path, made.public_bytes(serialization.Encoding.PEM) + pem)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    return made


def _ip(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general(name: str) -> x509.GeneralName:
    ip = _ip(name)
    return x509.DNSName(name) if ip is None else x509.IPAddress(ip)
