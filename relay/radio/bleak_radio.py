"""The radio of this machine, through bleak: BlueZ, Windows, macOS."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bleak import BleakAdapter, BleakClient, BleakScanner
from bleak.args.bluez import BlueZScannerArgs
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bleak.uuids import normalize_uuid_str

from relay.link.messages import Advertisement, ErrorCode, RadioInfo
from relay.radio.base import OnAdvertisement, OnGone, RadioError
from relay.radio.bleak_connection import (
    LIBRARY_ERRORS,
    BleakConnection,
    in_one_line,
    own_cancellations,
)
from relay.radio.bounds import (
    ATTEMPT_S,
    ATTEMPTS,
    CROWDED_S,
    DEVICES_KEPT,
    DISCONNECT_S,
    FIND_S,
    NAME_LENGTH,
    RENEW_SCAN_S,
    SCAN_SILENCE_S,
    SCAN_STOP_S,
    SOON_S,
)
from relay.radio.failures import Failure, classify, told
from relay.radio.gatt import canonical_address
from relay.radio.turns import Turns

log = logging.getLogger(__name__)

# Passes everything, and has BlueZ tell of every advertisement. Without any such filter it is silent
# about a device whose signal stays within 8 dB, such as a toy that lies still (org.bluez.Adapter).
WEAKEST_DBM = -127

_REASONS = BleakBluetoothNotAvailableReason
_HELP = {
    _REASONS.NO_BLUETOOTH: "No Bluetooth adapter was found. Plug one in.",
    _REASONS.NO_BLE_CENTRAL_ROLE: "This Bluetooth adapter has no Bluetooth LE. Use another one.",
    _REASONS.POWERED_OFF: "Bluetooth is switched off. Switch it on in the system's settings, "
    "on Linux with: bluetoothctl power on",
    _REASONS.DENIED_BY_USER: "This program may not use Bluetooth. "
    "Allow it in the system's settings.",
    _REASONS.DENIED_BY_SYSTEM: "The system does not let this program use Bluetooth. "
    "On Linux add the user to the group bluetooth.",
}
_NO_BLUEZ = "BlueZ is not running. Install and start it: sudo systemctl enable --now bluetooth"

# Every peripheral has Generic Access; asking for connected ones demands to name a service.
_ANY_SERVICE = ["1800", "1801"]


class _AttemptFailed(Exception):
    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(text)
        self.failure = failure
        self.text = text


class _Patience:
    """How long one attempt may take: `most_s`, but `crowded_s` from when others wait."""

    def __init__(self, most_s: float, crowded_s: float) -> None:
        self._limit_s = most_s
        self._crowded_s = crowded_s
        self._scope: asyncio.Timeout | None = None

    def scope(self) -> asyncio.Timeout:
        """The attempt begins."""
        self._scope = asyncio.timeout(self._limit_s)
        return self._scope

    def shorten(self) -> None:
        """Others wait."""
        self._limit_s = min(self._limit_s, self._crowded_s)
        scope = self._scope
        until = None if scope is None or scope.expired() else scope.when()
        soon = asyncio.get_running_loop().time() + self._crowded_s
        if scope is not None and until is not None and until > soon:
            scope.reschedule(soon)

    def over(self) -> None:
        self._scope = None


class BleakRadio:
    """The machine's Bluetooth. One connect at a time; on Linux the scan pauses meanwhile.

    `adapter` chooses one by its BlueZ name (hci1). `scanner` and `client` replace bleak's backends.
    """

    def __init__(
        self,
        adapter: str | None = None,
        *,
        scanner: type[BaseBleakScanner] | None = None,
        client: type[BaseBleakClient] | None = None,
        pause_scan: bool = sys.platform == "linux",
        scan_silence_s: float = SCAN_SILENCE_S,
        find_s: float = FIND_S,
        renew_scan_s: float = RENEW_SCAN_S,
        crowded_s: float = CROWDED_S,
    ) -> None:
        self._adapter = adapter
        self._scanner_backend = scanner
        self._client_backend = client
        self._pause_scan = pause_scan
        self._scan_silence_s = scan_silence_s
        self._find_s = find_s
        self._renew_scan_s = renew_scan_s
        self._trouble = ""
        self._listener: OnAdvertisement | None = None
        # Oldest first, so that the bound drops what was not heard for longest.
        self._devices: dict[str, BLEDevice] = {}
        self._sought: list[tuple[str, asyncio.Event]] = []
        self._connections: set[BleakConnection] = set()
        self._heard_at = 0.0
        # Whoever holds it may scan or, with `pause_scan`, connect; a program has only one scan.
        self._air = asyncio.Lock()
        self._hush = asyncio.Event()
        self._renewing = False
        self._crowded_s = crowded_s
        self._turns = Turns()

    @property
    def info(self) -> RadioInfo:
        """Whether the radio works, as far as the last scan or connect could tell."""
        name = self._adapter or "default adapter"
        return RadioInfo("bleak", name, on=not self._trouble, text=self._trouble)

    async def probe(self) -> RadioInfo:
        """Try the radio out by starting and ending a scan, unless one runs; returns `info`."""
        if not self._air.locked():
            with suppress(RadioError):
                async with self._air, self._scanner():
                    pass
        return self.info

    async def scan(self, on_advertisement: OnAdvertisement) -> None:
        if self._listener is not None:
            raise RadioError(ErrorCode.BUSY, "This radio is scanning already.")
        self._listener = on_advertisement
        try:
            while True:
                await self._listen(self._hush)
                if self._renewing:
                    # Whoever connects has the air by now, or waits for it before us.
                    self._renewing = False
                    self._hush.clear()
        finally:
            self._renewing = False
            self._listener = None

    async def connect(self, address: str, on_gone: OnGone) -> BleakConnection:
        address = canonical_address(address)

        def gone(reason: str) -> None:
            # Until it is heard again it is out of range: asking the stack for it would keep
            # everybody else from the radio for as long as it takes to fail.
            self._devices.pop(address, None)
            on_gone(reason)

        for attempt in range(1, ATTEMPTS + 1):
            device = await self._find(address)
            patience = _Patience(ATTEMPT_S, self._crowded_s)
            try:
                async with self._turns.mine(address, patience.shorten), self._quiet():
                    connection = await self._attempt(address, device, gone, patience)
                    self._turns.worked(address)
                    return connection
            except _AttemptFailed as failed:
                self._turns.failed(address)
                again_s = failed.failure.again_s
                if again_s is None or attempt == ATTEMPTS:
                    code, full = failed.failure.code, failed.failure.full
                    raise RadioError(code, failed.text, full=full) from failed.__cause__
                log.debug("connecting %s, attempt %d: %s", address, attempt, failed.text)
                if failed.failure.code is ErrorCode.NOT_FOUND:
                    self._devices.pop(address, None)
                await asyncio.sleep(again_s)
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        # BlueZ takes seconds for each, so all at once.
        async with asyncio.TaskGroup() as tasks:
            for connection in tuple(self._connections):
                tasks.create_task(_let_go(connection))

    # --- scanning ------------------------------------------------------------------------------

    async def _listen(self, end: asyncio.Event) -> None:
        """Scan until `end` is set, or until the scanner has been silent for too long."""
        async with self._air, self._scanner():
            loop = asyncio.get_running_loop()
            self._heard_at = loop.time()
            while not end.is_set():
                silent_at = self._heard_at + self._scan_silence_s
                if loop.time() >= silent_at:
                    log.info("no advertisement for %g s: scanning anew", self._scan_silence_s)
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(silent_at):
                        await end.wait()

    @asynccontextmanager
    async def _scanner(self) -> AsyncIterator[None]:
        """A running scanner. Raises RadioError, and says in `info` why, if it cannot run."""
        bluez: BlueZScannerArgs = {"filters": {"RSSI": WEAKEST_DBM}}
        if self._adapter:
            bluez["adapter"] = self._adapter
        scanner = BleakScanner(
            self._heard,
            bluez=bluez,
            backend=self._scanner_backend,
        )
        # A task of its own: bleak cannot stop a scan whose start was cancelled, and BlueZ would go
        # on with it and refuse the next one.
        starting = asyncio.create_task(scanner.start(), name="start scanner")
        try:
            await asyncio.wait({starting})
            try:
                starting.result()
            except LIBRARY_ERRORS as exc:
                self._trouble = _help(exc)
                raise RadioError(ErrorCode.RADIO, self._trouble) from exc
            self._trouble = ""
            yield
        finally:
            await _stop(scanner, starting)

    def _heard(self, device: BLEDevice, data: AdvertisementData) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        address = canonical_address(device.address)
        self._devices.pop(address, None)
        self._devices[address] = device
        if len(self._devices) > DEVICES_KEPT:
            del self._devices[next(iter(self._devices))]
        for sought, heard in self._sought:
            if sought == address:
                heard.set()
        if self._listener is not None:
            self._listener(_advertisement(address, data))

    async def _find(self, address: str) -> BLEDevice:
        """Return the device, listening for it if it was not heard. Raises NOT_FOUND."""
        if address not in self._devices:
            held = await self._held(address)
            if held is not None:
                return held
            heard = asyncio.Event()
            self._sought.append((address, heard))
            try:
                async with asyncio.timeout(self._find_s):
                    if self._listener is not None:
                        await heard.wait()
                    while address not in self._devices:
                        await self._listen(heard)
            except TimeoutError:
                text = f"{address} is not in range, or connected to something else."
                raise RadioError(ErrorCode.NOT_FOUND, text) from None
            finally:
                self._sought.remove((address, heard))
        return self._devices[address]

    async def _held(self, address: str) -> BLEDevice | None:
        """The device, if the system still holds a connection that a killed relay left behind.

        Such a device does not advertise; bleak takes the connection over. BlueZ only.
        """
        if sys.platform != "linux" or self._client_backend is not None:
            return None
        try:
            adapter = await BleakAdapter.get(
                bluez={"adapter": self._adapter} if self._adapter else {}
            )
            held = await adapter.get_connected_devices(_ANY_SERVICE)
        except LIBRARY_ERRORS as exc:
            log.debug("no list of connected devices: %s", in_one_line(exc))
            return None
        return next((one for one in held if canonical_address(one.address) == address), None)

    def _released(self, connection: BleakConnection) -> None:
        """A connection has ended, by itself or not; it may be wanted again."""
        self._connections.discard(connection)
        if self._pause_scan:
            asyncio.get_running_loop().call_later(self._renew_scan_s, self._renew)

    def _renew(self) -> None:
        """Begin the scan anew, unless none runs, or it pauses and will do so anyway."""
        if self._listener is not None and not self._hush.is_set():
            self._renewing = True
            self._hush.set()

    # --- connecting ----------------------------------------------------------------------------

    @asynccontextmanager
    async def _quiet(self) -> AsyncIterator[None]:
        """No scanning inside, where the stack wants that."""
        if not self._pause_scan:
            yield
            return
        self._hush.set()
        try:
            async with self._air:
                yield
        finally:
            self._hush.clear()

    async def _attempt(
        self, address: str, device: BLEDevice, on_gone: OnGone, patience: _Patience
    ) -> BleakConnection:
        if any(one.address == address for one in self._connections):
            failure = Failure(ErrorCode.BUSY)
            raise _AttemptFailed(failure, f"{address} is already connected by this relay.")
        connection = BleakConnection(address, on_gone, self._released)
        client = BleakClient(
            device,
            lambda _: connection.lost(),
            timeout=ATTEMPT_S,
            bluez={"adapter": self._adapter} if self._adapter else {},
            backend=self._client_backend,
        )
        try:
            async with patience.scope():
                try:
                    with own_cancellations():
                        await client.connect()
                finally:
                    patience.over()
        except TimeoutError as exc:
            text = f"{address} did not answer in time."
            raise _AttemptFailed(Failure(ErrorCode.TIMEOUT, SOON_S), text) from exc
        except LIBRARY_ERRORS as exc:
            failure = classify(type(exc).__name__, str(exc))
            if failure.code is ErrorCode.RADIO and failure.again_s is None:
                self._trouble = _help(exc)
            raise _AttemptFailed(failure, told(address, exc, in_one_line(exc))) from exc
        # From here to the return nothing waits, unless what was found is no use.
        if client.is_connected and connection.begin(client):
            self._connections.add(connection)
            return connection
        # Seen on BlueZ with several connects in a row: connected, but services are missing.
        with suppress(*LIBRARY_ERRORS):
            async with asyncio.timeout(DISCONNECT_S):
                await client.disconnect()
        text = f"{address} was lost while its services were being looked up."
        raise _AttemptFailed(Failure(ErrorCode.GONE, SOON_S), text)


async def _stop(scanner: BleakScanner, starting: asyncio.Task[None]) -> None:
    """Stop a scanner, once it has started if need be. One that will not stop is abandoned: the next
    start shows whether that matters."""
    if starting.done() and starting.exception() is not None:
        return
    with suppress(*LIBRARY_ERRORS):
        async with asyncio.timeout(SCAN_STOP_S):
            await starting
            await scanner.stop()


async def _let_go(connection: BleakConnection) -> None:
    with suppress(RadioError):
        await connection.disconnect()


def _advertisement(address: str, data: AdvertisementData) -> Advertisement:
    name = data.local_name
    return Advertisement(
        address=address,
        name=name[:NAME_LENGTH] if name else None,
        rssi=max(-128, min(127, data.rssi)),
        services=tuple(map(normalize_uuid_str, data.service_uuids)),
        manufacturer={company: bytes(value) for company, value in data.manufacturer_data.items()},
    )


def _help(exc: Exception) -> str:
    """What a user can do about a radio that does not work."""
    if isinstance(exc, BleakBluetoothNotAvailableError):
        return _HELP.get(exc.reason, f"Bluetooth is not available: {in_one_line(exc)}")
    text = in_one_line(exc)
    no_bluez = isinstance(exc, FileNotFoundError | ConnectionError) or "ServiceUnknown" in text
    if sys.platform == "linux" and (no_bluez or "NameHasNoOwner" in text):
        return _NO_BLUEZ
    if "NotReady" in text:
        return _HELP[_REASONS.POWERED_OFF]
    return f"Bluetooth does not work: {text}"
