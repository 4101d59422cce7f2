"""The hub's configuration: a TOML file whose every key has a default and one sentence of meaning.

Secrets are never values here, only paths to files. Unknown keys are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs
from msgspec import Meta, Struct

from forwarder.buttplug.messages import OutputType
from forwarder.sources.relays.choosing.pins import How
from relay.link.names import machine_name
from relay.wanted import NamedRadios

CLIENT_PORT = 12345
LINK_PORT = 12346
HTTPS_PORT = 12347
MEETING_PORT = 12348
DIRECT_PORT = 12349  # UDP
WEBSOCKET_DEVICE_PORT = 54817
LOVENSE_PORT = 20010
OSC_PORT = 9001
MQTT_PORT = 1883

Port = Annotated[int, Meta(ge=0, le=65535)]
Url = Annotated[str, Meta(min_length=1, max_length=512)]


class _Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class TlsSection(_Table, frozen=True):
    """A certificate of the user's. `certificate` and `key`: PEM files."""

    certificate: Path
    key: Path


class DialSection(_Table, frozen=True):
    """A websocket server that the hub calls.

    fingerprint    SHA-256 of its certificate, if it is not a public one
    """

    url: Url
    fingerprint: str | None = None


class Clients(_Table, frozen=True):
    """How Buttplug clients reach the hub.

    port           where clients connect; 0 takes a free one
    hosts          addresses to listen on; whoever is not on this machine needs a token
    trusted        IP addresses of other machines whose programs need no token. Whoever else is on
                   that network can pretend to be one of them
    tls            serve wss with this certificate, instead of ws
    wss            serve wss instead of ws, without `tls` with a generated certificate
    origins        web pages that may connect, besides those of this machine; with a token one that
                   is named here may use the API, too
    ask_origins    other pages wait to be allowed on the dashboard instead of being refused
    max_ping_ms    0, or how often clients must ping at least
    server_name    what clients show
    dial           websocket servers of apps that the hub calls, instead of being called: addresses,
                   or tables of an address and a fingerprint
    """

    port: Port = CLIENT_PORT
    hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    trusted: tuple[str, ...] = ()
    tls: TlsSection | None = None
    wss: bool = False
    origins: tuple[str, ...] = ()
    ask_origins: bool = True
    max_ping_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    server_name: Annotated[str, Meta(min_length=1, max_length=64)] = "Buttplug Forwarder"
    dial: tuple[Url | DialSection, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether this port speaks TLS: who gives a certificate wants it used."""
        return self.wss or self.tls is not None

    @property
    def scheme(self) -> str:
        return "wss" if self.secure else "ws"


# A public meeting point that hubs register at unless told otherwise: there is none today.
DEFAULT_MEET: tuple[str, ...] = ()
# In place of an iroh relay: those that iroh's makers run.
PUBLIC_RELAYS = "public"


class Link(_Table, frozen=True):
    """How relays reach the hub, and the dashboard and the API.

    port           0 takes a free one
    lan            listen on all addresses, for relays elsewhere; they must be paired
    beacon         with `lan`: show itself by mDNS to relays that have paired, and only to them, so
                   that they find this hub at another address
    https_port     https for the phone page, with a certificate of its own; 0: none
    tls            the certificate for it, instead of the generated one
    names          host names that this machine is called by, besides its addresses
    meet           meeting points where relays from elsewhere find this hub
    meet_here      the public address of a meeting point in this hub itself, which a tunnel or proxy
                   of this machine leads to `meet_port`
    meet_port      where that meeting point listens, on this machine only
    direct         direct paths to relays elsewhere, by this hub's key (the extra `p2p`)
    direct_port    the UDP port for them; 0: any
    direct_at      addresses, IP:PORT, from which a router leads to that port
    iroh_relays    iroh relays by which both ends find a way, or "public" for those of iroh's
                   makers; with one of them `direct` is on
    """

    port: Port = LINK_PORT
    lan: bool = False
    beacon: bool = True
    https_port: Port = HTTPS_PORT
    tls: TlsSection | None = None
    names: tuple[str, ...] = ()
    meet: Annotated[tuple[Url, ...], Meta(max_length=4)] = DEFAULT_MEET
    meet_here: Url | None = None
    meet_port: Port = MEETING_PORT
    direct: bool = False
    direct_port: Port = DIRECT_PORT
    direct_at: Annotated[tuple[Url, ...], Meta(max_length=2)] = ()
    iroh_relays: Annotated[tuple[Url, ...], Meta(max_length=4)] = ()


class RadioSection(NamedRadios, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Radios of this machine, without a relay of their own. Which: see NamedRadios.

    simulate       toys to simulate: device names or advertised names
    local          use this machine's Bluetooth
    adapter        the only one, as it was said before there were several; counts with `local`
    """

    simulate: tuple[str, ...] = ()
    local: bool = False
    adapter: str | None = None

    @property
    def own(self) -> NamedRadios:
        """The radios that are named, either way."""
        return self.with_adapter(self.adapter if self.local else None)


class Upstream(_Table, frozen=True):
    """Another Buttplug server whose devices appear here.

    name           what it is called; indexes of its devices hang on it
    dial           its address, if the hub calls it
    listen         a port where it calls us, instead; on this machine only
    fingerprint    SHA-256 of its certificate, if it is not a public one
    wss            serve wss instead of ws on `listen`, without `tls` with a generated certificate
    tls            serve wss with this certificate
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    dial: Url | None = None
    listen: Port | None = None
    fingerprint: str | None = None
    wss: bool = False
    tls: TlsSection | None = None

    @property
    def secure(self) -> bool:
        """Whether `listen` speaks TLS."""
        return self.wss or self.tls is not None


class WebsocketDevices(_Table, frozen=True):
    """Devices that dial in by themselves (Buttplug's device websocket server).

    enabled        off unless wanted: these devices cannot prove who they are
    port           where they dial in
    hosts          addresses to listen on
    """

    enabled: bool = False
    port: Port = WEBSOCKET_DEVICE_PORT
    hosts: tuple[str, ...] = ("127.0.0.1", "::1")


class PinSection(_Table, frozen=True):
    """Which relay may have the device at this address.

    address        the device's, as `forwarder seen` shows it
    relay          its name
    how            only: no other may; prefer: it comes first where it can; never: it may not
    """

    address: Annotated[str, Meta(min_length=1, max_length=64)]
    relay: Annotated[str, Meta(min_length=1, max_length=128)]
    how: How = How.ONLY


class DevicesSection(_Table, frozen=True):
    """What is known about devices.

    official       a buttplug-device-config-v5.json (or v4) that is newer than what is built in
    user           Intiface's user device configuration; default: devices.json in the state folder.
                   Read again when it is changed; what is wrong in it then changes nothing
    catalogue      a folder of more protocol files
    pins           which relay may have what, in tables: of an address and a relay's name
    """

    official: Path | None = None
    user: Path | None = None
    catalogue: Path | None = None
    pins: tuple[PinSection, ...] = ()


class BridgeSection(_Table, frozen=True):
    """What every bridge has: apps of another protocol, as one client of the hub.

    enabled        off unless wanted
    devices        indexes or names it may use, a trailing * for all that begin so; empty: all
    outputs        kinds of outputs it may use, such as "Vibrate"; empty: all
    level          the highest share of each output's range, 0 to 1
    """

    enabled: bool = False
    devices: tuple[str, ...] = ()
    outputs: tuple[OutputType, ...] = ()
    level: Annotated[float, Meta(ge=0, le=1)] = 1.0


class LovenseSection(BridgeSection, frozen=True):
    """Apps that only speak the Lovense LAN API ("Game Mode").

    port           where they connect
    hosts          addresses to listen on
    allowed        IP addresses of other machines that may connect; they need no token, for apps of
                   this protocol have none, and whoever else is on that network can pretend
    silence_s      what was started without an end goes on for so long after its app's last word
    tls            serve https with this certificate, instead of http
    """

    port: Port = LOVENSE_PORT
    hosts: tuple[str, ...] = ("127.0.0.1", "::1")
    allowed: tuple[str, ...] = ()
    silence_s: Annotated[float, Meta(ge=1, le=3600)] = 10.0
    tls: TlsSection | None = None


class OscLinkSection(_Table, frozen=True):
    """Which parameters of an avatar drive what.

    parameters     names without "/avatar/parameters/", with * and ?; empty: the usual touches
    devices        indexes or names; empty: all
    output         a kind of output, such as "Vibrate"; without: what vibrates, oscillates, turns or
                   squeezes
    scale          the level is the value times this, 1 at most
    dead_zone      values up to this are nothing
    """

    parameters: tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...] = ()
    devices: tuple[str, ...] = ()
    output: OutputType | None = None
    scale: Annotated[float, Meta(gt=0, le=100)] = 1.0
    dead_zone: Annotated[float, Meta(ge=0, lt=1)] = 0.0


class OscSection(BridgeSection, frozen=True):
    """VRChat and others that send OSC.

    port           where they send to (UDP); VRChat's own choice is 9001
    host           the address to listen on
    allowed        IP addresses of other machines that are heard
    hold_s         a value counts for so long: games send changes only, and UDP has no end
    links          which parameters drive what; empty: touches by others, all toys
    """

    port: Port = OSC_PORT
    host: str = "127.0.0.1"
    allowed: tuple[str, ...] = ()
    hold_s: Annotated[float, Meta(ge=0.5, le=600)] = 5.0
    links: tuple[OscLinkSection, ...] = ()


class MqttSection(BridgeSection, frozen=True):
    """An MQTT broker, with Home Assistant's discovery.

    broker         its host name or address
    port           1883, or 8883 with `tls`
    user           who logs in there
    password_file  a file with the password, open to nobody else
    tls            whether the connection is encrypted; the broker's certificate is checked
    ca             certificates (PEM) to check it with, instead of the system's
    prefix         where Home Assistant looks for devices
    names          tell the broker the toys' names, which all of its users can read
    """

    broker: Annotated[str, Meta(min_length=1, max_length=255)] = "localhost"
    port: Port = MQTT_PORT
    user: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca: Path | None = None
    prefix: Annotated[str, Meta(min_length=1, max_length=64)] = "homeassistant"
    names: bool = False


class BridgesSection(_Table, frozen=True):
    """Other protocols that apps speak."""

    lovense: LovenseSection = LovenseSection()
    mqtt: MqttSection = MqttSection()
    osc: OscSection = OscSection()


class GroupSection(_Table, frozen=True):
    """Several toys that apps see as one more device.

    name           what that device is called
    devices        indexes, or names with * and ?; empty: all
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    devices: tuple[str, ...] = ()


class StandIn(_Table, frozen=True):
    """A toy that apps see as one more device, of another kind.

    device         its index, or its name with * and ?
    role           "stroker": positions make it vibrate, the faster the stronger; "vibrator": levels
                   make it stroke
    low, high      between which places it strokes, 0 to 1
    """

    device: Annotated[str, Meta(min_length=1, max_length=128)]
    role: Literal["stroker", "vibrator"]
    low: Annotated[float, Meta(ge=0, le=1)] = 0.0
    high: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Config(_Table, frozen=True):
    """Everything.

    name           what relays and people call this hub; without it the machine's own name
    state          where keys, tokens and indexes live; the system's usual place if nothing is said
    trace          a file that each radio operation is written to, as a JSON line
    mdns           announce it by mDNS to apps, with this machine's name
    """

    name: Annotated[str, Meta(min_length=1, max_length=64)] = msgspec.field(
        default_factory=lambda: machine_name("hub")
    )
    state: Path | None = None
    trace: Path | None = None
    mdns: bool = False
    clients: Clients = Clients()
    link: Link = Link()
    radio: RadioSection = RadioSection()
    upstream: tuple[Upstream, ...] = ()
    websocket_devices: WebsocketDevices = WebsocketDevices()
    devices: DevicesSection = DevicesSection()
    bridges: BridgesSection = BridgesSection()
    groups: tuple[GroupSection, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()

    @property
    def state_dir(self) -> Path:
        """Where keys, tokens and indexes live."""
        if self.state is not None:
            return self.state
        return Path(platformdirs.user_state_dir("buttplug-forwarder", appauthor=False))

    @property
    def radio_state(self) -> Path:
        """Where the relays of this machine's own radios keep theirs."""
        return self.state_dir / "radio"
