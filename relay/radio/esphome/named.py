"""What an owner says about Bluetooth proxies, as radios: `proxy.local`, with a key or without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from relay.errors import UsageError
from relay.radio.base import Radio, RadioSource
from relay.radio.esphome.bounds import KEY_FILE_MOST
from relay.radio.wired.named import is_host

try:
    from relay.radio.esphome.found import found_proxies
    from relay.radio.esphome.radio import PORT, EsphomeRadio
except ImportError:  # an extra
    MISSING = True
else:
    MISSING = False

# Instead of a host: those that announce themselves in this network.
FOUND = "found"
# 32 bytes in base64.
_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")
_HOW = "a Bluetooth proxy is said as HOST or HOST:PORT, such as proxy.local, or found"
_KEY_HOW = (
    "an encryption key is said as KEY or HOST=KEY: its base64 text, or a file that holds it, as"
    " api: encryption: key: in the proxy's configuration"
)


def esphome_radios(proxies: Sequence[str], keys: Sequence[str]) -> list[Radio]:
    """Return a radio for each of `proxies`. Raises UsageError."""
    if not proxies:
        if keys:
            raise UsageError("--esphome-key is for proxies: name one with --esphome")
        return []
    if MISSING:
        raise UsageError("--esphome needs a package: pip install 'buttplug-forwarder[esphome]'")
    known = dict(map(_key, keys))
    return [_radio(text, known) for text in proxies if text.lower() != FOUND]


def proxies_of_the_network(proxies: Sequence[str], keys: Sequence[str]) -> RadioSource | None:
    """A source of those that announce themselves, if these are wanted (FOUND)."""
    if FOUND not in map(str.lower, proxies):
        return None
    known = dict(map(_key, keys))
    return partial(found_proxies, key_of=lambda host: known.get(host, known.get("")))


def _radio(text: str, keys: dict[str, str]) -> Radio:
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname, PORT if url.port is None else url.port
    except ValueError:
        raise UsageError(f"{text}: {_HOW}") from None
    if host is None or not is_host(host) or url.path or url.username or url.query or port == 0:
        raise UsageError(f"{text}: {_HOW}")
    key = keys.get(text.lower(), keys.get(host, keys.get("")))
    return EsphomeRadio(host, port, key)


def _key(text: str) -> tuple[str, str]:
    """For which proxy ("": all), and the key. Raises UsageError."""
    host, rest = "", text
    if not _KEY.fullmatch(text) and not Path(text).is_file():
        host, _, rest = text.rpartition("=") if not text.endswith("=") else text.partition("=")
    if _KEY.fullmatch(rest):
        return host.lower(), rest
    try:
        with Path(rest).open(encoding="ascii") as file:
            key = file.read(KEY_FILE_MOST).strip().strip('"')
    except (OSError, ValueError):
        key = ""
    if not _KEY.fullmatch(key):
        # Not the text itself: it may be most of a key.
        raise UsageError(f"--esphome-key: {_KEY_HOW}")
    return host.lower(), key
