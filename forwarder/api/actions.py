"""What each route of the API does. Shapes in, documents out; errors are the hub's own."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forwarder.access.allowed_origins import Origins
from forwarder.api.access import Call
from forwarder.api.bounds import DASHBOARD_KEPT, OUTPUT_S, SAVE_AFTER_S, STOP_S
from forwarder.api.controllers import Controller, Scripts
from forwarder.api.dashboard.batteries import Batteries
from forwarder.api.dashboard.checks import CheckActions
from forwarder.api.dashboard.plays import PlayActions
from forwarder.api.dashboard.switches import SwitchActions
from forwarder.api.documents.model import (
    AdminToken,
    CatalogueView,
    DeviceBody,
    DeviceSet,
    Known,
    LiveDeviceView,
    LogLine,
    OriginBody,
    OriginsView,
    OutputBody,
    PairingBody,
    PairingState,
    PairingView,
    ReadingView,
    RelayView,
    Revoked,
    ScanBody,
    Sent,
    StatusView,
    TokenBody,
    TokenMade,
    TokenRevoked,
    TokenView,
)
from forwarder.api.documents.stop import (
    AppBody,
    DisconnectedView,
    ForgetBody,
    Forgotten,
    HoldView,
    StopBody,
    StoppedView,
    WhoBody,
)
from forwarder.api.pairing import ComparingActions, Pairing
from forwarder.api.seen import SeenActions
from forwarder.api.services import ApiServices
from forwarder.api.settings import DeviceSettings
from forwarder.api.shares import ShareActions
from forwarder.api.state_view import StateView
from forwarder.buttplug.messages import InputCmd, InputCommand, InputType
from forwarder.definitions.catalogue import CatalogueEntry
from forwarder.errors import ConfigError, Denied, HardwareError, MessageError, UnknownDevice
from forwarder.hub.device import Device as HubDevice
from forwarder.stop.person import StopUnderWay
from relay.link.messages import ErrorCode
from relay.link.names import neutralise, quoted

if TYPE_CHECKING:
    from forwarder.checks.running import HubReport


class Actions:
    """Every public method is one route's; those of shares are in `shares`, of what is heard in
    `heard`, of codes that are compared in `comparing`, of switches in `switches`, of what is in
    the way in `looks`, of patterns in `plays`."""

    def __init__(
        self,
        services: ApiServices,
        view: StateView,
        batteries: Batteries,
        pairing: Pairing,
        settings: DeviceSettings,
        origins: Origins,
        scripts: Scripts,
        shares: ShareActions,
        switches: SwitchActions,
        plays: PlayActions,
        renew_admin: Callable[[], str],
    ) -> None:
        self.shares = shares
        self.heard = SeenActions(services)
        self.comparing = ComparingActions(services.comparing)
        self.switches = switches
        self.plays = plays
        self.looks = CheckActions(services.config, self._report)
        self._services = services
        self._hub = services.hub
        self._person = services.person
        self._view = view
        self._batteries = batteries
        self._pairing = pairing
        self._settings = settings
        self._origins = origins
        self._scripts = scripts
        self._renew_admin = renew_admin
        self._scanner = Controller(services.hub, "API", "script")
        self._scan_ends: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """The hub ends: no timer may act on it any more."""
        self._end_scan()
        self._scripts.end()
        self.plays.close()

    # --- hub ------------------------------------------------------------------------------------

    async def status(self, call: Call) -> StatusView:
        return await self._view.status()

    async def _report(self, call: Call) -> HubReport:
        running = await asyncio.to_thread(importlib.import_module, "forwarder.checks.running")
        made: type[HubReport] = running.HubReport
        status, seen = await self._view.status(), await self.heard.seen(call)
        return made(status, seen, self._view.origins())

    async def stop(self, call: Call) -> StoppedView:
        body = call.sent(StopBody)
        if body.device is None and body.feature is not None:
            raise MessageError("A feature needs a device.")
        grant = call.caller.grant
        if body.device is not None:
            device = self._device(call, body.device)
            features = None if body.feature is None else {body.feature}
            return await _stopped(
                [StopUnderWay(device.shown_name, self._hub.halt(device, features))]
            )
        if grant is not None:
            seen = [device for device in self._hub.devices.values() if grant.sees(device)]
            return await _stopped([StopUnderWay(d.shown_name, self._hub.halt(d)) for d in seen])
        return await self._held(self._person.stop(_by(call, body.by)))

    async def pause(self, call: Call) -> StoppedView:
        if call.caller.grant is not None:
            raise Denied(f"The token {call.caller.name} may stop, but not pause the hub.")
        return await self._held(self._person.pause(_by(call, call.sent(WhoBody).by)))

    async def _held(self, stops: Sequence[StopUnderWay]) -> StoppedView:
        """How the stops went, and whether the disk has it: both are under way at once."""
        now = asyncio.get_running_loop().time
        until = now() + STOP_S
        stopped = await _stopped(stops)
        unsaved = await self._services.hold_file.saved(max(SAVE_AFTER_S, until - now()))
        # Somebody may have resumed meanwhile.
        missing = self._view.missing.views()
        return replace(stopped, missing=missing, held=self._hub.hold.holds, unsaved=unsaved)

    async def resume(self, call: Call) -> HoldView:
        self._person.resume(_by(call, call.sent(WhoBody).by))
        return await self._hold_view()

    async def _hold_view(self) -> HoldView:
        await self._services.hold_file.saved()
        return self._view.hold()

    async def forget_missing(self, call: Call) -> Forgotten:
        return Forgotten(name=await self._view.missing.forget(call.sent(ForgetBody).name))

    # --- apps -----------------------------------------------------------------------------------

    async def mute(self, call: Call) -> StoppedView:
        body = call.sent(AppBody)
        outcomes = self._person.mute(body.name, _by(call, body.by))
        stopped = await _stopped([StopUnderWay(body.name, outcome) for outcome in outcomes])
        return replace(stopped, unsaved=await self._services.hold_file.saved())

    async def unmute(self, call: Call) -> HoldView:
        body = call.sent(AppBody)
        self._person.unmute(body.name, _by(call, body.by))
        return await self._hold_view()

    async def disconnect(self, call: Call) -> DisconnectedView:
        body = call.sent(AppBody)
        return DisconnectedView(clients=self._person.disconnect(body.name, _by(call, body.by)))

    # --- looking around -------------------------------------------------------------------------

    async def scan(self, call: Call) -> None:
        body = call.sent(ScanBody)
        self._end_scan()
        self._hub.start_scanning(self._scanner)
        loop = asyncio.get_running_loop()
        self._scan_ends = loop.call_later(body.for_s, self._end_scan)

    async def end_scan(self, call: Call) -> None:
        self._end_scan()

    def _end_scan(self) -> None:
        if self._scan_ends is not None:
            self._scan_ends.cancel()
            self._scan_ends = None
        self._hub.stop_scanning(self._scanner)

    async def log(self, call: Call) -> tuple[LogLine, ...]:
        since = call.query.get("since", "0")
        if not (since.isascii() and since.isdigit() and len(since) < 16):
            raise MessageError("since is the number of a line.")
        return self._services.log.since(int(since), DASHBOARD_KEPT)

    async def catalogue(self, call: Call) -> list[CatalogueView]:
        search = call.query.get("search", "")[:200]
        # It reads some hundred files the first time: nothing that the loop should wait for.
        found = await asyncio.to_thread(self._services.catalogue.search, search)
        return [catalogue_view(entry) for entry in found]

    # --- devices --------------------------------------------------------------------------------

    def _device(self, call: Call, index: int) -> HubDevice:
        device = self._hub.devices.get(index)
        grant = call.caller.grant
        if device is None or (grant is not None and not grant.sees(device)):
            raise UnknownDevice(index)
        return device

    async def devices(self, call: Call) -> tuple[LiveDeviceView, ...]:
        return await self._view.devices(call.caller.grant)

    async def device(self, call: Call) -> LiveDeviceView:
        return self._view.device(self._device(call, call.number("index")), call.caller.grant)

    async def output(self, call: Call) -> Sent:
        index = call.number("index")
        device = self._device(call, index)
        features, outcomes = self._scripts.output(
            call.caller.name, call.caller.grant, index, call.sent(OutputBody)
        )
        if outcomes:
            done, late = await asyncio.wait(outcomes, timeout=OUTPUT_S)
            for outcome in done:
                if not outcome.cancelled() and (error := outcome.exception()) is not None:
                    raise error
            if late:
                raise HardwareError(ErrorCode.TIMEOUT, f"{device.shown_name} did not answer.")
        return Sent(features=features)

    async def read(self, call: Call) -> ReadingView:
        device = self._device(call, call.number("index"))
        wanted = call.path["type"].casefold()
        kind = next((kind for kind in InputType if kind.value.casefold() == wanted), None)
        if kind is None:
            raise MessageError(f"There is no input {quoted(call.path['type'], 40)}.")
        command = InputCmd(
            id=1,
            device_index=device.index,
            feature_index=call.number("feature"),
            type=kind,
            command=InputCommand.READ,
        )
        reader = Controller(self._hub, call.caller.name, "script", call.caller.grant)
        value = await self._hub.read(reader, command)
        if kind is InputType.BATTERY:
            self._batteries.learn(device, value)
        return ReadingView(value=value)

    async def change_device(self, call: Call) -> DeviceSet:
        return DeviceSet(text=self._settings.change(call.number("index"), call.sent(DeviceBody)))

    async def known(self, call: Call) -> tuple[Known, ...]:
        return self._view.known()

    # --- relays and pairing ---------------------------------------------------------------------

    async def relays(self, call: Call) -> tuple[RelayView, ...]:
        return self._view.relays()

    async def revoke_relay(self, call: Call) -> Revoked:
        relay = self._services.trust.book.revoke(call.path["name"])
        cut = self._services.relays.revoke(relay.key.hex())
        return Revoked(name=neutralise(relay.name), cut=cut)

    async def pair(self, call: Call) -> PairingView:
        return self._pairing.issue(call.sent(PairingBody))

    async def pairing(self, call: Call) -> PairingState:
        return self._pairing.state(call.path["id"])

    async def withdraw(self, call: Call) -> None:
        self._pairing.withdraw(call.path["id"])

    # --- tokens ---------------------------------------------------------------------------------

    async def tokens(self, call: Call) -> list[TokenView]:
        return [
            TokenView(
                name=grant.name,
                devices=grant.devices,
                outputs=grant.outputs,
                percent=round(100 * grant.level, 1),
                expires=grant.expires,
                clients=self._services.guests.count(grant),
            )
            for grant in self._services.tokens
        ]

    async def new_token(self, call: Call) -> TokenMade:
        body = call.sent(TokenBody)
        token = self._services.tokens.new(
            body.name,
            time.time(),
            devices=body.devices,
            outputs=body.outputs,
            level=body.percent / 100,
            valid_s=body.valid_s,
        )
        url = self._view.hub().client_url
        return TokenMade(name=neutralise(body.name, 64), token=token, url=f"{url}/{token}")

    async def revoke_token(self, call: Call) -> TokenRevoked:
        grant = self._services.tokens.revoke(call.path["name"])
        self._scripts.end(grant.name)
        return TokenRevoked(name=grant.name, clients=self._services.guests.end(grant))

    async def renew_admin(self, call: Call) -> AdminToken:
        return AdminToken(token=self._renew_admin())

    # --- origins --------------------------------------------------------------------------------

    async def origins(self, call: Call) -> OriginsView:
        return self._view.origins()

    async def allow_origin(self, call: Call) -> OriginsView:
        self._origins.allow(call.sent(OriginBody).origin)
        return self._view.origins()

    async def forget_origin(self, call: Call) -> OriginsView:
        if "origin" not in call.query:
            raise ConfigError("Which origin? Say ?origin=…")
        self._origins.forget(call.query["origin"])
        return self._view.origins()


def _by(call: Call, said: str | None) -> str:
    """Who does it, for people: what it calls itself, or what it came as."""
    return neutralise(said or "") or call.caller.name


async def _stopped(stops: Sequence[StopUnderWay]) -> StoppedView:
    """Wait for the radios, STOP_S at most, and say how it went."""
    if stops:
        await asyncio.wait([stop.outcome for stop in stops], timeout=STOP_S)
    failed = tuple(text for stop in stops if (text := _failure(stop)) is not None)
    return StoppedView(told=len(stops), confirmed=len(stops) - len(failed), failed=failed)


def _failure(stop: StopUnderWay) -> str | None:
    name, outcome = neutralise(stop.name), stop.outcome
    if not outcome.done():
        return f"{name} did not confirm in time; its relay goes on trying."
    error = None if outcome.cancelled() else outcome.exception()
    if error is None and not outcome.cancelled():
        return None
    why = "the hub is shutting down" if error is None else neutralise(str(error), 240)
    return f"{name}: {why}"


def catalogue_view(entry: CatalogueEntry) -> CatalogueView:
    features = entry.definition.features
    return CatalogueView(
        name=entry.definition.name,
        protocol=entry.definition.protocol,
        outputs=tuple(kind for feature in features for kind in feature.outputs),
        inputs=tuple(kind for feature in features for kind in feature.inputs),
        identifiers=entry.identifiers,
    )
