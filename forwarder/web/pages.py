"""Serves the dashboard at / and the relay page at /relay/, from memory, by exact name."""

from __future__ import annotations

import gzip
import hashlib
import html
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from forwarder.access.admission import HttpVisitor, is_fixed_name
from forwarder.access.share_link import REMOTE_PATH as REMOTE_PAGE
from forwarder.connectors.websocket_server import visitor_of

RELAY_PATH: Final = "/relay"
# The API as a page; its own addresses are below it.
REFERENCE_PATH: Final = "/api"
REMOTE_PATH: Final = REMOTE_PAGE.rstrip("/")
_WEB = resources.files("forwarder.web")
DASHBOARD = _WEB / "dashboard"
RELAY = _WEB / "relay"
_REMOTE = _WEB / "remote"
_PLAY = _WEB / "play"
# What every page has beside its own: colours, words, icons.
SHARED = _WEB / "shared"
# What the guest's page has of the phone's: the way to a hub, and its encryption.
_BORROWED: Final = (
    "clock.js", "handshake.js", "msgpack.js", "noise.js", "pipe.js", "places.js", "timer.js",
)  # fmt: skip

_TYPES: Final = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
    "json": "application/json",
    "png": "image/png",
}


# This hub has no service worker. One that another program left at this origin sees all that is
# said here; when the browser asks for its newest version, which it does at each page that is
# opened, past the worker itself, it gets one that goes and has its pages loaded again.
NO_WORKER: Final = b"""self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil((async () => {
  await self.registration.unregister();
  const pages = await self.clients.matchAll({ type: 'window' });
  await Promise.all(pages.map(page => page.navigate(page.url).catch(() => null)));
})()));
"""


@web.middleware
async def _no_worker(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.headers.get("Service-Worker") == "script":
        return web.Response(
            body=NO_WORKER, content_type="text/javascript", headers={"Cache-Control": "no-store"}
        )
    return await handler(request)


class _Refusal(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def text(self) -> str: ...


class Doorman(Protocol):
    """What the pages need of forwarder.api.access."""

    def refuse(self, visitor: HttpVisitor, fetch_site: str | None = None) -> _Refusal | None: ...


# Where the relay page's index says which build it is, and the hub's word for it in the link. A page
# that stays open for weeks, or stands on somebody's site, is told when the hub has another one.
_NO_BUILD: Final = b'<meta name="build" content="">'


def page_files(folder: Traversable) -> dict[str, bytes]:
    """Name → content of every file of a page that is served."""
    files = _contents(SHARED) | _contents(folder)
    if _NO_BUILD in (index := files.get("index.html", b"")):
        mark = _NO_BUILD.replace(b'""', b'"%s"' % _build(files).encode())
        files["index.html"] = index.replace(_NO_BUILD, mark)
    return files


def remote_files() -> dict[str, bytes]:
    """Name → content of every file of the guest's page, side by side as they are served."""
    relay = _contents(RELAY)
    borrowed = {name: relay[name] for name in _BORROWED}
    return {**_contents(SHARED), **borrowed, **_contents(_PLAY), **_contents(_REMOTE)}


def relay_page_build() -> str:
    """Which relay page comes with this hub."""
    return _build(_contents(SHARED) | _contents(RELAY))


def _contents(folder: Traversable) -> dict[str, bytes]:
    files = (file for file in folder.iterdir() if file.is_file())
    return {file.name: file.read_bytes() for file in files if _kind(file.name) is not None}


def _build(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(b"%s %d\n" % (name.encode(), len(content)) + content)
    return digest.hexdigest()[:12]


def _kind(name: str) -> str | None:
    return _TYPES.get(name.rpartition(".")[2])


# Where a page that comes from elsewhere than the person's own hub says who serves it.
_NO_SERVER: Final = b'<meta name="served-by" content="">'


async def here(request: web.Request) -> web.StreamResponse:
    """For a dashboard at another address of this machine: whether its browser finds this one. It
    may sit elsewhere, at the end of a tunnel."""
    origin = request.headers.get("Origin", "")
    try:
        ours = is_fixed_name(urlsplit(origin).hostname or "")
    except ValueError:
        ours = False
    if not ours:
        return web.Response(status=403, text="Other web pages may not use this API.\n")
    return web.Response(status=204, headers={"Access-Control-Allow-Origin": origin})


class RelayPages:
    """The phone's page and the guest's. The files are read when the first visitor comes.
    `served_by`: who serves them, for people, where that is not their own hub."""

    def __init__(self, served_by: str = "") -> None:
        mark = html.escape(served_by).encode()
        self._served_by = _NO_SERVER.replace(b'""', b'"%s"' % mark)
        self._read: dict[str, dict[str, bytes]] = {}
        self._packed: dict[tuple[str, str], bytes] = {}

    def mount(self, app: web.Application) -> None:
        app.middlewares.append(_no_worker)
        app.router.add_get(RELAY_PATH, self._to_relay)
        app.router.add_get(f"{RELAY_PATH}/", self._relay)
        app.router.add_get(f"{RELAY_PATH}/{{name}}", self._relay)
        app.router.add_get(REMOTE_PATH, self._to_remote)
        app.router.add_get(f"{REMOTE_PATH}/", self._remote)
        app.router.add_get(f"{REMOTE_PATH}/{{name}}", self._remote)

    async def _to_relay(self, request: web.Request) -> web.StreamResponse:
        raise _slashed(RELAY_PATH, request)

    async def _to_remote(self, request: web.Request) -> web.StreamResponse:
        raise _slashed(REMOTE_PATH, request)

    async def _remote(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "remote", request.match_info.get("name", "index.html"))

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "relay", request.match_info.get("name", "index.html"))

    def _file(self, request: web.Request, page: str, name: str) -> web.Response:
        content = self._files(page).get(name)
        kind = _kind(name)
        if content is None or kind is None:
            return web.Response(status=404, text="There is no such page.\n")
        if kind == "image/png":
            return web.Response(body=content, content_type=kind)
        headers = {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            # Nothing secret is in a page, and nothing that a visitor chose. Packed once.
            if (page, name) not in self._packed:
                self._packed[page, name] = gzip.compress(content, mtime=0)
            content, headers["Content-Encoding"] = self._packed[page, name], "gzip"
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    def _files(self, page: str) -> dict[str, bytes]:
        if page not in self._read:
            if page == "remote":
                files = remote_files()
            else:
                files = page_files({"dashboard": DASHBOARD, "relay": RELAY}[page])
                if page == "dashboard":
                    files |= _contents(_PLAY)
            files["index.html"] = files["index.html"].replace(_NO_SERVER, self._served_by)
            self._read[page] = files
        return self._read[page]


def _slashed(path: str, request: web.Request) -> web.HTTPFound:
    # Browsers keep the fragment, with the secret in it, to themselves.
    query = f"?{request.query_string}" if request.query_string else ""
    return web.HTTPFound(f"{path}/{query}")


class Pages(RelayPages):
    """The dashboard, and the phone's page beside it."""

    def __init__(self, door: Doorman) -> None:
        super().__init__()
        self._door = door

    def mount(self, app: web.Application) -> None:
        super().mount(app)
        app.router.add_get("/", self._index)
        app.router.add_get(REFERENCE_PATH, self._index)
        app.router.add_get("/dashboard/{name}", self._dashboard)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        visitor = visitor_of(request)
        # A link on another site may lead here; what it must not do is read the answer, and it
        # cannot. Other names than ours are another matter: there the page would be theirs.
        refusal = self._door.refuse(visitor)
        if refusal is not None:
            return web.Response(status=refusal.status, text=refusal.text + "\n")
        name = "reference.html" if request.path == REFERENCE_PATH else "index.html"
        return self._file(request, "dashboard", name)

    async def _dashboard(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        return self._file(request, "dashboard", name if not name.endswith(".html") else "")
