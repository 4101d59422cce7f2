"""Peers that have not proven anything."""

from __future__ import annotations

import gzip
import json

from tests.hostile.pace import Target
from tests.hostile.raw import Kind

_HOST = b"Host: 127.0.0.1\r\n"
# A ClientHello begins.
_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def upgrade(path: str, more: bytes = b"") -> bytes:
    """A request for a websocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    ).encode() + (b"%b\r\n" % more)


def frame(data: str | bytes) -> bytes:
    """A masked websocket frame (RFC 6455, 5.2); a mask of zeros changes nothing."""
    head = 0x81 if isinstance(data, str) else 0x82
    body = data.encode() if isinstance(data, str) else data
    if len(body) < 126:
        size = bytes([0x80 | len(body)])
    elif len(body) < 1 << 16:
        size = b"\xfe" + len(body).to_bytes(2)
    else:
        size = b"\xff" + len(body).to_bytes(8)
    return bytes([head]) + size + bytes(4) + body


def gzip_bombs(target: Target) -> Kind:
    """Row 1: half a megabyte that stands for 500."""
    body = gzip.compress(bytes(10 << 20), 9) * 50  # members of one file
    post = (
        b"POST /api/v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: gzip\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body
    return Kind(lambda _: target.link, lambda _: post)


def bodies(target: Target) -> Kind:
    """The same at every route that reads one: in pieces, too long, without an end."""
    paths = ("stop", "pause", "tokens", "pairing", "page", "scan", "devices/0/outputs", "nothing")
    heads = (b"Transfer-Encoding: chunked", b"Content-Length: 99999999", b"Content-Length: 65536",
             b"Content-Encoding: deflate\r\nContent-Length: 65536")  # fmt: skip
    posts = [
        b"POST /api/v1/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"%b\r\n\r\n" % (path.encode(), head)
        for path in paths
        for head in heads
    ]
    piece = b"1000\r\n" + b"[" * 4096 + b"\r\n"
    return Kind(lambda _: target.link, lambda n: posts[n % len(posts)] + piece, lambda _: piece)


def unfinished_tls(target: Target) -> Kind:
    """Row 2: connections that never finish the handshake; half begin it."""
    return Kind(lambda _: target.https, lambda n: _HELLO if n % 2 else b"")


def tls_handshakes(target: Target) -> Kind:
    """Handshakes that are finished, as many as there can be."""
    return Kind(lambda _: target.https, lambda _: b"", tls=True)


def slow_requests(target: Target) -> Kind:
    """A byte each time: headers that never end."""
    head = b"POST /api/v1/stop HTTP/1.1\r\n" + _HOST + b"X: "
    return Kind(lambda _: target.link, lambda _: head, lambda _: b"a")


def event_sockets(target: Target) -> Kind:
    """Row 3: all places of one kind."""
    first = upgrade("/api/v1/events") + frame(json.dumps({"t": "hello"}))
    return Kind(lambda _: target.link, lambda _: first)


def link_sockets(target: Target) -> Kind:
    """The same at the door of relays, and half a handshake."""
    first = upgrade("/link") + frame(bytes([1]) * 96)
    return Kind(lambda _: target.link, lambda _: first)


def pages(target: Target) -> Kind:
    """Row 10: pages that have this machine's browser ask, for images and for a token."""
    evil = b"Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n"
    # A program of this machine may say what it likes.
    own = b"Origin: http://127.0.0.1:%d\r\n" % target.link
    host = b"Host: 127.0.0.1:%d\r\n" % target.link
    token = b"POST /api/v1/page HTTP/1.1\r\nContent-Length: 0\r\n" + host
    picture = b"GET /?i HTTP/1.1\r\n" + host + evil + b"\r\n"
    asks = (picture, token + evil + b"\r\n", picture, token + own + b"\r\n")
    return Kind(lambda _: target.link, lambda n: asks[n % 4], lambda n: asks[n % 4])


def tokens(target: Target) -> Kind:
    """Tokens that there are not, wherever one may be given, and bytes that are none."""

    def guess(number: int) -> bytes:
        places = (
            f"GET /api/v1/devices HTTP/1.1\r\nAuthorization: Bearer bpft_{number}".encode(),
            b"GET /api/v1/devices HTTP/1.1\r\nAuthorization: Bearer \xff\xfe",
            f"GET /api/v1/devices?token=bpfa_{number} HTTP/1.1".encode(),
            f"GET /bpft_{number} HTTP/1.1\r\nUpgrade: websocket".encode(),
            f"GET /token/{number} HTTP/1.1\r\nUpgrade: websocket".encode(),
            b"GET /link HTTP/1.1\r\nUpgrade: websocket\r\nAuthorization: Basic \xff",
        )
        return places[number // 2 % len(places)] + b"\r\nHost: 127.0.0.1\r\n\r\n"

    return Kind(lambda n: target.link if n % 2 else target.clients, guess)


def pipelines(target: Target) -> Kind:
    """Hundreds of requests in one packet, for whatever costs most to answer."""
    paths = ("/api/v1/status", "/api/v1/devices", "/api/v1/openapi.json", "/", "/relay/page.js")
    burst = b"".join(
        f"GET {paths[n % len(paths)]} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        for n in range(500)
    )
    return Kind(lambda _: target.link, lambda _: burst, lambda _: burst)


def pings(target: Target) -> Kind:
    """Websockets that say nothing but pings, pongs and empty pieces of a frame, thousands at once,
    wherever one can be opened."""
    # RFC 6455, 5.2: masked, empty.
    kinds = (b"\x89\x80" + bytes(4), b"\x8a\x80" + bytes(4), b"\x00\x80" + bytes(4))
    bursts = [kind * 20_000 for kind in kinds]
    bursts[2] = b"\x01\x80" + bytes(4) + bursts[2]
    doors = (
        (target.clients, "/"),
        (target.link, "/link"),
        (target.link, "/api/v1/events"),
        (target.devices, "/"),
    )
    return Kind(
        lambda n: doors[n % 4][0],
        lambda n: upgrade(doors[n % 4][1]) + bursts[n % 3],
        # Of a message that has begun there can be more in any case.
        lambda n: bursts[n % 2],
    )
