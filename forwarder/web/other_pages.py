"""Pages of other sites that a person has allowed: preflights of the API, answers they may read.

Who they are, and whether their token is good, is asked of each request (forwarder.api.access).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from aiohttp import web

from forwarder.access.admission import HttpVisitor
from forwarder.access.cross_origin import VARY, preflight_headers, shared_with
from forwarder.connectors.websocket_server import visitor_of

# What a caller of the API sends besides what every page may.
_HEADERS = "Authorization, Content-Type"


class OtherPages:
    """`guest_page`: the origin of a visitor that is such a page, else None. `own`: paths below
    `prefix` that are for this server's own pages whoever else is allowed. `methods`: of all
    routes."""

    def __init__(
        self,
        guest_page: Callable[[HttpVisitor], str | None],
        prefix: str,
        own: Collection[str],
        methods: Collection[str],
    ) -> None:
        self._guest_page = guest_page
        self._prefix = prefix
        self._own = frozenset(own)
        self._methods = ", ".join(sorted(methods))

    def mount(self, app: web.Application) -> None:
        """Answer preflights below the prefix, and mark every answer there."""
        app.router.add_options(self._prefix + "/{path:.*}", self._preflight)
        app.on_response_prepare.append(self._share)

    def _page(self, request: web.Request) -> str | None:
        return None if request.path in self._own else self._guest_page(visitor_of(request))

    async def _preflight(self, request: web.Request) -> web.Response:
        page = self._page(request)
        if page is None:
            return web.Response(status=403, text="Other web pages may not use this API.\n")
        return web.Response(
            status=204, headers=preflight_headers(request.headers, page, self._methods, _HEADERS)
        )

    async def _share(self, request: web.Request, response: web.StreamResponse) -> None:
        # Refusals too: they say what to do.
        if request.path.startswith(self._prefix + "/") and request.path not in self._own:
            page = self._page(request)
            response.headers.update(VARY if page is None else shared_with(page))
