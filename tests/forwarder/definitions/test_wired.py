"""Stand-in services of devices that are not Bluetooth."""

from __future__ import annotations

from uuid import UUID, uuid5

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.schema import Match, Serial
from forwarder.definitions.wired import stand_ins
from relay.link.messages import Advertisement, Characteristic, Service
from relay.link.stand_ins import NAMESPACE

CATALOGUE = Catalogue.load()


def test_a_serial_device_is_its_protocols_service() -> None:
    (service,) = stand_ins("tcode-v03", Match(serial=Serial(115200)))
    assert service == str(uuid5(NAMESPACE, "serial/tcode-v03"))
    # Written down, because relays in other languages rely on it.
    assert service == "c5bd2aa1-cb55-5a6f-8443-d323e30389b4"


def test_each_usb_id_is_a_service_with_the_same_endpoints() -> None:
    found = stand_ins("pads", Match(hid=((0x57E, 0x2006), (0x57E, 0x2007))))
    assert list(found) == [str(uuid5(NAMESPACE, f"hid/057e:200{n}")) for n in (6, 7)]
    for service, endpoints in found.items():
        assert endpoints == {name: str(uuid5(UUID(service), name)) for name in ("tx", "rx")}


def test_bluetooth_and_websocket_devices_need_none() -> None:
    assert stand_ins("x", Match()) == {}
    assert stand_ins("x", Match(websocket="x")) == {}


def test_any_of_several_controllers_is_recognised_and_reached() -> None:
    for service, endpoints in stand_ins("", Match(hid=((0x57E, 0x2009),))).items():
        (candidate,) = CATALOGUE.match(Advertisement("pad", "Pro Controller", services=(service,)))
        assert candidate.protocol == "nintendo-joycon"
        gatt = Service(service, (Characteristic(1, endpoints["tx"]),))
        assert candidate.endpoints((gatt,)) == {"tx": 1}


def test_the_name_tells_which_toy_is_behind_an_app() -> None:
    (service,) = stand_ins("lovense-connect-service", Match(http=True))
    seen = Advertisement("00:11", "Nora", services=(service,))
    (candidate,) = CATALOGUE.match(seen)
    assert candidate.resolve("Nora", seen).definition.name == "Lovense Nora"
