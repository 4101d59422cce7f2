"""`DongleRadio`: what a Lovense dongle finds and connects.

It does one thing at a time: it searches, or it passes commands on. So it searches only while none
of its toys runs, and a command waits until a search has ended. It knows no way to let a toy go: the
link to one ends with the toy, or with the dongle.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Never

from relay.link.messages import Advertisement, ErrorCode, RadioInfo
from relay.radio.base import OnAdvertisement, OnGone, RadioError
from relay.radio.dongle import messages
from relay.radio.dongle.bounds import (
    ANSWER_S,
    CONNECT_S,
    END_SEARCH_S,
    FIRST_S,
    FOUND_MOST,
    FRESH_S,
    GAP_S,
    HELLO_S,
    LOOK_S,
    RETRY_S,
    SEARCH_MOST_S,
    SEND_S,
    TELL_S,
)
from relay.radio.dongle.connection import SERVICE, DongleConnection
from relay.radio.dongle.messages import DongleMessage, FromDongle
from relay.radio.gatt import canonical_address
from relay.radio.wired.line import Line
from relay.radio.wired.radio import WiredAccess

log = logging.getLogger(__name__)

NAME = "LVS-Dongle"


class DongleRadio:
    """`name`: as its owner named the port. `absent`: what to say while it is not there."""

    def __init__(
        self, name: str, way: WiredAccess, absent: str, *, retry_s: float = RETRY_S
    ) -> None:
        self._name = name
        self._way = way
        self._absent = absent
        self._retry_s = retry_s
        self._trouble = absent if way.presence() is None else ""
        self._line: Line | None = None
        self._listener: OnAdvertisement | None = None
        self._found: dict[str, float] = {}
        self._sought: list[tuple[str, asyncio.Event]] = []
        self._connections: dict[str, DongleConnection] = {}
        self._connecting: dict[str, asyncio.Future[None]] = {}
        # Whoever has it may write.
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self._searching = False
        self._search_begun = False
        self._searched_at = 0.0
        self._search_ended = asyncio.Event()
        self._spoke = asyncio.Event()
        self._answered = asyncio.Event()
        self._lost = asyncio.Event()

    @property
    def info(self) -> RadioInfo:
        return RadioInfo("dongle", self._name, not self._trouble, None, self._trouble[:512])

    # --- the port ------------------------------------------------------------------------------

    async def watch(self) -> Never:
        """Keep the port open, and search while that is wanted."""
        while True:
            pause_s = LOOK_S
            if self._way.presence() is None:
                self._say(self._absent)
            else:
                try:
                    await self._session()
                except RadioError as error:
                    self._say(error.text)
                    pause_s = self._retry_s
            await asyncio.sleep(pause_s)

    async def _session(self) -> None:
        reader = messages.Reader()

        def heard(data: bytes) -> None:
            for message in reader.feed(data):
                self._heard(message)

        self._lost.clear()
        self._spoke.clear()
        self._searching = False
        line = await self._way.open(heard, self._gone)
        try:
            await _put(line, b"\r\n" + messages.STATUS)
            await asyncio.sleep(FIRST_S)
            await self._hello(line)
            self._line = line
            # What it says of the search that it was asked to end is not about ours.
            self._next_at = asyncio.get_running_loop().time() + GAP_S
            self._say("")
            while not self._lost.is_set():
                await self._tell()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TELL_S):
                        await self._lost.wait()
        finally:
            self._line = None
            self._end("the dongle was unplugged")
            await line.close()

    async def _hello(self, line: Line) -> None:
        """Anything that it says will do. Raises RadioError if it says nothing."""
        if not self._spoke.is_set():
            await _put(line, messages.STOP_SEARCH)
        try:
            async with asyncio.timeout(HELLO_S):
                await self._spoke.wait()
        except TimeoutError:
            text = f"{self._name}: nothing there answers as a Lovense dongle."
            raise RadioError(ErrorCode.NOT_FOUND, text) from None

    def _gone(self, reason: str) -> None:
        del reason
        self._lost.set()
        self._end("the dongle was unplugged")

    def _end(self, reason: str) -> None:
        for connection in tuple(self._connections.values()):
            connection.lost(reason)
        self._fail_connecting("", reason)
        self._found.clear()
        self._search_ended.set()
        self._answered.set()

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble

    # --- what it says --------------------------------------------------------------------------

    def _heard(self, message: FromDongle) -> None:
        self._spoke.set()
        toy, said = message.toy, message.result
        if message.func == "search" and said == DongleMessage.SEARCHING:
            self._search_begun = True
        elif message.func == "search" and said in (
            DongleMessage.SEARCH_ENDED,
            DongleMessage.INTERRUPTED,
        ):
            self._ended()
        if not toy or message.data is None:
            return
        self._answered.set()
        status = message.data.status or said
        if status in (
            DongleMessage.CONNECT_FAILED,
            DongleMessage.DISCONNECTED,
            DongleMessage.NOT_FOUND,
        ):
            self._found.pop(toy, None)
            self._fail_connecting(toy, "it does not answer the dongle")
            if (connection := self._connections.get(toy)) is not None:
                connection.lost("the link was lost")
            return
        self._note(toy)
        if message.data.data:
            connecting = self._connecting.get(toy)
            if connecting is not None and not connecting.done():
                connecting.set_result(None)
            if (connection := self._connections.get(toy)) is not None:
                connection.heard(message.data.data.encode())

    def _ended(self) -> None:
        """A search has: ours, or, if ours has not begun, the one before it."""
        if not self._searching or self._search_begun:
            self._searching = False
            self._search_ended.set()

    def _note(self, toy: str) -> None:
        self._found[toy] = asyncio.get_running_loop().time()
        if len(self._found) > FOUND_MOST:
            del self._found[next(iter(self._found))]
        for sought, found in self._sought:
            if sought == toy:
                found.set()

    def _fail_connecting(self, toy: str, why: str) -> None:
        """Of this toy, or ("") of all."""
        for one, future in self._connecting.items():
            if toy in ("", one) and not future.done():
                text = f"{canonical_address(one)}: {why}."
                future.set_exception(RadioError(ErrorCode.NOT_FOUND, text))

    # --- scanning ------------------------------------------------------------------------------

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self._listener is not None:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._listener = on_advertisement
        try:
            await asyncio.Event().wait()
        finally:
            self._listener = None

    async def _tell(self) -> None:
        """Tell what was found, and search if that is wanted and nothing runs."""
        if self._listener is None and not self._sought:
            return
        now = asyncio.get_running_loop().time()
        if self._searching and now - self._searched_at > SEARCH_MOST_S:
            self._searching = False  # it forgot to say that it has ended
        idle = not self._connecting and all(one.at_rest for one in self._connections.values())
        if idle and not self._searching and not self._turn.locked():
            async with self._turn:
                with suppress(RadioError):
                    # From here on, and not from its answer: a command may come in between.
                    self._searching, self._search_begun, self._searched_at = True, False, now
                    await self._send(messages.SEARCH)
        for toy, at in tuple(self._found.items()):
            if now - at > FRESH_S and idle:
                del self._found[toy]
            elif toy not in self._connections and self._listener is not None:
                self._listener(
                    Advertisement(canonical_address(toy), NAME, services=(SERVICE,)),
                )

    # --- connecting ----------------------------------------------------------------------------

    async def connect(self, address: str, on_gone: OnGone) -> DongleConnection:
        address = canonical_address(address)
        toy = address.replace(":", "")
        if self._line is None:
            raise RadioError(ErrorCode.RADIO, self._trouble or f"{self._name} is not there.")
        await self._find(address, toy)
        if toy in self._connections or toy in self._connecting:
            raise RadioError(ErrorCode.BUSY, f"{address} is already connected by this relay.")
        linked = self._connecting[toy] = asyncio.get_running_loop().create_future()
        try:
            await self.order(toy, b"DeviceType;")
            async with asyncio.timeout(CONNECT_S):
                await linked
        except TimeoutError:
            raise RadioError(ErrorCode.TIMEOUT, f"{address} does not answer the dongle.") from None
        finally:
            linked.cancel()
            del self._connecting[toy]
        if (line := self._line) is None:
            raise RadioError(ErrorCode.GONE, f"{address}: the dongle was unplugged.")
        made = DongleConnection(self, address, toy, line, on_gone)
        self._connections[toy] = made
        return made

    async def _find(self, address: str, toy: str) -> None:
        if toy in self._found:
            return
        found = asyncio.Event()
        self._sought.append((toy, found))
        try:
            async with asyncio.timeout(CONNECT_S):
                await found.wait()
        except TimeoutError:
            text = f"{address} is not in range, or connected to something else."
            raise RadioError(ErrorCode.NOT_FOUND, text) from None
        finally:
            self._sought.remove((toy, found))

    async def order(self, toy: str, data: bytes) -> None:
        """Have one toy told this, and wait a moment for its answer. Raises RadioError."""
        async with self._turn:
            await self._end_search()
            self._answered.clear()
            await self._send(messages.command(toy, data))
            # It wants every answer to be taken before the next command.
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await self._answered.wait()

    def left(self, toy: str) -> None:
        self._connections.pop(toy, None)

    async def close(self) -> None:
        for connection in tuple(self._connections.values()):
            await connection.disconnect()

    async def _end_search(self) -> None:
        if not self._searching:
            return
        self._search_ended.clear()
        await self._send(messages.STOP_SEARCH)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SEARCH_S):
                await self._search_ended.wait()
        self._searching = False

    async def _send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if (pause_s := self._next_at - loop.time()) > 0:
            await asyncio.sleep(pause_s)
        line = self._line
        if line is None:
            raise RadioError(ErrorCode.GONE, "The dongle was unplugged.")
        self._next_at = loop.time() + GAP_S
        await _put(line, data)


async def _put(line: Line, data: bytes) -> None:
    """Raises RadioError; a port that takes nothing holds up no stop behind it."""
    try:
        async with asyncio.timeout(SEND_S):
            await line.send(data)
    except TimeoutError:
        line.lose("it takes nothing any more")
        raise RadioError(ErrorCode.GONE, "The dongle takes nothing any more.") from None
