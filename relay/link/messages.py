"""What hub and relay say to each other. The wire form and the rules are in README.md here.

Every message is a MessagePack map whose key `t` holds the class name; keys that hold their default
are left out. Times are milliseconds, and microseconds where the name ends in `_us`. Byte strings
are MessagePack `bin`. A peripheral is named by a number that the hub chooses when it connects; a
characteristic by its handle, a number that the relay chooses when it reports the services. What
goes over the link all the time has one letter there, and its long name here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from relay.link.bounds import MICROS_MOST, MOST_ITEMS

VERSION = 2

U8 = Annotated[int, Meta(ge=0, le=255)]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Micros = Annotated[int, Meta(ge=0, le=MICROS_MOST)]
Millis = Annotated[int, Meta(ge=0, le=3_600_000)]
# Names and texts come from a peer: bounded here, neutralised where they are shown.
Name = Annotated[str, Meta(max_length=128)]
Text = Annotated[str, Meta(max_length=512)]
Address = Annotated[str, Meta(min_length=1, max_length=64)]
# What two host names of the longest kind take, and a path.
PlaceUrl = Annotated[str, Meta(min_length=1, max_length=512)]
Uuid = Annotated[str, Meta(min_length=36, max_length=36)]
# ATT limits an attribute value to 512 bytes (Bluetooth core, vol 3 part F, 3.2.9).
Bytes = Annotated[bytes, Meta(max_length=512)]
# Of every list and map that has no smaller bound of its own.
_Most = Meta(max_length=MOST_ITEMS)
Names = Annotated[tuple[Name, ...], _Most]
Uuids = Annotated[tuple[Uuid, ...], _Most]


class _Message(Struct, frozen=True, tag_field="t", omit_defaults=True, gc=False):
    pass


class ErrorCode(StrEnum):
    """Why a request failed; decides what the hub does next."""

    NOT_FOUND = "not_found"  # the peripheral is not in range; ask again after an advertisement
    BUSY = "busy"  # no free connection slot, or the radio is occupied; try again later
    TIMEOUT = "timeout"  # the peripheral did not answer in time
    GONE = "gone"  # the peripheral is not connected
    REFUSED = "refused"  # the peripheral or the radio said no; the same request fails again
    GATE = "gate"  # not armed, not leased, paused or stopped: see the gate's states
    CONGESTED = "congested"  # a queue is full
    UNSUPPORTED = "unsupported"  # this relay cannot do that
    RADIO = "radio"  # the radio itself is in trouble
    LATE = "late"  # its time was over when it came; the device was told nothing


class StopCause(StrEnum):
    """Why a relay stopped a peripheral on its own."""

    LEASE = "lease"
    LINK = "link"
    PAUSE = "pause"
    EMERGENCY = "emergency"
    SHUTDOWN = "shutdown"
    RADIO = "radio"
    STALL = "stall"
    RUN_TIME = "run_time"


# --- values inside messages --------------------------------------------------------------------


class Counter(Struct, frozen=True, omit_defaults=True, gc=False):
    """A running number inside a packet: byte `at` is replaced by the last one sent plus one.

    `xor_at` is a checksum byte that is xored with old ^ new, so that it stays right.
    """

    at: U8
    xor_at: U8 | None = None


class Packet(Struct, frozen=True, omit_defaults=True, gc=False):
    """One GATT write. `keys`: of slots; a newer packet replaces a queued one that shares a key.

    `after_ms` delays it behind the packet before it.
    """

    handle: U16 = field(name="h")
    data: Bytes = field(name="d")
    response: bool = field(default=False, name="r")  # write with response
    keys: Annotated[tuple[U16, ...], _Most] = field(default=(), name="k")
    after_ms: Millis = 0
    counter: Counter | None = None


class KeepAlive(Struct, frozen=True, omit_defaults=True, gc=False):
    """What the relay repeats. While an output is on: `packet`, or the last ones written by key.

    At rest: what was written last to rest, or the armed stop; without a lease the armed stop.
    `only_running`: only while an output is on. `only_demanded`: only on radios that need traffic.
    """

    every_ms: Annotated[int, Meta(ge=20, le=60_000)]
    packet: Packet | None = None
    only_running: bool = False
    only_demanded: bool = False


class Characteristic(Struct, frozen=True, omit_defaults=True, gc=False):
    """`properties`: of read, write, write-without-response, notify, indicate."""

    handle: U16 = field(name="h")
    uuid: Uuid
    properties: Names = ()


class Service(Struct, frozen=True, omit_defaults=True, gc=False):
    uuid: Uuid
    characteristics: Annotated[tuple[Characteristic, ...], _Most] = ()


class Signal(Struct, frozen=True, omit_defaults=True, gc=False):
    """How well one radio of a relay that has several hears a peripheral, in dBm."""

    radio: Name
    rssi: Annotated[int, Meta(ge=-128, le=127)]


class Advertisement(Struct, frozen=True, omit_defaults=True, gc=False):
    """`manufacturer`: company number → data without the number. `rssi` in dBm, 0 when unknown;
    `radios`: the same for each radio of a relay that has several."""

    address: Address
    name: Name | None = None
    rssi: Annotated[int, Meta(ge=-128, le=127)] = 0
    services: Uuids = ()
    manufacturer: Annotated[dict[U16, Bytes], _Most] = {}
    radios: Annotated[tuple[Signal, ...], Meta(max_length=16)] = ()


class Held(Struct, frozen=True, omit_defaults=True, gc=False):
    """A peripheral that the relay kept connected while the link was down."""

    address: Address


class Debt(Struct, frozen=True, omit_defaults=True, gc=False):
    """A peripheral that is not connected and may be running: it owes a stop.

    `lost_s`: how long ago it was lost, as far as this relay knows.
    """

    address: Address
    name: Name = ""
    lost_s: U32 = 0


class Ceiling(Struct, frozen=True, omit_defaults=True, gc=False):
    """The wearer's limit: outputs of type `output` (all if absent) go to `level` of 1 at most.

    `address` names one peripheral; absent means all of this relay. `level` 0 takes the output away.
    """

    level: Annotated[float, Meta(ge=0, le=1)]
    output: Name | None = None
    address: Address | None = None


class RadioPart(Struct, frozen=True, omit_defaults=True, gc=False):
    """One radio of several; as in RadioInfo."""

    kind: Name
    name: Name = ""
    on: bool = True
    slots: U8 | None = None
    text: Text = ""


class RadioInfo(Struct, frozen=True, omit_defaults=True, gc=False):
    """`kind`: bleak, esphome, dongle, serial, tcode, hid, gamepad, xinput, advertised, simulated,
    web. `slots`: connections it can still take, None if unknown. `parts`: each radio of a relay
    that has several (`kind` several); `on` if one is."""

    kind: Name
    name: Name = ""
    on: bool = True
    slots: U8 | None = None
    text: Text = ""
    parts: Annotated[tuple[RadioPart, ...], Meta(max_length=16)] = ()


# --- relay → hub -------------------------------------------------------------------------------


class Hello(_Message, frozen=True, tag=True):
    """First message of a relay. `capabilities`: what this relay can do beyond the core.

    scan     finds peripherals by itself (else: a person chooses them, see Interests)
    chooser  needs Interests before a person can choose
    status   shows Status to the person at the relay
    supervised  what it drives is stopped even when the relay's own process dies or freezes
    places   keeps where the hub is to be found, see Places
    guests   shows GuestList to the person at the relay, who may answer

    `grace_ms`: how long it keeps peripherals connected, stopped, for a hub that went away.
    """

    version: U16
    name: Name
    software: Name = ""
    platform: Name = ""
    capabilities: Names = ()
    radio: RadioInfo | None = None
    held: Annotated[tuple[Held, ...], _Most] = ()
    max_peripherals: U8 = 16
    grace_ms: Millis = 60_000


class Advertisements(_Message, frozen=True, tag=True):
    items: Annotated[tuple[Advertisement, ...], _Most]


class Connected(_Message, frozen=True, tag=True):
    """Answer to Connect. `resumed`: it was still connected, subscriptions and handshake hold."""

    id: U32
    services: Annotated[tuple[Service, ...], _Most]
    mtu: U16 = 23
    resumed: bool = False


class Done(_Message, frozen=True, tag=True):
    """The request was carried out. `superseded`: a newer value took its place before the radio."""

    id: U32
    superseded: bool = False


class Value(_Message, frozen=True, tag=True):
    """Answer to Read."""

    id: U32
    data: Bytes = field(name="d")


class Failed(_Message, frozen=True, tag=True):
    """`full`: a Connect failed because no place is free here; the peripheral is not to blame."""

    id: U32
    code: ErrorCode
    text: Text = ""
    full: bool = False


class Notification(_Message, frozen=True, tag=True):
    peripheral: U16 = field(name="p")
    handle: U16 = field(name="h")
    data: Bytes = field(name="d")


class Disconnected(_Message, frozen=True, tag=True):
    """The peripheral is gone without having been asked to go."""

    peripheral: U16 = field(name="p")
    text: Text = ""


class Stopped(_Message, frozen=True, tag=True):
    """The relay ran the armed stop by itself; outputs are refused until armed and leased again.

    `ok` is false while the radio has not taken the stop; it is retried and reported again.
    `number` (`n` on the wire) counts these stops since the Connect, for Arm's `seen`.
    """

    peripheral: U16 = field(name="p")
    cause: StopCause
    ok: bool = True
    text: Text = ""
    number: U32 = field(default=0, name="n")


class Echo(_Message, frozen=True, tag=True):
    """Answer to Beat, at once: the hub's `time_us` back, and the relay's own clock."""

    number: U32 = field(name="n")
    time_us: Micros
    relay_us: Micros


class RadioState(_Message, frozen=True, tag=True):
    radio: RadioInfo


class Wearer(_Message, frozen=True, tag=True):
    """What the person at the relay wants. Sent after Hello and at each change."""

    paused: bool = False
    stopped: bool = False  # emergency stop: holds until resumed at the relay
    ceilings: Annotated[tuple[Ceiling, ...], _Most] = ()
    max_run_s: Annotated[int, Meta(ge=0, le=86_400)] = 0  # 0: no limit


class Debts(_Message, frozen=True, tag=True):
    """Every peripheral of this relay that owes a stop; sent after Hello if there is one, and at
    each change. The relay looks for them by itself, stops them, and lets them go."""

    items: Annotated[tuple[Debt, ...], _Most]


class GuestAnswer(_Message, frozen=True, tag=True):
    """The wearer's word about one of GuestList: it may drive, or it is sent away for good."""

    share: Name
    guest: U16
    allow: bool


class Stats(_Message, frozen=True, tag=True):
    """Counters since the relay started, for people; unknown keys are allowed."""

    values: Annotated[dict[Name, int | float], _Most]


# --- hub → relay -------------------------------------------------------------------------------


class Welcome(_Message, frozen=True, tag=True):
    """Answer to Hello. `active_ms`: lease of a device with an output on; `idle_ms`: else.

    `page`: which relay page comes with this hub, for a relay that is one and may be older.
    """

    version: U16
    hub: Name
    capabilities: Names = ()
    active_ms: Annotated[int, Meta(ge=100, le=10_000)] = 900
    idle_ms: Annotated[int, Meta(ge=1_000, le=60_000)] = 10_000
    page: Name = ""


class Places(_Message, frozen=True, tag=True):
    """Where this hub is to be found from now on, best first. Only to relays with the capability
    `places`: after Welcome, and at each change.

    `own`: URLs of its link; empty: as they were. `meetings`: the same at meeting points. `direct`:
    by direct paths, as relay.link.direct.place writes them.
    """

    own: Annotated[tuple[PlaceUrl, ...], Meta(max_length=16)] = ()
    meetings: Annotated[tuple[PlaceUrl, ...], Meta(max_length=8)] = ()
    direct: Annotated[tuple[PlaceUrl, ...], Meta(max_length=2)] = ()


class Interests(_Message, frozen=True, tag=True):
    """What the hub knows how to drive, for relays whose person chooses the peripheral."""

    services: Uuids
    names: Names = ()  # a trailing * makes it a prefix
    companies: Annotated[tuple[U16, ...], _Most] = ()


class Scan(_Message, frozen=True, tag=True):
    on: bool


class Connect(_Message, frozen=True, tag=True):
    """Connect `address` and call it `peripheral`; answered by Connected or Failed."""

    id: U32
    peripheral: U16 = field(name="p")
    address: Address
    timeout_ms: Millis = 20_000


class Disconnect(_Message, frozen=True, tag=True):
    """Stop the peripheral, then let it go."""

    id: U32
    peripheral: U16 = field(name="p")


class Arm(_Message, frozen=True, tag=True):
    """Hand over what stops this peripheral. Replaces what was armed before.

    `stop`: its packets. Empty: silence stops it, once the longest `moves_ms` is over. None: letting
    it go is its stop. Their pauses are a second at most in sum. `gap_ms`: the least time between
    two writes. `seen`: the newest Stopped.n that the hub knows of; an Arm that was on its way while
    the relay stopped the peripheral does not count, nor does one that names none.
    """

    id: U32
    peripheral: U16 = field(name="p")
    stop: Annotated[tuple[Packet, ...], Meta(max_length=32)] | None = None
    gap_ms: Millis = 0
    keepalive: KeepAlive | None = None
    seen: U32 | None = None


class Write(_Message, frozen=True, tag=True):
    """One write in order, never merged: handshakes and queries. Passes the gate like an Output."""

    id: U32
    peripheral: U16 = field(name="p")
    handle: U16 = field(name="h")
    data: Bytes = field(name="d")
    response: bool = field(default=False, name="r")


class Output(_Message, frozen=True, tag=True):
    """New values. Packets are written in order, newest per slot, the device's gap between writes.

    `merge`: other features share a packet with this one, so an idle peripheral waits a moment
    for their values. Done once the last packet was written, or something newer took its place.
    `rest`: every output is off once this was written, packets or not; nothing that ran before is
    repeated any more. `moves_ms`: what this starts is over after this time by itself; null: it
    goes on until something else is said. `at_us`: when it is to begin, by the relay's own clock
    (Echo.relay_us); null: now. `off`: what it changes is off after it, so that it is carried out
    however late it comes. Only to relays with the capability `timed`.
    """

    id: U32
    peripheral: U16 = field(name="p")
    packets: Annotated[tuple[Packet, ...], Meta(max_length=32)]
    merge: bool = False
    rest: bool = False
    moves_ms: Millis | None = None
    at_us: Micros | None = None
    off: bool = False


class Stop(_Message, frozen=True, tag=True):
    """Write these at once, before anything queued. `all`: nothing queued survives; else only what
    shares a slot with these packets is dropped. `rest`: as in Output.

    `seen`: the newest Stopped.n that the hub knows of. Where it is absent or not the newest, or
    the gate is not OPEN, the relay runs its armed stop in the place of these packets.
    """

    id: U32
    peripheral: U16 = field(name="p")
    packets: Annotated[tuple[Packet, ...], Meta(max_length=32)]
    all: bool = True
    rest: bool = False
    seen: U32 | None = None


class StopAll(_Message, frozen=True, tag=True):
    """Run every armed stop. Outputs are refused until armed and leased again."""

    id: U32


class Forget(_Message, frozen=True, tag=True):
    """A person has looked: this peripheral is off, so that it owes nothing. Answered by Done."""

    id: U32
    address: Address


class Read(_Message, frozen=True, tag=True):
    id: U32
    peripheral: U16 = field(name="p")
    handle: U16 = field(name="h")


class Subscribe(_Message, frozen=True, tag=True):
    id: U32
    peripheral: U16 = field(name="p")
    handle: U16 = field(name="h")


class Unsubscribe(_Message, frozen=True, tag=True):
    id: U32
    peripheral: U16 = field(name="p")
    handle: U16 = field(name="h")


class Beat(_Message, frozen=True, tag=True):
    """Heartbeat of the hub. `leases`: peripheral → milliseconds for which outputs may go on."""

    number: U32 = field(name="n")
    time_us: Micros
    leases: Annotated[dict[U16, Millis], _Most] = {}


class Driven(Struct, frozen=True, omit_defaults=True, gc=False):
    """`name`: as clients see the device. `level`: its strongest output now, 0 to 1.

    `clients`: whose commands it runs. `battery` in percent.
    """

    peripheral: U16 = field(name="p")
    name: Name = ""
    level: Annotated[float, Meta(ge=0, le=1)] = 0
    clients: Names = ()
    battery: Annotated[int, Meta(ge=0, le=100)] | None = None


class Status(_Message, frozen=True, tag=True):
    """What happens to this relay's peripherals, for the person there: all of them, at a change.

    Twice a second at most, and only to relays with the capability `status`. `rtt_us`: the round
    trip of the last Beat.
    """

    items: Annotated[tuple[Driven, ...], _Most] = ()
    rtt_us: Micros = 0


class GuestHere(Struct, frozen=True, omit_defaults=True, gc=False):
    """Somebody with a link to what this relay has, who is here. `share`: whom it is for; `guest`: a
    number among those who came by that link. `waits`: nobody has allowed it yet; `drives`: it moves
    something of this relay now. `browser`: as it calls itself."""

    share: Name
    guest: U16
    browser: Name = ""
    waits: bool = False
    drives: bool = False


class GuestList(_Message, frozen=True, tag=True):
    """Who is here by a share of what this relay has: all of them, at a change. Twice a second at
    most, and only to relays with the capability `guests`."""

    items: Annotated[tuple[GuestHere, ...], Meta(max_length=64)] = ()


# --- either way --------------------------------------------------------------------------------


class Bye(_Message, frozen=True, tag=True):
    """The last message before an orderly close. `retry` false: do not come back by yourself."""

    text: Text = ""
    retry: bool = True


FromRelay = (
    Hello
    | Advertisements
    | Connected
    | Done
    | Value
    | Failed
    | Notification
    | Disconnected
    | Stopped
    | Echo
    | RadioState
    | Wearer
    | Debts
    | GuestAnswer
    | Stats
    | Bye
)
FromHub = (
    Welcome
    | Places
    | Interests
    | Scan
    | Connect
    | Disconnect
    | Arm
    | Write
    | Output
    | Stop
    | StopAll
    | Forget
    | Read
    | Subscribe
    | Unsubscribe
    | Beat
    | Status
    | GuestList
    | Bye
)
Request = (
    Connect
    | Disconnect
    | Arm
    | Write
    | Output
    | Stop
    | StopAll
    | Forget
    | Read
    | Subscribe
    | Unsubscribe
)
Reply = Connected | Done | Value | Failed
Plain = dict[str, Any]
