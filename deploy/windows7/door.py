#!/usr/bin/env python3
"""A door on this computer to a Buttplug Forwarder hub on another one. One file, Python 3.8.

Apps on this computer connect to ws://127.0.0.1:12345 as they always do. The door carries each of
them to the hub over TLS, whose certificate is pinned by its fingerprint, and brings the token that
the hub wants from other machines. It knows nothing of the Buttplug protocol: behind the first
request of an app it copies bytes.

Beside it lies door.ini. The hub writes it (`forwarder token new NAME --door door.ini`), or it is
filled in by hand:

    [hub]
    address = 192.168.1.20:12347
    fingerprint = AB:CD:... (32 pairs)
    token = bpft_...

Safety is the hub's: whatever an app drives stops when the app's connection ends. So the door ends
one side the moment the other one ends, and notices a hub that says nothing any more.

Windows 7 is why this exists: its last Python is 3.8, and the hub needs 3.11. Nothing here is
imported from the hub; tests/deploy/test_windows7_door.py holds the two together.
"""

from __future__ import annotations

import argparse
import asyncio
import configparser
import errno
import hashlib
import hmac
import ipaddress
import os
import re
import signal
import socket
import ssl
import sys
import time
from typing import Any, Callable, Sequence
from urllib.parse import urlsplit

PORT = 12345
# Where a hub that was started with --lan has its https port, unless its address says another.
HUB_PORT = 12347
# The hub's place for apps there; at its port for apps, any path is right.
HUB_PATH = "/buttplug"
# A websocket request of a browser is 1 to 2 KiB; longer ones are not from an app.
HEAD_BYTES = 16 * 1024
# How long (s) an app may take for its request, and the hub for TLS and its answer.
HEAD_S = 10.0
HUB_S = 5.0
# Apps at a time: a person runs two or three.
MOST_APPS = 16
# Addresses of the hub: wired, wireless and a name are three.
MOST_PLACES = 8
# Bytes copied in one go: larger than any message of the protocol but device lists.
CHUNK = 64 * 1024
# A side that takes nothing for so long (s) is gone. Toys have been stopped by the hub before that.
STUCK_S = 10.0
# The hub answers each message, and pings each 4 s who answers its pings (its clients/silence.py).
# If it says nothing for so long (s) after something was sent to it, it is gone.
SILENT_S = 8.0
WATCH_S = 0.5
# What was said last, a close or a stop, may take so long (s) to leave before a side is cut.
LAST_WORDS_S = 1.0
# After so many seconds without a byte the system asks whether the hub is there, then each second.
# Windows asks ten times before it gives up, other systems as often as KEEP_COUNT says.
KEEP_AFTER_S = 3
KEEP_EVERY_S = 1
KEEP_COUNT = 3

TEMPLATE = """\
; On the hub's computer:   forwarder run --lan
; and there:               forwarder token new NAME --door door.ini
; That file goes here, in place of this one. Or copy what stands in it, and start the door again.
[hub]
address =
fingerprint =
token =

; Web pages that may use this door, apart from those of this computer: origins, one per line.
[pages]
allowed =
"""

# Headers of the app's request that the hub needs for the websocket; the others stay here.
CARRIED = ("upgrade", "connection", "user-agent", "sec-websocket-key", "sec-websocket-version",
           "sec-websocket-protocol", "sec-websocket-extensions")  # fmt: skip
# Schemes under which a page from anywhere can stand in a browser; others are a program's own.
DOCUMENTS = ("http", "https", "ws", "wss", "ftp", "file", "content", "blob", "data", "filesystem",
             "about", "view-source", "javascript", "isolated-app")  # fmt: skip


class DoorError(Exception):
    """Something a person can mend; the text is one line that says how."""


class Refused(Exception):
    """This request is not carried. `status` of HTTP; the text goes to the app and to the log."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


# --- door.ini -------------------------------------------------------------------------------------


class Settings:
    """What door.ini says. Raises DoorError for whatever is wrong with it.

    `places`: host and port of the hub, tried in this order.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        parser = configparser.ConfigParser(interpolation=None)
        try:
            with open(path, encoding="utf-8-sig") as file:
                parser.read_file(file)
        except FileNotFoundError:
            self._write_template()
            raise self._wrong(
                "was made just now: on the hub's computer `forwarder token new NAME --door"
                " door.ini` writes a complete one; put it here"
            ) from None
        except UnicodeDecodeError:
            raise self._wrong("is not UTF-8: save it as UTF-8") from None
        except configparser.Error as error:
            line = getattr(error, "lineno", None)
            where = "" if line is None else f", line {line}"
            raise self._wrong(
                f"is not as it should be{where}: it has [hub], and lines like `address = HOST:PORT`"
                " below"
            ) from None
        except OSError as error:
            raise self._wrong(f"cannot be read: {plain(error)}") from None
        given = {}
        for key in ("address", "fingerprint", "token"):
            given[key] = parser.get("hub", key, fallback="").strip()
            if not given[key]:
                raise self._wrong(
                    f"{key} is missing under [hub]: copy it from the file that `forwarder token new"
                    " NAME --door door.ini` writes on the hub's computer"
                )
        self.places = [self._place(part) for part in re.split(r"[\s,]+", given["address"]) if part]
        if len(self.places) > MOST_PLACES:
            raise self._wrong(f"address names more than {MOST_PLACES} places")
        self.fingerprint = self._fingerprint(given["fingerprint"])
        self.token = self._token(given["token"])
        listed = parser.get("pages", "allowed", fallback="").split()
        self.pages = frozenset(normal_origin(page) for page in listed)

    def _wrong(self, text: str) -> DoorError:
        return DoorError(f"{self.path}: {text}")

    def _write_template(self) -> None:
        try:
            # The token will stand in it: nobody else on this computer needs to read it.
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(TEMPLATE)
        except OSError as error:
            raise self._wrong(f"cannot be made: {plain(error)}") from None

    def _place(self, given: str) -> tuple[str, int]:
        text = re.sub(r"^(wss|https)://", "", given).rstrip("/")
        if "://" in text:
            raise self._wrong(
                f"address is {shown(given)}, but the door speaks wss only: write HOST:PORT, with"
                " the https port of the hub"
            )
        found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", text)
        if found is None or not 0 < int(found.group(2) or HUB_PORT) < 65536:
            raise self._wrong(f"address is {shown(given)}: write HOST:PORT")
        return found.group(1).strip("[]"), int(found.group(2) or HUB_PORT)

    def _fingerprint(self, text: str) -> bytes:
        digits = re.sub(r"[\s:]", "", text).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", digits):
            raise self._wrong(
                "fingerprint wants 32 pairs of 0-9 and A-F: `forwarder token new NAME --door"
                " door.ini` on the hub's computer writes the right one"
            )
        return bytes.fromhex(digits)

    def _token(self, text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._~-]{8,512}", text):
            raise self._wrong(
                "token is not one: copy what `forwarder token new NAME` prints on the hub's"
                " computer"
            )
        return text


def shown(text: str) -> str:
    """What somebody wrote or sent, in one line: nothing in it moves a terminal's cursor."""
    return '"' + "".join(c if c.isprintable() else "?" for c in text[:120]) + '"'


def plain(error: BaseException) -> str:
    """What a person wants to know of an error of the system: no numbers, one line."""
    if isinstance(error, ssl.SSLError):
        return "there is no TLS at this port; the https port of the hub is wanted"
    if isinstance(error, asyncio.TimeoutError):
        return "it does not answer"
    if isinstance(error, socket.gaierror):
        return "this name is unknown here"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    number = getattr(error, "errno", None)
    if number in (errno.EADDRINUSE, 10048):
        return "another program has it"
    text = os.strerror(number) if number else str(error) or type(error).__name__
    return " ".join(text.split()).lower()


# --- who may come in ------------------------------------------------------------------------------


def is_here(place: str) -> bool:
    """Whether a host name of a request or an origin, with or without port, means this computer."""
    try:
        name = (urlsplit("//" + place).hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    if "%" in name:
        return False
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_program(origin: str) -> bool:
    """Whether `origin` is of a program's own pages: no web site and no extension can have it."""
    scheme, found, _ = origin.partition("://")
    return (
        bool(found)
        and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) is not None
        and scheme not in DOCUMENTS
        and not scheme.endswith("-extension")
    )


def normal_origin(origin: str) -> str:
    text = origin.strip().lower()
    return "file://" if text.startswith("file:") else text.rstrip("/")


def judge(host: str, origin: str | None, pages: frozenset[str]) -> None:
    """Raise Refused unless a request with these headers may be carried.

    The door brings the hub a token, and a token speaks for whoever comes with it. So the door asks
    what the hub asks of visitors without one: programs and pages of this computer, and what the
    user has listed.
    """
    if not is_here(host):
        # A site whose name suddenly means this computer still says its own name.
        raise Refused(403, f"it called this computer {shown(host)}, which is not its name")
    if origin is None:
        return
    page = normal_origin(origin)
    scheme, _, place = page.partition("://")
    if page in pages or (scheme in ("http", "https") and is_here(place)) or is_program(page):
        return
    raise Refused(
        403,
        f"the web page {shown(origin)} is not allowed: list it under [pages] of door.ini, and"
        " start the door again",
    )


def read_head(data: bytes) -> dict[str, str]:
    """The headers of a websocket's request: names in lower case. Raises Refused."""
    try:
        lines = data.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise Refused(400, "its request is not HTTP") from None
    words = lines[0].split(" ")
    if len(words) != 3 or words[0] != "GET" or words[2] != "HTTP/1.1":
        raise Refused(400, "its request is not that of a websocket")
    headers: dict[str, str] = {}
    for line in filter(None, lines[1:]):
        name, colon, value = line.partition(":")
        name = name.lower()
        wrong = not colon or not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name)
        if wrong or name in headers or re.search(r"[^\t\x20-\x7e]", value):
            raise Refused(400, "its request has a header that is wrong or stands twice")
        headers[name] = value.strip()
    if headers.get("upgrade", "").lower() != "websocket" or "sec-websocket-key" not in headers:
        raise Refused(426, "this is the door to a Buttplug server: connect with a websocket")
    if "host" not in headers:
        raise Refused(400, "its request names no host")
    return headers


def request_for_hub(headers: dict[str, str], place: tuple[str, int], token: str) -> bytes:
    """The same request as the hub shall see it: our token, no Origin, no cookies, its own path."""
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    lines = [f"GET {HUB_PATH} HTTP/1.1", f"Host: {host}:{place[1]}"]
    lines += [f"{name}: {headers[name]}" for name in CARRIED if name in headers]
    lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"


# --- the hub --------------------------------------------------------------------------------------


class Hub:
    """A connection to the pinned hub."""

    def __init__(
        self, place: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.place = place
        self.reader = reader
        self.writer = writer

    async def ask(self, headers: dict[str, str], token: str) -> bytes:
        """Pass on an app's request; returns the answer that opens its websocket. Raises Refused."""
        self.writer.write(request_for_hub(headers, self.place, token))
        try:
            answer = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), HUB_S)
        except (OSError, EOFError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            raise Refused(502, "the hub hung up without an answer; its log says why") from None
        status = answer.split(b" ", 2)[1:2]
        if status == [b"101"]:
            return answer
        if status == [b"401"]:
            raise Refused(
                401,
                "the hub does not take the token of door.ini (any more): on its computer `forwarder"
                " token new NAME --door door.ini` makes another",
            )
        if status == [b"404"]:
            raise Refused(502, "the hub has no place for apps at this port; update it")
        raise Refused(502, "the hub refused this app; the hub's log says why")


async def dial(settings: Settings) -> Hub:
    """Connect to the first place of the hub that answers. Raises Refused, with each one's error."""
    errors = []
    for place in settings.places:
        try:
            return await dial_place(place, settings.fingerprint)
        except Refused as refused:
            errors.append(str(refused))
    raise Refused(502, "; ".join(errors))


async def dial_place(place: tuple[str, int], fingerprint: bytes) -> Hub:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No authority vouches for the hub's certificate: the fingerprint below decides, and nothing
    # is sent before it has.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(place[0], place[1], ssl=context, limit=HEAD_BYTES), HUB_S
        )
    except (OSError, UnicodeError, asyncio.TimeoutError) as error:
        raise Refused(
            502,
            f"the hub cannot be reached at {place[0]}:{place[1]}: {plain(error)}. Does `forwarder"
            " run --lan` run there?",
        ) from None
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    if not hmac.compare_digest(hashlib.sha256(certificate).digest(), fingerprint):
        writer.transport.abort()
        raise Refused(
            502,
            "whoever answers at {}:{} has another certificate than door.ini says, and was told"
            " nothing: if the hub has a new one, make a new door.ini there".format(*place),
        )
    keep_alive(writer.get_extra_info("socket"))
    return Hub(place, reader, writer)


def keep_alive(transport_socket: Any) -> None:
    """Have the system notice within seconds that the other machine is gone."""
    transport_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transport_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "SIO_KEEPALIVE_VALS"):
        # asyncio shows a socket without ioctl; the real one is inside.
        real = getattr(transport_socket, "_sock", transport_socket)
        real.ioctl(socket.SIO_KEEPALIVE_VALS, (1, KEEP_AFTER_S * 1000, KEEP_EVERY_S * 1000))
        return
    for name, value in (("TCP_KEEPIDLE", KEEP_AFTER_S), ("TCP_KEEPINTVL", KEEP_EVERY_S),
                        ("TCP_KEEPCNT", KEEP_COUNT),
                        ("TCP_USER_TIMEOUT", (KEEP_AFTER_S + KEEP_COUNT) * 1000)):  # fmt: skip
        if hasattr(socket, name):
            transport_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


# --- one app --------------------------------------------------------------------------------------


class Door:
    """Carries apps to the hub. `say` prints one line for a person."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.say = say
        self._apps = 0
        self._last = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One app, from its request to its end. Never raises what a peer can cause."""
        self._apps += 1
        try:
            if self._apps > MOST_APPS:
                raise Refused(503, f"{MOST_APPS} apps are here already")
            await self._carry(reader, writer)
        except Refused as refused:
            self._complain(str(refused))
            await answer_refused(writer, refused)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass  # it went before it said anything
        finally:
            self._apps -= 1
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_S)
        except asyncio.LimitOverrunError:
            raise Refused(431, "its request is too long") from None
        headers = read_head(head)
        judge(headers["host"], headers.get("origin"), self.settings.pages)
        hub = await dial(self.settings)
        try:
            writer.write(await hub.ask(headers, self.settings.token))
            self._last = ""
            name = shown(headers.get("user-agent", "an app")[:60])
            self.say(f"{name} is connected")
            why = await Pair(reader, writer, hub).run()
            self.say(f"{name} is gone: {why}")
        finally:
            hub.writer.transport.abort()

    def _complain(self, text: str) -> None:
        # Apps try again each second: the same line once is enough.
        if text != self._last:
            self.say("refused: " + text)
        self._last = text


async def answer_refused(writer: asyncio.StreamWriter, refused: Refused) -> None:
    text = str(refused).encode("utf-8", "replace") + b"\n"
    head = (
        "HTTP/1.1 {} Refused\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: {}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.format(refused.status, len(text)).encode("ascii") + text)
    await last_words(writer)


async def last_words(writer: asyncio.StreamWriter) -> None:
    """Close behind what was written; whoever does not take it in time is cut by the caller."""
    try:
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), LAST_WORDS_S)
    except (OSError, asyncio.TimeoutError):
        pass  # whoever has gone need not listen


class Pair:
    """An app and its hub: bytes both ways until either side ends, then neither is left."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hub: Hub
    ) -> None:
        self._app = (reader, writer)
        self._hub = (hub.reader, hub.writer)
        # Since when something that was sent to the hub has no answer.
        self._asked: float | None = None

    async def run(self) -> str:
        """Returns who ended it, in words. Both sides have had their last words then."""
        (app_reader, app_writer), (hub_reader, hub_writer) = self._app, self._hub
        ends = {
            asyncio.ensure_future(self._copy(app_reader, hub_writer, True)): "it has ended",
            asyncio.ensure_future(self._copy(hub_reader, app_writer, False)): "the hub has ended",
            asyncio.ensure_future(self._watch()): "the hub says nothing any more",
        }
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                # What breaks a connection is one end of it like another.
                if error is not None and not isinstance(error, (OSError, asyncio.TimeoutError)):
                    raise error
            why = [text for task, text in ends.items() if task in done]
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        # The last message of one side is for the other one: a stop, or a reason.
        await asyncio.gather(last_words(app_writer), last_words(hub_writer))
        return why[-1]

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asking: bool
    ) -> None:
        while True:
            data = await reader.read(CHUNK)
            if not asking:
                self._asked = None
            elif self._asked is None:
                self._asked = time.monotonic()
            if not data:
                return
            writer.write(data)
            await asyncio.wait_for(writer.drain(), STUCK_S)

    async def _watch(self) -> None:
        # The event is that nothing happens.
        while self._asked is None or time.monotonic() - self._asked < SILENT_S:  # noqa: ASYNC110
            await asyncio.sleep(WATCH_S)


# --- the program ----------------------------------------------------------------------------------


def say(text: str) -> None:
    print("{}  {}".format(time.strftime("%H:%M:%S"), text), flush=True)


def listen(port: int) -> list[socket.socket]:
    """Sockets of this computer only; IPv6 where there is any. Raises DoorError."""
    sockets: list[socket.socket] = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                # On Windows another program could take a port over that is in use.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
        except OSError as error:
            if family == socket.AF_INET6 and error.errno not in (errno.EADDRINUSE, 10048):
                sockets.pop().close()  # no IPv6 here
                continue
            for sock in sockets:
                sock.close()
            raise DoorError(
                f"port {port} cannot be used: {plain(error)}. Does Intiface or another door run?"
                " End it, or start this one with --port N"
            ) from None
        sock.setblocking(False)
    return sockets


async def run(settings: Settings, port: int) -> None:
    """Serve until a signal. Raises DoorError if the port cannot be had."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(unexpected)
    stop = asyncio.Event()
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    door = Door(settings, say)
    servers = [
        await asyncio.start_server(door.serve, sock=sock, limit=HEAD_BYTES) for sock in listen(port)
    ]
    try:
        places = ", ".join("{}:{}".format(*place) for place in settings.places)
        say(f"apps: ws://127.0.0.1:{port}   hub: {places}   (Ctrl-C ends)")
        await stop.wait()
    finally:
        # Apps that are here end with the loop: their tasks are cancelled, and cut both sides.
        for server in servers:
            server.close()


def unexpected(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Connections that break in the middle of TLS come here, and mistakes of this program."""
    error = context.get("exception")
    if not isinstance(error, OSError):
        say("something unexpected: {} ({!r})".format(context.get("message"), error))


async def check(settings: Settings) -> None:
    """Try the whole way once, with an app's request that is not followed by anything."""
    headers = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "user-agent": "door",
        "sec-websocket-version": "13",
        "sec-websocket-key": "ZG9vciBjaGVjayBkb29yIQ==",
    }
    hub = await dial(settings)
    try:
        await hub.ask(headers, settings.token)
    finally:
        hub.writer.transport.abort()


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 if it could not do its work, 2 for wrong options."""
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description="A door to a Buttplug Forwarder hub elsewhere.")
    parser.add_argument("--settings", default=os.path.join(here, "door.ini"), metavar="FILE")
    parser.add_argument("--port", type=int, default=PORT, help="of this computer (%(default)s)")
    parser.add_argument("--check", action="store_true", help="try the way to the hub, and end")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port: a number from 1 to 65535")
    try:
        settings = Settings(options.settings)
        if options.check:
            asyncio.run(check(settings))
            print("The hub is there, is the right one, and takes the token.")
        else:
            asyncio.run(run(settings, options.port))
    except (DoorError, Refused) as error:
        print(f"door: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
