"""Machines for the pages: a network namespace and an empty home folder for each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from forwarder.access.tls import own_certificate
from forwarder.config import MQTT_PORT
from tests.needs import missing, needs
from tests.system.homes import MEETING, two_homes

# What `ip netns exec` puts over /etc: man ip-netns.
_ETC = Path("/etc/netns")
MEETING_NAME = "meet.example.org"


@dataclass(frozen=True, slots=True)
class Place:
    """A machine: its namespace, and the home folder of the one who sits there. `inside`: what leads
    further, where the machine is more than a network."""

    namespace: str
    home: Path
    trusted: Path | None = None
    inside: tuple[str, ...] = ()

    def words(self, command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *self.inside, "bash", "-c", command]

    def environment(self, programs: Path) -> dict[str, str]:
        """`programs`: the folder with what is installed there."""
        kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH") if name in os.environ}
        trust = {} if self.trusted is None else {"SSL_CERT_FILE": str(self.trusted)}
        return {
            **kept, **trust, "HOME": str(self.home), "PATH": f"{programs}:/usr/bin:/bin",
            "TERM": "dumb", "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "USER": "somebody",
        }  # fmt: skip


Places = Mapping[str, Place]


@contextmanager
def one_house(folder: Path, names: Sequence[str]) -> Iterator[Places]:
    """Machines in one network, 192.168.7.1 and on; skips, saying so, where that cannot be."""
    needs("ip")
    if os.geteuid() != 0:
        missing("network namespaces need root")
    mark = os.getpid()
    switch = f"sw-{mark}"
    made = {name: Place(f"{name}-{mark}", folder / name) for name in names}
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "name", "lan", "type", "bridge")
        _ip("-n", switch, "link", "set", "lan", "up")
        for number, place in enumerate(made.values(), 1):
            place.home.mkdir(parents=True)
            _ip("netns", "add", place.namespace)
            _ip("-n", place.namespace, "link", "set", "lo", "up")
            _ip(
                "link", "add", "name", "eth0", "netns", place.namespace, "type", "veth",
                "peer", "name", f"port{number}", "netns", switch,
            )  # fmt: skip
            _ip("-n", switch, "link", "set", f"port{number}", "master", "lan", "up")
            _ip("-n", place.namespace, "addr", "add", f"192.168.7.{number}/24", "dev", "eth0")
            _ip("-n", place.namespace, "link", "set", "eth0", "up")
            _ip("-n", place.namespace, "route", "add", "default", "via", "192.168.7.254")
    except subprocess.CalledProcessError as error:
        _gone([switch, *(place.namespace for place in made.values())])
        missing(f"no network namespaces here: {error.stderr.strip()}")
    try:
        yield made
    finally:
        _gone([switch, *(place.namespace for place in made.values())])


@contextmanager
def with_broker(folder: Path, names: Sequence[str]) -> Iterator[Places]:
    """A house with one machine more, in which Home Assistant's broker runs: a genuine mosquitto,
    with a user for the hub."""
    mosquitto, passwd = needs("mosquitto", "/usr/sbin/mosquitto"), needs("mosquitto_passwd")
    with one_house(folder, (*names, "assistant")) as places, ExitStack() as stack:
        assistant = places["assistant"]
        settings, users = assistant.home / "mosquitto.conf", assistant.home / "users"
        subprocess.run([passwd, "-b", "-c", users, "hub", "secret"], check=True)
        settings.write_text(
            f"listener {MQTT_PORT} 0.0.0.0\nallow_anonymous false\n"
            f"password_file {users}\nuser root\n"
        )
        number = len(places)
        for name in names:
            etc = _ETC / places[name].namespace
            etc.mkdir(parents=True)
            stack.callback(shutil.rmtree, etc)
            hosts = f"127.0.0.1 localhost\n192.168.7.{number} homeassistant.local\n"
            (etc / "hosts").write_text(hosts)
        with (folder / "broker.log").open("wb") as log:
            broker = subprocess.Popen(
                assistant.words(f"exec {mosquitto} -c {settings}"), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        stack.callback(broker.wait)
        stack.callback(broker.kill)
        yield {name: places[name] for name in names}


@contextmanager
def far_apart(folder: Path, names: Sequence[str]) -> Iterator[Places]:
    """Two homes behind closed routers, and a host outside that has a name and a certificate: the
    hub's, the relay's, the host."""
    with two_homes(folder / "homes") as homes:
        hub, relay, host = names
        spaces = {hub: homes.hub, relay: homes.relay, host: homes.outside}
        made = {
            name: Place(space, folder / name, homes.certificate) for name, space in spaces.items()
        }
        own_certificate(homes.folder, [MEETING, MEETING_NAME], datetime.now(UTC))
        for place in made.values():
            place.home.mkdir(parents=True)
            etc = _ETC / place.namespace
            etc.mkdir(parents=True)
            (etc / "hosts").write_text(f"127.0.0.1 localhost\n{MEETING} {MEETING_NAME}\n")
        for name in ("fullchain.pem", "privkey.pem"):
            shutil.copy(homes.certificate, made[host].home / name)
        try:
            yield made
        finally:
            for place in made.values():
                shutil.rmtree(_ETC / place.namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _gone(namespaces: Sequence[str]) -> None:
    for name in namespaces:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
