"""What an owner says about a cable or a network address, as a radio: `/dev/ttyUSB0=tcode`,
`udp://tcode.local`."""

from __future__ import annotations

import hashlib
import platform
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from relay.errors import UsageError
from relay.radio.wired.bounds import ADDRESS_MOST
from relay.radio.wired.network import Tcp, Udp
from relay.radio.wired.place import WiredPlace
from relay.radio.wired.radio import WiredAccess, WiredRadio
from relay.radio.wired.serial_port import PortSettings, SerialPort, missing

# What may be said behind the =: the protocol as the hub knows it, and how its port is set up, as
# its definition says (a test compares them).
SERIAL: Final = {
    # A line of ours that was cut in the middle must not swallow the stop behind it.
    "tcode": ("tcode-v03", PortSettings(115_200, prefix=b"\n")),
    "nobra": ("nobra", PortSettings(19_200)),
    "kizuna": ("kizuna", PortSettings(19_200)),
    "nextlevelracing": ("nextlevelracing", PortSettings(115_200)),
}
# Where TCodeESP32 listens by itself.
_UDP_PORT, _WEB_PORT, _WEB_PATH = 8000, 80, "/ws"
# A machine on the network that answered is asked again after this time (s) while nobody drives it,
# and one that does not after the second: a moment's Wi-Fi is over by then.
_RECHECK_S, _RETRY_S = 10.0, 1.0
_HOW = (
    "a T-Code machine on the network is said as udp://tcode.local:8000, tcp://HOST:PORT or"
    " ws://HOST/ws"
)


def serial_radio(text: str) -> WiredRadio:
    """Return the radio of `PORT=PROTOCOL`. Raises UsageError."""
    path, equals, protocol = text.rpartition("=")
    known = SERIAL.get(protocol.lower())
    if not equals or not path or known is None:
        which = ", ".join(SERIAL)
        raise UsageError(f"{text}: a serial port is said as /dev/ttyUSB0=tcode (known: {which})")
    name, settings = known
    place = WiredPlace("serial", path, address(path), name, absent=missing(path))
    return WiredRadio(place, SerialPort(path, settings))


def network_radio(text: str) -> WiredRadio:
    """Return the radio of `udp://HOST[:PORT]`, `tcp://HOST:PORT` or `ws://HOST[:PORT][/PATH]`.

    Raises UsageError.
    """
    way, whole = _way(text)
    # The same for each relay that can reach it.
    place = WiredPlace("tcode", whole, fitting(whole), "tcode-v03", _RECHECK_S, wireless=True)
    return WiredRadio(place, way, retry_s=_RETRY_S)


def _way(text: str) -> tuple[WiredAccess, str]:
    """How it is reached, and all that could be said of it."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise UsageError(f"{text}: {_HOW}") from error
    plain = not (url.username or url.query or url.fragment or " " in text) and port != 0
    if not plain or host is None or not is_host(host):
        raise UsageError(f"{text}: {_HOW}")
    if url.scheme != "ws" and url.path not in ("", "/"):
        raise UsageError(f"{text}: {_HOW}")
    shown = f"[{host}]" if ":" in host else host
    match url.scheme:
        case "udp":
            port = port or _UDP_PORT
            return Udp(host, port), f"udp://{shown}:{port}"
        case "tcp" if port is not None:
            return Tcp(host, port), f"tcp://{shown}:{port}"
        case "ws":
            from relay.radio.wired.web import MISSING, Web

            if MISSING:
                text = "ws:// needs a package: pip install 'buttplug-forwarder[tcode]'"
                raise UsageError(text)
            port, path = port or _WEB_PORT, url.path or _WEB_PATH
            return Web(host, port, path), f"ws://{shown}:{port}{path}"
    raise UsageError(f"{text}: {_HOW}")


def is_host(text: str) -> bool:
    """Whether this may be the name of a machine, or its address."""
    try:
        # Also what asyncio does with it before it looks it up.
        return bool(text) and " " not in text and bool(text.encode("idna"))
    except UnicodeError:
        return False


def address(path: str) -> str:
    """The device's address on the link: other machines have a port of this name, too."""
    return fitting(f"{PurePath(path).name}@{platform.node() or 'relay'}")


def fitting(whole: str) -> str:
    """An address that the link can say."""
    if len(whole) <= ADDRESS_MOST:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return f"{whole[: ADDRESS_MOST - 13]}-{digest}"
