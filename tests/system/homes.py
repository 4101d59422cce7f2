"""Two homes behind closed routers and a meeting point outside: network namespaces.

    hub 192.168.1.2 -- router 203.0.113.11 --+-- 203.0.113.1 meeting point
    relay 192.168.1.7 -- router 203.0.113.12 --+

Each router masquerades and lets nothing in. Both homes have the same private network, as most have.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from forwarder.access.tls import own_certificate
from tests.needs import missing, needs
from tests.system.processes import Program

MEETING = "203.0.113.1"
MEETING_PORT = 443
_RULES = """
table ip home {
  chain out { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
  chain in { type filter hook input priority filter; iifname "wan" ct state new drop; }
  chain through { type filter hook forward priority filter; iifname "wan" ct state new drop; }
}
"""


def _run(*words: str, text: str | None = None) -> None:
    subprocess.run(words, input=text, text=True, check=True, capture_output=True)


class Elsewhere(Program):
    """A program of ours in a network namespace."""

    def __init__(
        self,
        where: str,
        module: str,
        arguments: list[str],
        folder: Path,
        name: str,
        environment: dict[str, str],
    ) -> None:
        super().__init__(module, arguments, folder, name)
        self._where = where
        self.environment |= environment

    async def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", self._where, *self._words, *self._arguments,
                stdout=output, stderr=output, stdin=asyncio.subprocess.DEVNULL,
                env=self.environment,
            )  # fmt: skip
        self._started = True


@dataclass(frozen=True, slots=True)
class Homes:
    """Names of the namespaces, and where the programs in them keep what they write."""

    outside: str
    hub: str
    relay: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)  # of the programs, beside their own

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    def at(self, where: str, name: str, module: str, *words: str) -> Elsewhere:
        environment = {"SSL_CERT_FILE": str(self.certificate), **self.environment}
        return Elsewhere(where, module, list(words), self.folder, name, environment)

    def meeting_point(self, *more: str) -> Elsewhere:
        return self.at(
            self.outside, "meet", "forwarder", "--log", "info", "meet",
            "--port", str(MEETING_PORT), "--public-url", f"https://{MEETING}",
            "--certificate", str(self.certificate), "--key", str(self.certificate), *more,
        )  # fmt: skip

    def comes_home(self) -> None:
        """The relay's machine is carried into the hub's home, and is in a network there that is
        not the hub's own cable."""
        router = self.hub.replace("ha-", "ra-")
        _run("ip", "-n", self.relay, "link", "set", "eth0", "down")
        _run(
            "ip", "link", "add", "name", "wlan", "netns", router, "type", "veth",
            "peer", "name", "wlan0", "netns", self.relay,
        )  # fmt: skip
        _run("ip", "-n", router, "addr", "add", "192.168.2.1/24", "dev", "wlan")
        _run("ip", "-n", router, "link", "set", "wlan", "up")
        _run("ip", "-n", self.relay, "addr", "add", "192.168.2.7/24", "dev", "wlan0")
        _run("ip", "-n", self.relay, "link", "set", "wlan0", "up")
        _run("ip", "-n", self.relay, "route", "replace", "default", "via", "192.168.2.1")

    def goes_away(self) -> None:
        """And back."""
        _run("ip", "-n", self.relay, "link", "del", "wlan0")
        _run("ip", "-n", self.relay, "link", "set", "eth0", "up")
        _run("ip", "-n", self.relay, "route", "replace", "default", "via", "192.168.1.1")

    def readdress(self, home: str, old: str, new: str) -> None:
        """The router gives a machine another address."""
        _run("ip", "-n", home, "addr", "del", f"{old}/24", "dev", "eth0")
        _run("ip", "-n", home, "addr", "add", f"{new}/24", "dev", "eth0")
        _run("ip", "-n", home, "route", "replace", "default", "via", "192.168.1.1")

    def lets_in(self, port: int) -> None:
        """The hub's router leads this UDP port to it."""
        rules = (
            f"table ip open {{ chain pre {{ type nat hook prerouting priority dstnat;"
            f' iifname "wan" udp dport {port} dnat to 192.168.1.2; }}; }}'
        )
        router = self.hub.replace("ha-", "ra-")
        _run("ip", "netns", "exec", router, "nft", "-f", "-", text=rules)
        _run(
            "ip", "netns", "exec", router, "nft", "insert", "rule", "ip", "home", "through",
            "udp", "dport", str(port), "accept",
        )  # fmt: skip

    def changes_ports(self) -> None:
        """The relay's router gives each connection another port: no hole can be punched there."""
        router = self.relay.replace("hb-", "rb-")
        rules = (
            "table ip other { chain out { type nat hook postrouting priority srcnat - 1;"
            ' oifname "wan" masquerade fully-random; }; }'
        )
        _run("ip", "netns", "exec", router, "nft", "-f", "-", text=rules)

    def cut(self, router: str, way: str) -> None:
        """Pull ("down") or plug ("up") the cable between a router and the outside."""
        _run("ip", "-n", router, "link", "set", "wan", way)
        if way == "up":
            _run("ip", "-n", router, "route", "replace", "default", "via", MEETING)


@contextmanager
def two_homes(folder: Path) -> Iterator[Homes]:
    """Make them; skips, saying so, where this machine cannot."""
    needs("ip")
    needs("nft")
    if os.geteuid() != 0:
        missing("network namespaces need root")
    mark = os.getpid()
    outside, *routers = (f"{name}-{mark}" for name in ("out", "ra", "rb"))
    homes = (f"ha-{mark}", f"hb-{mark}")
    names = (outside, *routers, *homes)
    try:
        for name in names:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", outside, "link", "add", "name", "net", "type", "bridge")
        _run("ip", "-n", outside, "addr", "add", f"{MEETING}/24", "dev", "net")
        _run("ip", "-n", outside, "link", "set", "net", "up")
        for number, (router, home) in enumerate(zip(routers, homes, strict=True)):
            _run(
                "ip", "link", "add", "name", "wan", "netns", router, "type", "veth",
                "peer", "name", f"port{number}", "netns", outside,
            )  # fmt: skip
            _run("ip", "-n", outside, "link", "set", f"port{number}", "master", "net", "up")
            _run("ip", "-n", router, "addr", "add", f"203.0.113.{11 + number}/24", "dev", "wan")
            _run("ip", "-n", router, "link", "set", "wan", "up")
            _run(
                "ip", "link", "add", "name", "lan", "netns", router, "type", "veth",
                "peer", "name", "eth0", "netns", home,
            )  # fmt: skip
            _run("ip", "-n", router, "addr", "add", "192.168.1.1/24", "dev", "lan")
            _run("ip", "-n", router, "link", "set", "lan", "up")
            _run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            _run("ip", "netns", "exec", router, "nft", "-f", "-", text=_RULES)
            address = ("192.168.1.2/24", "192.168.1.7/24")[number]
            _run("ip", "-n", home, "addr", "add", address, "dev", "eth0")
            _run("ip", "-n", home, "link", "set", "eth0", "up")
            _run("ip", "-n", home, "route", "add", "default", "via", "192.168.1.1")
    except subprocess.CalledProcessError as error:
        _gone(names)
        missing(f"no network namespaces here: {error.stderr.strip()}")
    try:
        folder.mkdir(exist_ok=True)
        own_certificate(folder, [MEETING], datetime.now(UTC))
        yield Homes(outside, *homes, folder)
    finally:
        _gone(names)


def _gone(names: tuple[str, ...]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
