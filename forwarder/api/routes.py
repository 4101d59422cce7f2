"""The table of the API: every route, what it wants, what it answers, who may. Serving and the
OpenAPI description are both made from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from forwarder.api.access import Call, Right
from forwarder.api.actions import Actions
from forwarder.api.dashboard.checks import CheckActions
from forwarder.api.dashboard.plays import PlayActions
from forwarder.api.dashboard.switches import SwitchActions
from forwarder.api.documents import checks as check_model
from forwarder.api.documents import model
from forwarder.api.documents import plays as play_model
from forwarder.api.documents import seen as seen_model
from forwarder.api.documents import shares as share_model
from forwarder.api.documents import stop as stop_model
from forwarder.api.documents import switches as switch_model
from forwarder.api.pairing import ComparingActions
from forwarder.api.seen import SeenActions
from forwarder.api.shares import ShareActions

Act = Callable[[Actions, Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` after PREFIX. `answer`: None for an empty one. `query`: name → what it means."""

    method: str
    path: str
    act: Act
    right: Right
    summary: str
    answer: object = None
    body: type | None = None
    query: tuple[tuple[str, str], ...] = ()
    status: HTTPStatus = HTTPStatus.OK


P = TypeVar("P")


def _of(part: Callable[[Actions], P]) -> Callable[[Callable[[P, Call], Awaitable[object]]], Act]:
    """Makes routes of the methods of one part of the actions."""

    def made(method: Callable[[P, Call], Awaitable[object]]) -> Act:
        def act(actions: Actions, call: Call) -> Awaitable[object]:
            return method(part(actions), call)

        # What programs that are made from the description call it: SeenActions.listen, seen_listen.
        owner, _, name = method.__qualname__.rpartition(".")
        about = owner.removesuffix("Actions").lower()
        act.__name__ = name if name.startswith(about) else f"{about}_{name}"
        return act

    return made


_shares = _of(lambda actions: actions.shares)
_comparing = _of(lambda actions: actions.comparing)
_heard = _of(lambda actions: actions.heard)
_switches = _of(lambda actions: actions.switches)
_looks = _of(lambda actions: actions.looks)
_plays = _of(lambda actions: actions.plays)

_NONE = HTTPStatus.NO_CONTENT
_MADE = HTTPStatus.CREATED

ROUTES: tuple[Route, ...] = (
    Route("GET", "/status", Actions.status, Right.READ,
          "Everything there is: hub, relays, devices, clients and what each drives",
          model.StatusView),
    Route("POST", "/stop", Actions.stop, Right.STOP,
          "Stop everything until it is resumed, or for the moment a device, or one feature; waits"
          " for the radios", stop_model.StoppedView, stop_model.StopBody),
    Route("POST", "/pause", Actions.pause, Right.STOP,
          "Stop everything until it is resumed, in a calmer word; waits for the radios",
          stop_model.StoppedView, stop_model.WhoBody),
    Route("POST", "/resume", Actions.resume, Right.ADMIN,
          "End a stop or a pause: apps may drive again, nothing starts by itself",
          stop_model.HoldView, stop_model.WhoBody),
    Route("POST", "/missing/forget", Actions.forget_missing, Right.ADMIN,
          "A toy that is missing is off, a person has seen it: it is not looked for any more",
          stop_model.Forgotten, stop_model.ForgetBody),
    Route("POST", "/apps/mute", Actions.mute, Right.ADMIN,
          "Stop what an app drives, and refuse its outputs until it is unmuted, also after it comes"
          " back; the name is the app's, or that of its token",
          stop_model.StoppedView, stop_model.AppBody),
    Route("POST", "/apps/unmute", Actions.unmute, Right.ADMIN,
          "Let a muted app drive again", stop_model.HoldView, stop_model.AppBody),
    Route("POST", "/apps/disconnect", Actions.disconnect, Right.ADMIN,
          "Stop what an app drives and end its connection; it may come back",
          stop_model.DisconnectedView, stop_model.AppBody),
    Route("POST", "/scan", Actions.scan, Right.DRIVE,
          "Look for devices for a while", None, model.ScanBody, status=_NONE),
    Route("DELETE", "/scan", Actions.end_scan, Right.DRIVE,
          "Stop looking; scans of apps go on", status=_NONE),
    Route("GET", "/devices", Actions.devices, Right.LOOK,
          "The devices that are connected", list[model.LiveDeviceView]),
    Route("GET", "/devices/{index}", Actions.device, Right.LOOK,
          "One device", model.LiveDeviceView),
    Route("PUT", "/devices/{index}", Actions.change_device, Right.ADMIN,
          "Name, limit, deny or pin a device", model.DeviceSet, model.DeviceBody),
    Route("PUT", "/devices/{index}/outputs", Actions.output, Right.DRIVE,
          "Set an output for a while; it is stopped after for_ms unless the value is repeated",
          model.Sent, model.OutputBody),
    Route("GET", "/plays", _plays(PlayActions.plays), Right.READ,
          "Patterns that run in the hub", list[play_model.PlayView]),
    Route("POST", "/plays", _plays(PlayActions.start), Right.ADMIN,
          "Play a pattern, as long as it is renewed each 0.9 s, or for a time",
          play_model.PlayView, play_model.PlayBody, status=_MADE),
    Route("PUT", "/plays/{id}", _plays(PlayActions.change), Right.ADMIN,
          "Change a pattern that runs, and say that its page is still there",
          play_model.PlayView, play_model.PlayChange),
    Route("DELETE", "/plays/{id}", _plays(PlayActions.end), Right.ADMIN,
          "End a pattern, and stop what it drives", status=_NONE),
    Route("GET", "/devices/{index}/features/{feature}/inputs/{type}", Actions.read, Right.LOOK,
          "Ask the device for a reading, such as its battery", model.ReadingView),
    Route("GET", "/known", Actions.known, Right.READ,
          "Devices that were here once, also those that are denied", list[model.Known]),
    Route("GET", "/seen", _heard(SeenActions.seen), Right.READ,
          "Everything heard lately, and why it is not connected", seen_model.SeenList),
    Route("POST", "/seen", _heard(SeenActions.listen), Right.ADMIN,
          "Listen for a while what is there; nothing is connected for that",
          None, seen_model.ListenBody, status=_NONE),
    Route("GET", "/seen/{name}/skeleton", _heard(SeenActions.skeleton), Right.READ,
          "A definition file to fill in for an unknown device, by its name or address",
          seen_model.SkeletonView,
          query=(("protocol", "the name of the protocol, and of the file"),)),
    Route("GET", "/relays", Actions.relays, Right.READ,
          "The relays that are here, and those that are paired", list[model.RelayView]),
    Route("DELETE", "/relays/{name}", Actions.revoke_relay, Right.ADMIN,
          "Take a relay's key off the list and cut its link", model.Revoked),
    Route("POST", "/pairing", Actions.pair, Right.ADMIN,
          "A code to pair one relay with: link, QR code, and the page for phones",
          model.PairingView, model.PairingBody, status=_MADE),
    Route("GET", "/pairing/{id}", Actions.pairing, Right.ADMIN,
          "Whether the code is open, has been used, or is over", model.PairingState),
    Route("DELETE", "/pairing/{id}", Actions.withdraw, Right.ADMIN,
          "Withdraw a code", status=_NONE),
    Route("POST", "/comparing", _comparing(ComparingActions.open), Right.ADMIN,
          "Open the dialog for a relay that pairs by a code; it closes when nobody looks",
          model.ComparingView),
    Route("GET", "/comparing", _comparing(ComparingActions.look), Right.ADMIN,
          "Look at it, which keeps it open", model.ComparingView),
    Route("POST", "/comparing/same", _comparing(ComparingActions.same), Right.ADMIN,
          "A person says that both screens show this code", model.ComparingView,
          model.ComparedBody),
    Route("POST", "/comparing/different", _comparing(ComparingActions.different), Right.ADMIN,
          "A person says that they do not", model.ComparingView, model.ComparedBody),
    Route("DELETE", "/comparing", _comparing(ComparingActions.close), Right.ADMIN,
          "Close the dialog", status=_NONE),
    Route("GET", "/tokens", Actions.tokens, Right.READ,
          "Tokens for clients beyond this machine; no secret in them", list[model.TokenView]),
    Route("POST", "/tokens", Actions.new_token, Right.ADMIN,
          "Make a token", model.TokenMade, model.TokenBody, status=_MADE),
    Route("DELETE", "/tokens/{name}", Actions.revoke_token, Right.ADMIN,
          "Revoke a token and end the clients that came with it", model.TokenRevoked),
    Route("GET", "/shares", _shares(ShareActions.shares), Right.READ,
          "What guests may do, and who of them is here; no secret in it",
          list[share_model.ShareView]),
    Route("POST", "/shares", _shares(ShareActions.new), Right.ADMIN,
          "Share devices with one person: a link for a browser",
          share_model.ShareMade, share_model.ShareBody, status=_MADE),
    Route("DELETE", "/shares", _shares(ShareActions.end_all), Right.ADMIN,
          "End every share, and stop what their guests drive", share_model.ShareEnded),
    Route("POST", "/shares/renew", _shares(ShareActions.renew), Right.ADMIN,
          "Another link to the same share; the old one ends, and who came with it",
          share_model.ShareMade, share_model.ShareRenew, status=_MADE),
    Route("POST", "/shares/limit", _shares(ShareActions.limit), Right.ADMIN,
          "Another ceiling; what is driven is stopped first",
          share_model.ShareView, share_model.ShareLimit),
    Route("POST", "/shares/allow", _shares(ShareActions.allow), Right.ADMIN,
          "Let guests that wait drive, from now on",
          share_model.ShareView, share_model.ShareAnswer),
    Route("POST", "/shares/refuse", _shares(ShareActions.refuse), Right.ADMIN,
          "Send a guest away for good, and stop what it drives",
          share_model.ShareView, share_model.ShareAnswer),
    Route("DELETE", "/shares/{name}", _shares(ShareActions.end), Right.ADMIN,
          "End a share, and stop what its guests drive", share_model.ShareEnded),
    Route("GET", "/accepted", _shares(ShareActions.accepted), Right.READ,
          "Shares of other hubs whose devices are here", list[share_model.AcceptedView]),
    Route("POST", "/accepted", _shares(ShareActions.accept), Right.ADMIN,
          "Accept a share link: its devices come to this hub",
          share_model.AcceptedView, share_model.AcceptBody, status=_MADE),
    Route("DELETE", "/accepted/{name}", _shares(ShareActions.leave), Right.ADMIN,
          "Leave a share; its devices stop, and go", status=_NONE),
    Route("GET", "/switches", _switches(SwitchActions.switches), Right.READ,
          "What a person may switch, and what has decided the rest", switch_model.SwitchesView),
    Route("PUT", "/switches", _switches(SwitchActions.change), Right.ADMIN,
          "Switch something: the hub starts anew, devices are stopped, apps connect again",
          switch_model.SwitchesSaved, switch_model.SwitchesBody),
    Route("GET", "/checks", _looks(CheckActions.checks), Right.READ,
          "What is in the way, and what to do about it: looks at it all, for some seconds at most",
          check_model.ChecksView),
    Route("POST", "/admin-token", Actions.renew_admin, Right.ADMIN,
          "Replace the admin token; whoever is here with the old one has to leave",
          model.AdminToken, status=_MADE),
    Route("GET", "/origins", Actions.origins, Right.READ,
          "Web pages that may connect, and those that wait for an answer", model.OriginsView),
    Route("POST", "/origins", Actions.allow_origin, Right.ADMIN,
          "Allow a web page", model.OriginsView, model.OriginBody),
    Route("DELETE", "/origins", Actions.forget_origin, Right.ADMIN,
          "Refuse a web page", model.OriginsView, query=(("origin", "such as https://a.example"),)),
    Route("GET", "/log", Actions.log, Right.READ,
          "The newest lines of the log", list[model.LogLine],
          query=(("since", "only lines after this number"),)),
    Route("GET", "/catalogue", Actions.catalogue, Right.LOOK,
          "Models that can be driven", list[model.CatalogueView],
          query=(("search", "words that all must occur in name, protocol or identifier"),)),
)  # fmt: skip
