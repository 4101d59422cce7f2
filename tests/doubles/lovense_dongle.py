"""A Lovense dongle with toys in its range: what it is told and says, line by line, and a record of
what each toy does. `PtyDongle` puts it behind a real terminal, `HidDongle` behind a descriptor that
takes and gives reports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import time
import tty
from collections.abc import Callable
from pathlib import Path

TOYS = ("0082059AD3BD", "0082059AD3BE")
SEARCH_S = 0.3
_LEVEL = re.compile(r"Vibrate:(\d+);")


class DongleFirmware:
    """`record`: toy → when (time.monotonic()) it was told which level. `wrong`: what a dongle does
    not take: commands during a search, or one before the last was answered."""

    def __init__(self, toys: tuple[str, ...] = TOYS) -> None:
        self.toys = set(toys)
        self.record: dict[str, list[tuple[float, int]]] = {toy: [] for toy in toys}
        self.wrong: list[str] = []
        self.searching = False
        self.searches = 0
        self.mute = False
        self.refuse = 0
        self.say: Callable[[bytes], None] = lambda data: None
        self._rest = b""
        self._linked: set[str] = set()
        self._asked_at = 0.0

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for one in lines:
            if one.strip():
                try:
                    self._take(json.loads(one))
                except ValueError:
                    self._tell(func="", result=400)

    def level(self, toy: str) -> int:
        return self.record[toy][-1][1] if self.record[toy] else 0

    def leave(self, toy: str) -> None:
        """This toy is switched off."""
        self.toys.discard(toy)
        if toy in self._linked:
            self._linked.discard(toy)
            self._tell(func="status", data={"id": toy, "status": 403})

    def _take(self, message: dict[str, str]) -> None:
        if self.mute:
            return
        if time.monotonic() - self._asked_at < 0.2:
            self.wrong.append(f"{message['func']} too soon after statuss")
        match message["func"]:
            case "statuss":
                self._asked_at = time.monotonic()
            case "search":
                self.searching = True
                self.searches += 1
                self._tell(func="search", result=205)
                for toy in sorted(self.toys):
                    self._tell(func="toyData", data={"id": toy})
                asyncio.get_running_loop().call_later(SEARCH_S, self._end_search)
            case "stopSearch":
                self._tell(func="stopSearch", result=200)
                asyncio.get_running_loop().call_later(0.01, self._end_search)
            case "command":
                self._command(message["id"], message["cmd"])

    def _end_search(self) -> None:
        self.searching = False
        self._tell(func="search", result=206)

    def _command(self, toy: str, text: str) -> None:
        if self.searching:
            self.wrong.append(f"{text} during a search")
            return
        if self.refuse:
            self.refuse -= 1
            self._tell(func="command", result=400)
            return
        if toy not in self.toys:
            self._tell(func="status", data={"id": toy, "status": 404})
            return
        if toy not in self._linked:
            self._linked.add(toy)
            self._tell(func="status", data={"id": toy, "status": 201})
            self._tell(func="status", data={"id": toy, "status": 202})
        answer = "OK;"
        if text == "DeviceType;":
            answer = f"S:37:{toy};"
        elif found := _LEVEL.fullmatch(text):
            self.record[toy].append((time.monotonic(), int(found[1])))
        self._tell(func="toyData", data={"id": toy, "data": answer})

    def _tell(self, **message: object) -> None:
        self.say(json.dumps({"type": "toy", **message}).encode() + b"\r\n")


class PtyDongle:
    def __init__(self, path: Path, firmware: DongleFirmware | None = None) -> None:
        self.path = path
        self.firmware = firmware or DongleFirmware()
        self._ends: tuple[int, int] | None = None

    def plug(self) -> None:
        self._ends = ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.path.symlink_to(os.ttyname(theirs))
        self.firmware.say = self._say
        self.heal()

    def pull(self) -> None:
        self.path.unlink(missing_ok=True)
        if self._ends is not None:
            self.hang()
            for end in self._ends:
                os.close(end)
            self._ends = None

    def hang(self) -> None:
        assert self._ends is not None
        asyncio.get_running_loop().remove_reader(self._ends[0])

    def heal(self) -> None:
        assert self._ends is not None
        asyncio.get_running_loop().add_reader(self._ends[0], self._readable)

    def _say(self, data: bytes) -> None:
        if self._ends is not None:
            os.write(self._ends[0], data)

    def _readable(self) -> None:
        if self._ends is not None:
            with contextlib.suppress(OSError):
                self.firmware.feed(os.read(self._ends[0], 4096))


class HidDongle:
    """`file`: its other end, as /dev/hidraw is one."""

    def __init__(self, firmware: DongleFirmware | None = None) -> None:
        self.firmware = firmware or DongleFirmware()
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self.firmware.say = self._say
        self.reports: list[bytes] = []
        asyncio.get_running_loop().add_reader(self._ours, self._readable)

    def file(self) -> int:
        end = os.dup(self._theirs.fileno())
        os.set_blocking(end, False)
        return end

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        self._ours.close()
        self._theirs.close()

    def _say(self, data: bytes) -> None:
        for at in range(0, len(data), 63):
            self._ours.send(data[at : at + 63].ljust(64, b"\0"))

    def _readable(self) -> None:
        report = self._ours.recv(256)
        if not report:
            return
        self.reports.append(report)
        self.firmware.feed(report[1:].rstrip(b"\0"))
