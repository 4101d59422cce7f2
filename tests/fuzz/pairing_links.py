"""Whatever is pasted as a pairing link is read or refused, and what is read can be written."""

from __future__ import annotations

import sys

from tests.fuzz.engine import fuzz, instrumented

with instrumented("relay"):
    from relay.link.bounds import MAX_PLACES
    from relay.link.security.pairing import PairingLink, PairingLinkError


def pairing_links(data: bytes) -> None:
    try:
        link = PairingLink.parse(data.decode("utf-8", "surrogateescape"))
    except PairingLinkError:
        return
    assert 1 <= len(link.urls()) <= MAX_PLACES
    again = PairingLink.parse(link.page() if link.tls else link.text())
    assert again == link


SEEDS = (
    b"bpforward://192.168.1.20:12346/?h=[fd00::20]:1#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    b"bpforward:///?m=wss://meet.example/at/abcdefghijklmnopqrstuvwxyz"
    b"#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    b"https://s/r#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&h=wss://a"
    b"&m=wss://meet.example/at/abcdefghijklmnopqrstuvwxyz",
    b"https://desk.local/relay?h=a&h=b:1#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
)

if __name__ == "__main__":
    sys.exit(fuzz(pairing_links, sys.argv, SEEDS))
