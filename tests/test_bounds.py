"""Times and bounds stand in one module of a room; docs and the phone's page say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from relay.link import bounds

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "forwarder" / "web" / "relay"
# Rooms with such a module; it is also that of the rooms below without one of their own.
OWNERS = {
    "forwarder/access": "bounds.py",
    "forwarder/api": "bounds.py",
    "forwarder/bridges": "bounds.py",
    "forwarder/client": "bounds.py",
    "forwarder/clients": "bounds.py",
    "forwarder/commands": "bounds.py",
    "forwarder/connectors": "bounds.py",
    "forwarder/devices": "bounds.py",
    "forwarder/hub": "bounds.py",
    "forwarder/meet": "bounds.py",
    "forwarder/shares": "bounds.py",
    "forwarder/sources": "bounds.py",
    "forwarder/sources/relays": "bounds.py",
    "forwarder/sources/upstream": "bounds.py",
    "forwarder/sources/virtual": "bounds.py",
    "forwarder/sources/websocket_devices": "bounds.py",
    "forwarder/stop": "bounds.py",
    "relay/checks": "bounds.py",
    "relay/debts": "bounds.py",
    "relay/hub_link": "bounds.py",
    "relay/link": "bounds.py",
    "relay/peripheral": "limits.py",
    "relay/peripherals": "bounds.py",
    "relay/radio": "bounds.py",
    "relay/radio/dongle": "bounds.py",
    "relay/radio/esphome": "bounds.py",
    "relay/radio/gamepad": "bounds.py",
    "relay/radio/wired": "bounds.py",
    "relay/supervision": "bounds.py",
    "relay/wearer": "bounds.py",
}
# Numbers that are no choice of ours: a standard's, a format's, a port's, a device's. Or of one
# function.
NO_BOUNDS = {
    "forwarder/access/allowed_origins.py": {"_FORMAT"},
    "forwarder/access/grants.py": {"_FORMAT"},
    "forwarder/access/page_tokens.py": {"_TOKEN_BYTES"},
    "forwarder/access/proven_networks.py": {"_FORMAT"},
    "forwarder/access/relay_keys.py": {"_FORMAT"},
    "forwarder/access/tokens.py": {"TOKEN_BYTES"},
    "forwarder/api/places.py": {"_MAX_PATH_BYTES"},
    "forwarder/bridges/lovense/commands.py": {
        "INVALID_COMMAND", "INVALID_PARAMETER", "NOT_CONNECTED", "NO_TOY", "OK", "SERVER_ERROR",
        "UNSUPPORTED",
    },
    "forwarder/connectors/mdns.py": {"_MAX_LABEL_BYTES"},
    "forwarder/hub/store.py": {"_FORMAT", "_MAX_INDEX"},
    "forwarder/meet/here.py": {"KNOCKING"},
    "forwarder/meet/proxies.py": {"_MOST_HOPS"},
    "forwarder/meet/remote_end.py": {"_HEAD_BYTES"},
    "forwarder/shares/accepted.py": {"_FORMAT"},
    "forwarder/sources/relays/choosing/candidates.py": {"OTHERS"},
    "forwarder/sources/virtual/members.py": {"STEPS"},
    "forwarder/stop/hold_file.py": {"_FORMAT"},
    "relay/checks/machine.py": {"_OTHERS"},
    "relay/hub_link/hubs.py": {"LINK_PORT"},
    "relay/link/direct/channel.py": {"_CLOSING", "_HEAD_BYTES", "_REASON_BYTES", "_TEXT"},
    "relay/link/files/folder_lock.py": {"_LOCKED_BYTE"},
    "relay/link/files/keys.py": {"_MAX_FILE_BYTES", "_OTHERS"},
    "relay/link/files/proof.py": {"KEY_BYTES", "NONCE_DIGITS"},
    "relay/link/files/statefile.py": {"_MAX_REASON_CHARS"},
    "relay/link/messages.py": {"VERSION"},
    "relay/link/misfit.py": {"_MOST_KNOWN", "_NAME_CHARS"},
    "relay/link/names.py": {"_MACHINE_MOST", "_MAX_MARKS"},
    "relay/link/security/beacon.py": {"SALT_BYTES", "_MAC_BYTES"},
    "relay/link/security/handshake.py": {"ANSWER", "CODE_ID_BYTES", "SECRET_BYTES", "SUITE"},
    "relay/link/security/meeting.py": {"SEED_BYTES", "_ID_BYTES"},
    "relay/link/security/noise.py": {
        "HASH_BYTES", "KEY_BYTES", "MAX_MESSAGE_BYTES", "TAG_BYTES", "_MAX_NONCE",
    },
    "relay/link/security/pairing.py": {"LINK_PORT", "_FORMAT", "_HTTPS_PORT", "_HTTP_PORT"},
    "relay/link/websocket.py": {"_HEAD_BYTES", "_MASK_BYTES", "_MAX_REASON_BYTES"},
    "relay/radio/advertised/radio.py": {"MTU"},
    "relay/radio/bleak_radio.py": {"WEAKEST_DBM"},
    "relay/radio/dongle/connection.py": {"MTU"},
    "relay/radio/dongle/messages.py": {"REPORT"},
    "relay/radio/esphome/adverts.py": {"_SHIFT"},
    "relay/radio/esphome/errors.py": {"_ATT_MOST"},
    "relay/radio/esphome/radio.py": {"PORT"},
    "relay/radio/gamepad/pads.py": {"TOP"},
    "relay/radio/gamepad/radio.py": {"MTU"},
    "relay/radio/gamepad/windows.py": {"PLACES", "_GAMEPAD_BATTERY"},
    "relay/radio/gatt.py": {"ATT_OVERHEAD", "DEFAULT_MTU", "_MAC_DIGITS"},
    "relay/radio/score.py": {"STRONGEST_DBM", "UNKNOWN_DBM"},
    "relay/radio/simulated/catalogue.py": {"_STATIC_RANDOM"},
    "relay/radio/simulated/radio.py": {"ADVERTISE_EVERY_S"},
    "relay/radio/simulated/scripted.py": {"SCRIPT_PATIENCE_S"},
    "relay/radio/simulated/toy.py": {"RECORD_LIMIT"},
    "relay/radio/wired/connection.py": {"MTU"},
    "relay/wearer/state.py": {"_FORMAT"},
}  # fmt: skip


def numbers(source: str) -> set[str]:
    """Names of what a module calls a number: NAME = 3, NAME: Final = 4 << 10, NAME = -1.5."""
    found = set()
    for node in ast.parse(source).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name.isupper() and _is_number(value):
                found.add(name)
    return found


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=int() | float() as number):
            return not isinstance(number, bool)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
    return False


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A_S = 3.5\nB: Final = 1 << 20\nC = -1", {"A_S", "B", "C"}),
        ("A = True\nB = 'x'\nlower = 3\nC = A_S\ndef f():\n    D = 3", set()),
    ],
)
def test_what_is_a_number(source: str, expected: set[str]) -> None:
    assert numbers(source) == expected


def _owner(path: Path) -> Path | None:
    """The module that has the numbers of this one's room."""
    for folder in path.relative_to(ROOT).parents:
        if (name := OWNERS.get(str(folder))) is not None:
            return ROOT / folder / name
    return None


@pytest.mark.parametrize("room", OWNERS)
def test_a_room_has_its_numbers_in_one_module(room: str) -> None:
    owner = ROOT / room / OWNERS[room]
    assert numbers(owner.read_text(encoding="utf-8"))
    for path in sorted((ROOT / room).rglob("*.py")):
        if path != owner and _owner(path) == owner and path.name != "close_codes.py":
            name = str(path.relative_to(ROOT))
            found = numbers(path.read_text(encoding="utf-8"))
            assert found == NO_BOUNDS.get(name, set()), f"{name}: they belong to {owner.name}"


def test_close_codes_have_names() -> None:
    for package in ("relay", "forwarder"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "close_codes.py":
                found = re.findall(
                    r"close\(1\d{3}\b|= 1(?:00[1-35-9]|01[0-4])$", path.read_text("utf-8"), re.M
                )
                assert not found, f"{path}: {found}: see relay/link/close_codes.py"


# What another end would not get along with, were it another number: in JavaScript, and here.
ON_THE_PAGE = [
    ("pipe.js", "HEAD_START_S", bounds.HEAD_START_S),
    ("lease_clock.js", "GROWTH", bounds.DELAY_GROWTH),
    ("lease_clock.js", "LATE_S", bounds.LATE_BEATS_S),
    ("handshake.js", "MAX_FRAME_BYTES", bounds.HANDSHAKE_FRAME_BYTES),
    ("handshake.js", "MAX_NAME", bounds.MAX_NAME),
    ("link.js", "SILENCE_S", bounds.LINK_SILENCE_S),
    ("link.js", "ACTIVE_PATIENCE_S", bounds.ACTIVE_PATIENCE_S),
]


@pytest.mark.parametrize(("script", "name", "expected"), ON_THE_PAGE)
def test_the_page_has_the_same_number(script: str, name: str, expected: float) -> None:
    text = (PAGE / script).read_text(encoding="utf-8")
    found = re.findall(rf"^(?:export )?const {name} = ([\d._]+);", text, re.MULTILINE)
    assert [float(number) for number in found] == [expected]


def test_the_docs_have_the_same_numbers() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"given up after {bounds.GREETING_S:g} s" in text
    assert (
        f"{bounds.ACTIVE_PATIENCE_S:g} s while an output is on; else hub {bounds.ECHO_IDLE_S:g} s,"
        f" relay {bounds.LINK_SILENCE_S:g} s"
    ) in text
    beats = f"every {bounds.BEAT_ACTIVE_S * 1000:g} ms while an output is on, else every"
    assert f"{beats} {bounds.BEAT_IDLE_S:g} s" in text
