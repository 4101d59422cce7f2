"""The API on aiohttp: turns requests into calls and answers into responses, and guards the door."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus

import msgspec
from aiohttp import web

from forwarder.access.admission import (
    Admitted,
    HostNames,
    HttpVisitor,
)
from forwarder.access.allowed_origins import Origins
from forwarder.access.credentials import given
from forwarder.api.access import (
    OWNER,
    Access,
    AccessRefused,
    Call,
    Caller,
    Right,
    admin_token,
)
from forwarder.api.actions import Actions
from forwarder.api.bounds import BODY_S, MAX_BODY_BYTES, MAX_SAID_BYTES, MAX_STREAMS, SERVER_SEND_S
from forwarder.api.controllers import Scripts
from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.dashboard.guest import TokenGuests
from forwarder.api.dashboard.plays import PlayActions
from forwarder.api.dashboard.session import DashboardSession, EventsGate, whose
from forwarder.api.dashboard.stream import Feed, Watch, pace
from forwarder.api.dashboard.switches import SwitchActions
from forwarder.api.documents.model import PageToken, Problem
from forwarder.api.pairing import Pairing
from forwarder.api.places import PREFIX
from forwarder.api.routes import ROUTES, Route
from forwarder.api.services import ApiServices
from forwarder.api.settings import DeviceSettings, PinFile
from forwarder.api.shares import ShareActions
from forwarder.api.state_view import StateView
from forwarder.connectors.bounds import Purpose
from forwarder.connectors.host_addresses import host_names
from forwarder.connectors.listener import SHOWS_TOKEN, place_of
from forwarder.connectors.websocket_server import add_websocket_route, visitor_of
from forwarder.errors import (
    ConfigError,
    Denied,
    DeviceError,
    ForwarderError,
    HardwareError,
    HeldByPerson,
    MessageError,
    UnknownDevice,
    UnknownFeature,
    UnknownPlay,
)
from forwarder.hub.device import Device
from forwarder.metrics.page import PATH as METRICS_PATH
from forwarder.metrics.page import MetricsPage
from forwarder.play.plays import Plays
from forwarder.web.bodies import read_body
from forwarder.web.headers import guard_headers
from forwarder.web.other_pages import OtherPages
from forwarder.web.pages import Pages, here
from relay.link.channel import Channel
from relay.link.messages import ErrorCode
from relay.link.misfit import misfit
from relay.link.names import neutralise
from relay.link.tasks.groups import drop_frames
from relay.version import __version__

log = logging.getLogger(__name__)

RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Who = Callable[[web.Request, Right], Caller | AccessRefused]


# For the dashboard alone, whoever else is allowed.
_OWN_PAGES = (f"{PREFIX}/page", f"{PREFIX}/here")

ORIGINS_FILE = "origins.json"
PINS_FILE = "pins.json"

_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (UnknownDevice, HTTPStatus.NOT_FOUND),
    (UnknownFeature, HTTPStatus.NOT_FOUND),
    (UnknownPlay, HTTPStatus.NOT_FOUND),
    (Denied, HTTPStatus.FORBIDDEN),
    (HeldByPerson, HTTPStatus.CONFLICT),
    (HardwareError, HTTPStatus.BAD_GATEWAY),
    (DeviceError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MessageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ForwarderError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


class Api:
    """The API of one hub. `mount` adds it to an application; `run` does what it does by itself."""

    def __init__(self, services: ApiServices) -> None:
        """Raises ConfigError for files in the state folder that are damaged or open to others."""
        config = services.config
        state = config.state_dir
        self._services = services
        hosts = HostNames((*config.link.names, *host_names()))
        self.access = Access(
            admin_token(state),
            hosts,
            lambda token: services.tokens.check(token, time.time()),
            services.places.home,
            services.origins.names,
        )
        shares = ShareActions(services)
        self._batteries = Batteries(services.hub, lambda: self._watch.watched(time.monotonic()))
        self.view = StateView(services, self._batteries)
        self._watch = Watch(services, self.view, shares.views, shares.taken)
        self._streams = 0
        self._description: asyncio.Future[str] | None = None
        pins = PinFile(state / PINS_FILE, services.relays.pins)
        self.settings = DeviceSettings(services, pins)
        self._actions = Actions(
            services,
            self.view,
            self._batteries,
            Pairing(services),
            self.settings,
            Origins(services.origins, state / ORIGINS_FILE, config.clients.origins),
            Scripts(services.hub),
            shares,
            SwitchActions(services),
            PlayActions(Plays(services.hub)),
            lambda: self.access.renew(state),
        )

    def mount(self, app: web.Application) -> None:
        """Add the routes of the API, and the dashboard and the phone page beside them."""
        app[SHOWS_TOKEN] = self._shows_token
        app.on_response_prepare.append(guard_headers)
        self._add_routes(app, self._caller)
        app.router.add_post(f"{PREFIX}/page", self._page)
        app.router.add_get(f"{PREFIX}/here", here)
        app.router.add_get(f"{PREFIX}/openapi.json", self._describe)
        app.router.add_get(f"{PREFIX}/events/stream", self._stream)
        add_websocket_route(
            app,
            f"{PREFIX}/events",
            self._events,
            gatekeeper=EventsGate(self.access),
            greeting="This is a websocket; scripts may prefer events/stream.",
            max_frame_bytes=MAX_SAID_BYTES,
            purpose=Purpose.EVENTS,
        )
        TokenGuests(self._services, self.access).mount(app)
        methods = {route.method for route in ROUTES}
        OtherPages(self.access.guest_page, PREFIX, _OWN_PAGES, methods).mount(app)
        app.router.add_route("*", PREFIX + "/{path:.*}", _unknown)
        parts = self._services
        metrics = MetricsPage(
            parts.hub, parts.relays, parts.stalls, parts.meter, __version__, self._unread
        )
        app.router.add_get(METRICS_PATH, metrics.answer)
        Pages(self.access).mount(app)

    def control(self) -> web.Application:
        """The same routes for the command line: who can open its socket is the owner."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        self._add_routes(app, lambda *_: Caller(OWNER, "Command line"))
        app.router.add_route("*", "/{path:.*}", _unknown)
        return app

    def _add_routes(self, app: web.Application, who: Who) -> None:
        for route in ROUTES:
            # Names may hold anything, also slashes.
            path = (PREFIX + route.path).replace("{name}", "{name:.+}")
            app.router.add_route(route.method, path, self._handler(route, who))

    def battery(self, device: Device) -> int | None:
        """In percent, as far as it is known."""
        return self._batteries.level(device)

    async def run(self) -> None:
        """Keep the log, the batteries and the user's file. Runs until cancelled, then stops what
        scripts drive."""
        with self._services.log:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._batteries.run(), name="batteries")
                    tasks.create_task(self.settings.run(), name="the user's device file")
            finally:
                self._actions.close()

    # --- requests -------------------------------------------------------------------------------

    def _caller(self, request: web.Request, right: Right = Right.LOOK) -> Caller | AccessRefused:
        visitor = _visitor(request)
        site = request.headers.get("Sec-Fetch-Site")
        if right is Right.STOP:
            return self.access.stopper(visitor, site)
        return self.access.refuse_call(visitor, site) or self.access.caller(visitor)

    def _shows_token(self, request: web.Request) -> bool:
        if "Authorization" not in request.headers and "token=" not in request.query_string:
            return False
        visitor = _visitor(request)
        return bool(visitor.tokens) and isinstance(self.access.caller(visitor), Caller)

    def _unread(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to who may not read everything, None to who may."""
        caller = self._caller(request, Right.READ)
        if isinstance(caller, Caller) and not caller.may(Right.READ):
            caller = _not_allowed(caller)
        return _refused(caller) if isinstance(caller, AccessRefused) else None

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """A token for the dashboard that asks. Not a route of the table: for our own page only."""
        visitor = _visitor(request)
        token = self.access.refuse(visitor, request.headers.get("Sec-Fetch-Site"))
        if token is None and visitor.tokens:
            token = AccessRefused(403, "Who has a token needs none of a page.")
        made = token or self.access.new_page(visitor)
        if isinstance(made, AccessRefused):
            refused = _refused(made)
            if visitor.loopback and self.access.home is not None:
                refused.headers["Location"] = self._services.places.dashboard_url + "/"
            return refused
        return _json(PageToken(token=made), HTTPStatus.CREATED)

    def _handler(self, route: Route, who: Who) -> RequestHandler:
        async def answer(request: web.Request) -> web.StreamResponse:
            caller = who(request, route.right)
            if isinstance(caller, Caller) and not caller.may(route.right):
                caller = _not_allowed(caller)
            if isinstance(caller, AccessRefused):
                await _leave_unread(request)
                return _refused(caller)
            if route.right in Right.LOOK | Right.READ:
                self._watch.ask(time.monotonic())
            try:
                chunks = await read_body(request, MAX_BODY_BYTES, BODY_S)
                body = None if route.body is None else _body(request, chunks, route.body)
                call = Call(caller, request.match_info, request.query, body)
                result = await route.act(self._actions, call)
            except (ForwarderError, OSError) as error:
                return _failed(error)
            if route.answer is None:
                return web.Response(status=route.status)
            return _json(result, route.status)

        return answer

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        if self._description is None:
            # In a thread, and once: making it takes a fifth of a second.
            loop = asyncio.get_running_loop()
            self._description = loop.run_in_executor(None, _description)
        text = await asyncio.shield(self._description)
        return web.Response(text=text, content_type="application/json")

    # --- events ---------------------------------------------------------------------------------

    async def _events(self, channel: Channel, admitted: Admitted) -> None:
        await DashboardSession(channel, self._services, self._watch, self.access, admitted).run()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        caller = self._caller(request)
        if isinstance(caller, AccessRefused):
            return _refused(caller)
        place = place_of(request)
        now = asyncio.get_running_loop().time()
        if self._streams >= MAX_STREAMS or (
            place is not None
            and not place.enter(Purpose.EVENTS, now, settled=True, who=whose(caller))
        ):
            return _refused(AccessRefused(503, "There are too many readers of events."))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self._streams += 1
        self._watch.readers += 1
        try:
            await self._send_events(response, caller)
        except (TimeoutError, ConnectionError) as error:
            drop_frames(error)  # the usual end of a stream: the reader went away
        finally:
            self._streams -= 1
            self._watch.readers -= 1
        return response

    async def _send_events(self, response: web.StreamResponse, caller: Caller) -> None:
        clock = asyncio.get_running_loop().time
        feed = Feed(self._watch, self._services, caller)
        while self._may_stay(caller):
            now = clock()
            change = feed.next(now)
            if change is not None:
                async with asyncio.timeout(SERVER_SEND_S):
                    await response.write(b"data: %b\n\n" % change)
            await pace(now)

    def _may_stay(self, caller: Caller) -> bool:
        if caller.grant is not None and not self._services.tokens.holds(caller.grant, time.time()):
            return False
        return self.access.holds(caller)


async def _leave_unread(request: web.Request) -> None:
    """Take in a small body that nobody wants: an answer may be lost if its request was not read.
    A large one is left, and the connection ends."""
    with suppress(MessageError):
        await read_body(request, MAX_BODY_BYTES, BODY_S)


def _body(request: web.Request, chunks: bytes, kind: type) -> object:
    """The request's body as `kind`. Raises MessageError; an empty body is an empty object."""
    if chunks and request.content_type != "application/json":
        raise MessageError("The body has to be application/json.")
    try:
        return msgspec.json.decode(chunks or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise MessageError(f"The body does not fit: {misfit(error, kind)}.") from error


def _visitor(request: web.Request) -> HttpVisitor:
    """Who calls. Parts of a path are names of things here, and no tokens."""
    tokens = given(request.headers.getall("Authorization", []), request.query.getall("token", []))
    return replace(visitor_of(request), tokens=tokens)


def _not_allowed(caller: Caller) -> AccessRefused:
    if caller.grant is not None:
        return AccessRefused(403, f"The token {caller.name} does not allow that.")
    return AccessRefused(
        401, "Changes need a token: the one in the file admin.token of the hub's state folder."
    )


def _refused(refusal: AccessRefused) -> web.Response:
    response = _json(Problem(error=refusal.text), HTTPStatus(refusal.status))
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _failed(error: ForwarderError | OSError) -> web.Response:
    status = next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    if isinstance(error, HardwareError) and error.reason is ErrorCode.TIMEOUT:
        status = HTTPStatus.GATEWAY_TIMEOUT
    text = str(error)
    if isinstance(error, OSError):
        text = f"The hub could not save that: {error.strerror}."
        log.error("a change could not be saved: %s", error)
    return _json(Problem(error=neutralise(text, 400)), status)


async def _unknown(request: web.Request) -> web.StreamResponse:
    return _json(Problem(error="There is no such thing in this API."), HTTPStatus.NOT_FOUND)


def _json(result: object, status: HTTPStatus) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(result), status=status, content_type="application/json"
    )


def _description() -> str:
    from forwarder.api.documents import openapi  # loaded by who asks, in its thread

    return openapi.text()
