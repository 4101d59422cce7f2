"""The documents of the API, as they stand in its OpenAPI description; JSON names are these names.

Names and texts that came from a peer are neutralised when these are made. `steps` are what a
Buttplug client sends: whole numbers within the range that the output shows.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from forwarder.api.bounds import DEFAULT_FOR_MS, MAX_FOR_MS
from forwarder.api.documents.base import DeviceIndex as DeviceIndex
from forwarder.api.documents.base import Document as Document
from forwarder.api.documents.base import Percent as Percent
from forwarder.api.documents.base import RequestBody as RequestBody
from forwarder.api.documents.base import Share as Share
from forwarder.api.documents.base import ShownName as ShownName
from forwarder.api.documents.pairing import ComparedBody as ComparedBody
from forwarder.api.documents.pairing import ComparingView as ComparingView
from forwarder.api.documents.pairing import DirectView as DirectView
from forwarder.api.documents.pairing import MeetingView as MeetingView
from forwarder.api.documents.pairing import PairingBody as PairingBody
from forwarder.api.documents.pairing import PairingState as PairingState
from forwarder.api.documents.pairing import PairingView as PairingView
from forwarder.api.documents.pairing import PathView as PathView
from forwarder.api.documents.seen import ChoiceView as ChoiceView
from forwarder.api.documents.seen import PinView as PinView
from forwarder.api.documents.stop import HoldView as HoldView
from forwarder.buttplug.messages import InputType, OutputType
from forwarder.sources.relays.choosing.pins import How as How


class Problem(Document, frozen=True):
    """Every answer with a status of 400 or above."""

    error: str


class AdminToken(Document, frozen=True):
    """The new admin token; the old one has ended."""

    token: str


class PageToken(Document, frozen=True):
    """What a dashboard that is open on the hub's machine calls the API with, for this run."""

    token: str


# --- hub ---------------------------------------------------------------------------------------


class HubView(Document, frozen=True):
    """`name`: of this hub. `client_url`: where apps on its machine connect; `dashboard_url`: where
    people there look. `page_url`: https for phones, if any.

    `lan`: relays elsewhere may connect. `fingerprint`: SHA-256 of the certificate for https.
    `meetings`: where relays from elsewhere find it; `direct`: by which paths too, if any.
    `stall_ms`: the longest time that it stood still, and `stall_in` in which function, if seen.
    """

    name: str
    version: str
    client_url: str
    dashboard_url: str
    page_url: str | None
    fingerprint: str | None
    lan: bool
    scanning: bool
    up_s: int
    stall_ms: float
    stall_in: str
    meetings: tuple[MeetingView, ...]
    direct: DirectView | None


class Drives(Document, frozen=True):
    """One feature that a client drives now. `steps` is what it was told last."""

    device: DeviceIndex
    device_name: str
    feature: DeviceIndex
    type: OutputType
    steps: int


class ClientView(Document, frozen=True):
    """`kind`: app, hub (another one), guest, dashboard, script. `token`: the name of its token, or
    of the share of a guest."""

    name: str
    kind: str
    version: int | None
    token: str | None
    muted: bool
    drives: tuple[Drives, ...]


class CeilingView(Document, frozen=True):
    """The wearer's limit in percent; without `output` it holds for all of them."""

    output: str | None
    percent: Share


class RadioPartView(Document, frozen=True):
    kind: str
    name: str
    on: bool
    text: str


class RadioView(Document, frozen=True):
    """`parts`: each radio of a relay that has several; `on` if one of them is."""

    kind: str
    name: str
    on: bool
    text: str
    parts: tuple[RadioPartView, ...]


class RelayView(Document, frozen=True):
    """`paired`: it may be revoked. `blocked`: why outputs are refused now, in words.

    `path`: what carries its link. `round_trip_ms`: hub → relay → hub over it, running mean.
    """

    name: str
    paired: bool
    connected: bool
    platform: str
    software: str
    path: PathView | None
    round_trip_ms: float | None
    radio: RadioView | None
    paused: bool
    stopped: bool
    blocked: str | None
    ceilings: tuple[CeilingView, ...]
    max_run_s: int
    devices: tuple[DeviceIndex, ...]
    free_slots: int


# --- devices -----------------------------------------------------------------------------------


class Limit(Document, frozen=True):
    """The user's limit of one output, in percent of what the device can do."""

    lowest: Share = 0
    highest: Share = 100
    disabled: bool = False


class OutputView(Document, frozen=True):
    """`range`: steps from the lowest to the highest, after all limits; -high for two directions.

    `duration_ms`: the shortest and the longest, for outputs that take one.
    """

    range: tuple[int, int]
    duration_ms: tuple[int, int] | None


class FeatureView(Document, frozen=True):
    """`limits`: what the user decided, also about outputs that are disabled and so not shown."""

    index: DeviceIndex
    description: str
    outputs: dict[OutputType, OutputView]
    inputs: tuple[InputType, ...]
    limits: dict[OutputType, Limit]


class DeviceView(Document, frozen=True):
    """What changes seldom. `shown_name`: the user's name for it, else its own.

    `source`: the relay or server that has it. `pinned`: the only relay that may connect it; `pins`:
    everything that a person decided about relays and it.
    """

    index: DeviceIndex
    name: str
    display_name: str | None
    shown_name: str
    protocol: str
    source: str
    pinned: str | None
    pins: tuple[PinView, ...]
    gap_ms: int
    features: tuple[FeatureView, ...]


class Level(Document, frozen=True):
    """What a feature was last told. `percent` of the range shown. `driven_by`: a client's name."""

    type: OutputType
    steps: int
    percent: float
    driven_by: str | None


class LiveView(Document, frozen=True):
    """What changes all the time. `levels` by feature index; features never driven are absent.

    `may_run`: the features of which nobody knows whether they run; they count as running.
    `notice`: what a person should know about it now, in words. `battery` in percent, and how old
    that is. `rssi_dbm`: when it was last heard before it was connected. `link_ms`: the relay's
    round trip; `radio_ms`: what the newest command took beyond that. `choice`: the relays that
    were judged when it was connected, the best first.
    """

    running: bool
    may_run: tuple[DeviceIndex, ...]
    notice: str | None
    levels: dict[str, Level]
    battery: int | None
    battery_age_s: int | None
    rssi_dbm: int | None
    link_ms: float | None
    radio_ms: float | None
    commands: int
    choice: tuple[ChoiceView, ...]


class LiveDeviceView(DeviceView, frozen=True):
    live: LiveView


class Known(Document, frozen=True):
    """A device that was here once, or about which the user decided something."""

    index: DeviceIndex | None
    name: str
    protocol: str
    connected: bool
    denied: bool


class StatusView(Document, frozen=True):
    hub: HubView
    hold: HoldView
    relays: tuple[RelayView, ...]
    devices: tuple[LiveDeviceView, ...]
    clients: tuple[ClientView, ...]


# --- what callers send -------------------------------------------------------------------------


class OutputBody(RequestBody, frozen=True):
    """One value for one output: `steps` or `percent` of the range, one of them.

    Without `feature` it goes to every feature that has an output of this `type`. After `for_ms`
    what was started is stopped, unless another command came; 1 to 60,000.
    """

    type: OutputType
    feature: DeviceIndex | None = None
    steps: int | None = None
    percent: Percent | None = None
    duration_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None
    for_ms: Annotated[int, Meta(ge=1, le=MAX_FOR_MS)] = DEFAULT_FOR_MS


class ScanBody(RequestBody, frozen=True):
    for_s: Annotated[float, Meta(gt=0, le=600)] = 30


class LimitBody(RequestBody, frozen=True):
    """A limit in percent of what the device can do; `disabled` takes the output away."""

    feature: DeviceIndex
    type: OutputType
    lowest: Share = 0
    highest: Share = 100
    disabled: bool = False


class DeviceBody(RequestBody, frozen=True):
    """What the user decides about a device; absent fields stay as they are.

    `display_name` and `pin` may be null to take them back. `pin`: the name of a relay, `pin_how`:
    that one alone, before the others where it can, or never.
    """

    display_name: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    limits: tuple[LimitBody, ...] | UnsetType = UNSET
    deny: bool | UnsetType = UNSET
    pin: ShownName | UnsetType | None = UNSET
    pin_how: How = How.ONLY


class DeviceSet(Document, frozen=True):
    """`text`: what was done, in words."""

    text: str


class Sent(Document, frozen=True):
    """How many features took the value; the radio has accepted it."""

    features: int


class ReadingView(Document, frozen=True):
    value: int


# --- relays ------------------------------------------------------------------------------------


class Revoked(Document, frozen=True):
    """`cut`: a live link was ended."""

    name: str
    cut: bool


# --- tokens, origins, log, catalogue ------------------------------------------------------------


class TokenBody(RequestBody, frozen=True):
    """`devices`: indexes or names, a trailing * makes a prefix. `percent`: highest level."""

    name: ShownName
    devices: tuple[ShownName, ...] = ()
    outputs: tuple[ShownName, ...] = ()
    percent: Annotated[float, Meta(gt=0, le=100)] = 100
    valid_s: Annotated[float, Meta(gt=0, le=10 * 366 * 86_400)] | None = None


class TokenMade(Document, frozen=True):
    """The only time that the token can be read."""

    name: str
    token: str
    url: str


class TokenView(Document, frozen=True):
    """`expires`: Unix time. `clients`: how many are connected with it now."""

    name: str
    devices: tuple[str, ...]
    outputs: tuple[OutputType, ...]
    percent: float
    expires: float | None
    clients: int


class TokenRevoked(Document, frozen=True):
    name: str
    clients: int


class OriginBody(RequestBody, frozen=True):
    origin: Annotated[str, Meta(min_length=1, max_length=256)]


class OriginsView(Document, frozen=True):
    """`asked`: web pages that wait for an answer → how often each came."""

    allowed: tuple[str, ...]
    asked: dict[str, int]


class LogLine(Document, frozen=True):
    """`time`: Unix time. `level`: info, warning or error."""

    n: int
    time: float
    level: str
    text: str


class CatalogueView(Document, frozen=True):
    """`outputs` and `inputs`: kinds, each as often as the device has it."""

    name: str
    protocol: str
    outputs: tuple[OutputType, ...]
    inputs: tuple[InputType, ...]
    identifiers: tuple[str, ...]
