"""An iroh relay with a certificate that the library believes, on a network without public names.

An iroh relay tells each end its public address over TLS only (QUIC address discovery), and the
library takes no authority but those of the public web, whose keys are in its file. So the ends get
a copy of that file in which the key of one authority is one of our own making, of the same kind
and length. Nothing else of the library, and nothing of the product, is another one in that proof.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# One with a P-384 key and a name that is written as `cryptography` writes names.
_AUTHORITY: Final = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "GR"),
        x509.NameAttribute(
            NameOID.ORGANIZATION_NAME, "Hellenic Academic and Research Institutions CA"
        ),
        x509.NameAttribute(NameOID.COMMON_NAME, "HARICA TLS ECC Root CA 2021"),
    ]
)
# What stands before the point of a P-384 key (SubjectPublicKeyInfo, RFC 5480, without its head).
_KEY_HEAD: Final = bytes.fromhex("301006072a8648ce3d020106052b81040022036200")
_POINT_BYTES: Final = 97
_LIBRARY: Final = "libiroh_ffi.so"

_SETTINGS: Final = """\
http_bind_addr = "{ip}:80"
enable_quic_addr_discovery = true
enable_metrics = false

[tls]
https_bind_addr = "{ip}:443"
quic_bind_addr = "{ip}:7842"
cert_mode = "Manual"
manual_cert_path = "{certificate}"
manual_key_path = "{key}"
"""


class NotFound(Exception):
    """The library's file has no such authority any more: name another one above."""


@dataclass(frozen=True, slots=True)
class Believed:
    """`path`: for PYTHONPATH of both ends. `settings`: the file for `iroh-relay --config-path`."""

    path: Path
    settings: Path


def believed(folder: Path, ip: str) -> Believed:
    """Make them in `folder`, for an iroh relay at `ip`. Raises NotFound."""
    spec = importlib.util.find_spec("iroh")
    if spec is None or spec.origin is None:
        raise NotFound("iroh is not installed")
    theirs, path = Path(spec.origin).parent, folder / "library"
    key = ec.generate_private_key(ec.SECP384R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shutil.copytree(theirs, path / "iroh", ignore=shutil.ignore_patterns("__pycache__"))
    (path / "iroh" / _LIBRARY).write_bytes(_with_point((theirs / _LIBRARY).read_bytes(), point))

    certificate, private, settings = (
        folder / name for name in ("iroh-relay.crt", "iroh-relay.key", "iroh-relay.toml")
    )
    _certify(key, ip, certificate, private)
    settings.write_text(_SETTINGS.format(ip=ip, certificate=certificate, key=private))
    return Believed(path, settings)


def _with_point(library: bytes, point: bytes) -> bytes:
    subject = _AUTHORITY.public_bytes()[2:]  # without the head of the sequence
    before = subject + _KEY_HEAD
    if library.count(before) != 1:
        raise NotFound(f"the library has no key of {_AUTHORITY.rfc4514_string()}")
    start = library.index(before) + len(before)
    return library[:start] + point + library[start + _POINT_BYTES :]


def _certify(
    authority: ec.EllipticCurvePrivateKey, ip: str, certificate: Path, private: Path
) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ip)]))
        .issuer_name(_AUTHORITY)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority, hashes.SHA384())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
