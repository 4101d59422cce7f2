"""The Lovense LAN API over HTTP: what comes in, who may send it, and what is answered.

Plain http at port 20010, or https with a certificate of the owner's: the vendor's own certificate
is for names of the vendor's. The verdict is `code` in the body; HTTP itself says 200, but for who
may not ask at all.

A request is all that is known of its sender: most apps open a connection for each. So whoever asked
for something without an end is alive as long as its address says anything, `silence_s` at most.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from aiohttp import web

from forwarder.access.admission import (
    HostNames,
    OriginPolicy,
    Verdict,
    is_loopback,
    normal_origin,
)
from forwarder.bridges.bounds import (
    BATTERY_WAIT_S,
    LOVENSE_BATTERY_S,
    LOVENSE_BODY_S,
    LOVENSE_MOVE_S,
    MOST_BYTES,
    MOST_SETUPS,
)
from forwarder.bridges.client import BridgeClient, OpenChannel, Refusal
from forwarder.bridges.lovense import plans
from forwarder.bridges.lovense.commands import (
    INVALID_COMMAND,
    INVALID_PARAMETER,
    NO_TOY,
    OK,
    SERVER_ERROR,
    FunctionCommand,
    GetToyName,
    GetToys,
    Halt,
    LovenseCommand,
    Misunderstood,
    PatternCommand,
    Play,
    Position,
    Preset,
    Setup,
    SyncTime,
    read,
)
from forwarder.bridges.lovense.toys import document, model, movable, toy_id
from forwarder.bridges.performer import Performer
from forwarder.bridges.programs import OutputProgram, ProgramStep
from forwarder.bridges.senders import Senders
from forwarder.buttplug.messages import InputType
from forwarder.client.client import ServerGone, ServerRefused
from forwarder.client.device import RemoteDevice
from forwarder.connectors.listener import Listener
from forwarder.errors import MessageError, Unsupported
from forwarder.web.bodies import read_body
from relay.link.names import neutralise

log = logging.getLogger(__name__)

NAME = "Lovense apps"
PATH = "/command"

Performed = FunctionCommand | PatternCommand | Preset | Position | Play


class LovenseServer:
    """One port. `listening` is made by whoever knows the hub's doors, with the application of this;
    `allowed`: addresses beyond this machine that may ask."""

    name: Final = NAME

    def __init__(
        self,
        hub: str,
        open_channel: OpenChannel,
        listening: Callable[[web.Application], Listener],
        *,
        origins: OriginPolicy,
        hosts: HostNames,
        allowed: Iterable[str] = (),
        silence_s: float = 10.0,
    ) -> None:
        self._hub = hub
        self._client = BridgeClient(NAME, open_channel)
        self._silence_s = silence_s
        self._origins = origins
        self._hosts = hosts
        self._allowed = frozenset(map(ipaddress.ip_address, allowed))
        self._performer: Performer | None = None
        self._senders: Senders | None = None
        self._batteries: dict[int, tuple[float, int]] = {}
        self._setups: dict[str, tuple[tuple[float, float], ...]] = {}
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post(PATH, self._command)
        app.router.add_options(PATH, self._preflight)
        app.router.add_get("/GetToys", self._old_get_toys)
        self.listener = listening(app)

    async def run(self) -> None:
        """Serve until cancelled. Raises ConfigError if the port cannot be had."""
        self._performer = Performer(self._client, self._silence_s)
        self._senders = Senders("tcp", self._performer.gone, self._silence_s)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._client.run(), name=f"{NAME} client")
            tasks.create_task(self._performer.run(), name=f"{NAME} steps")
            tasks.create_task(self._senders.run(), name=f"{NAME} programs")
            tasks.create_task(self.listener.run(), name=f"{NAME} port")

    # --- HTTP -----------------------------------------------------------------------------------

    def _demand_admitted(self, request: web.Request) -> dict[str, str]:
        """Raises HTTPForbidden; returns the headers that let a page read the answer."""
        address = request.remote or ""
        here = is_loopback(address) and "X-Forwarded-For" not in request.headers
        if not here and not self._is_allowed(address):
            raise web.HTTPForbidden(text=f"{address} is not among [bridges.lovense] allowed")
        if not self._hosts.accepts(request.host) and not _is_vendors_name(request.host):
            raise web.HTTPForbidden(text="this machine is not called that")
        origin = request.headers.get("Origin")
        if origin is None:
            return {}
        if self._origins.judge(origin, request.host) is not Verdict.ALLOW:
            raise web.HTTPForbidden(text=f"the page {neutralise(normal_origin(origin))} may not")
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": "Content-Type, X-platform",
            "Vary": "Origin",
        }

    def _is_allowed(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
        return (mapped or ip) in self._allowed

    async def _preflight(self, request: web.Request) -> web.Response:
        headers = self._demand_admitted(request)
        return web.Response(headers={**headers, "Access-Control-Allow-Methods": "POST"})

    async def _command(self, request: web.Request) -> web.Response:
        headers = self._demand_admitted(request)
        peer = request.remote or ""
        try:
            said = read(await read_body(request, MOST_BYTES, LOVENSE_BODY_S))
            if isinstance(said, Performed):
                await self._meet(request, peer)
            answer = await self._answer(said, peer)
        except Misunderstood as error:
            answer = {"code": error.code, "type": "error", "message": str(error)}
        except Refusal as error:
            answer = {"code": SERVER_ERROR, "type": "error", "message": str(error)}
        except MessageError as error:
            answer = {"code": INVALID_COMMAND, "type": "error", "message": str(error)}
        return _json(answer, headers)

    async def _meet(self, request: web.Request, peer: str) -> None:
        """Know the program by the port it asks from, where it is one of this machine."""
        port = request.transport.get_extra_info("peername") if request.transport else None
        if is_loopback(peer) and port is not None and self._senders is not None:
            await self._senders.met(peer, port[1])

    async def _old_get_toys(self, request: web.Request) -> web.Response:
        """How Lovense Connect was asked."""
        headers = self._demand_admitted(request)
        return _json(await self._answer(GetToys(), request.remote or ""), headers)

    # --- requests -------------------------------------------------------------------------------

    async def _answer(self, request: LovenseCommand, peer: str) -> dict[str, object]:
        assert self._performer is not None
        self._performer.heard(peer)
        match request:
            case GetToys():
                return await self._get_toys()
            case GetToyName():
                names = [model(device).capitalize() for device in self._client.devices]
                return {"code": OK, "data": names, "type": "OK"}
            case Setup(actions):
                self._setups.pop(peer, None)
                self._setups[peer] = actions
                while len(self._setups) > MOST_SETUPS:
                    self._setups.pop(next(iter(self._setups)))
            case SyncTime():
                pass
            case Halt(toys):
                await self._performer.stop(self._named(toys))
            case _:
                await self._perform(request, peer)
        return {"code": OK, "type": "ok"}

    async def _perform(self, request: Performed, peer: str) -> None:
        assert self._performer is not None
        now = self._performer.now
        refused: list[Misunderstood] = []
        begun = False
        for device in self._named(request.toys):
            try:
                steps, seconds, alone = self._plan(device, request, peer)
            except Misunderstood as error:
                refused.append(error)
                continue
            until = None if seconds is None else now + seconds
            program = OutputProgram(steps, now, until, peer)
            self._performer.of(device).start(program, alone=alone)
            begun = True
        if not begun and refused:
            raise refused[0]
        await self._performer.perform()

    def _plan(
        self,
        device: RemoteDevice,
        request: FunctionCommand | PatternCommand | Preset | Position | Play,
        peer: str,
    ) -> tuple[plans.PlanSteps, float | None, bool]:
        """Steps, for how long (s), and whether instead of the others. Raises Misunderstood."""
        match request:
            case FunctionCommand():
                return plans.function(device, request), request.seconds, request.alone
            case PatternCommand():
                return plans.pattern(device, request), request.seconds, True
            case Preset():
                return plans.preset(device, request), request.seconds, True
            case Position(_, place):
                slots = dict.fromkeys(movable(device), place)
                return (ProgramStep(LOVENSE_MOVE_S, slots),), LOVENSE_MOVE_S, True
            case Play(_, actions):
                known = self._setups.get(peer) if actions is None else actions
                if known is None:
                    raise Misunderstood(INVALID_PARAMETER, "nothing was set up")
                steps = plans.played(device, known, request)
                once = sum(step.seconds for step in steps)
                return steps, request.seconds or once, request.alone

    def _named(self, toys: tuple[str, ...]) -> list[RemoteDevice]:
        """Raises Misunderstood if none of them is here."""
        devices = list(self._client.devices)
        if toys:
            devices = [each for each in devices if toy_id(self._hub, each) in toys]
        if not devices:
            raise Misunderstood(NO_TOY, "there is no such toy" if toys else "no toy is connected")
        return devices

    async def _get_toys(self) -> dict[str, object]:
        devices = self._client.devices
        if not devices:
            await self._client.scan()
        await self._read_batteries(devices)
        toys = {}
        for device in devices:
            id = toy_id(self._hub, device)
            toys[id] = document(device, id, self._batteries.get(device.index, (0.0, 100))[1])
        # As a text: that is the classic form, which every client reads.
        text = msgspec.json.encode(toys).decode()
        data = {"toys": text, "platform": "pc", "appType": "remote"}
        return {"code": OK, "data": data, "type": "OK"}

    async def _read_batteries(self, devices: Iterable[RemoteDevice]) -> None:
        assert self._performer is not None
        now = self._performer.now
        due = [
            device
            for device in devices
            if InputType.BATTERY in device.inputs
            and now - self._batteries.get(device.index, (-LOVENSE_BATTERY_S, 0))[0]
            >= LOVENSE_BATTERY_S
        ]
        if due:
            await asyncio.gather(*map(self._read_battery, due))

    async def _read_battery(self, device: RemoteDevice) -> None:
        assert self._performer is not None
        known = self._batteries.get(device.index, (0.0, 100))[1]
        # Also when it fails: it is asked again in a minute, not at each poll.
        self._batteries[device.index] = (self._performer.now, known)
        try:
            async with asyncio.timeout(BATTERY_WAIT_S):
                share = await device.battery()
        except (TimeoutError, ServerRefused, ServerGone, Unsupported) as error:
            log.debug("no battery of %s: %s", device.shown_name, error)
            return
        self._batteries[device.index] = (self._performer.now, round(share * 100))


def _is_vendors_name(host: str) -> bool:
    """`127-0-0-1.lovense.club`: the vendor's DNS answers with the address in the name."""
    return host.partition(":")[0].lower().endswith(".lovense.club")


def _json(answer: dict[str, object], headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(answer), content_type="application/json", headers=headers
    )
