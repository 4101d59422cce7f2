"""A game pad that a test plays to the kernel (uinput), with a record of its own. Needs root.

The kernel asks it for each effect (upload, erase) and plays them by number; an effect lasts for as
long as it says. A thread of its own answers, as whoever uploads waits in the kernel meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import select
import threading
import time
from collections.abc import Sequence
from pathlib import Path

with contextlib.suppress(ImportError):  # of the extra `gamepad`; Linux alone has it
    from evdev import UInput, ecodes

UINPUT = Path("/dev/uinput")


class UinputPad:
    """`hang`: it does not answer the kernel. `refuse`: so many effects are refused."""

    def __init__(self) -> None:
        self.refuse = 0
        self._device: UInput | None = None
        self._free = threading.Event()
        self._free.set()
        self._lock = threading.Lock()
        self._effects: dict[int, float] = {}
        self._playing = -1
        # When something was told, and until when it runs then, 0 for off.
        self._record: list[tuple[float, float]] = []

    async def plug(self) -> None:
        events: dict[int, Sequence[int]] = {
            ecodes.EV_KEY: [ecodes.BTN_SOUTH],
            ecodes.EV_FF: [ecodes.FF_RUMBLE],
        }
        self._device = UInput(events, name="Test Pad", vendor=0x045E, product=0x028E, max_effects=4)
        threading.Thread(target=self._serve, args=(self._device,), daemon=True).start()

    async def pull(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            self.heal()
            self._note(0.0)
            device.close()

    def hang(self) -> None:
        self._free.clear()

    def heal(self) -> None:
        self._free.set()

    def fail(self) -> None:
        self.refuse = 2

    def running(self) -> bool:
        with self._lock:
            return bool(self._record) and self._record[-1][1] > time.monotonic()

    def stopped_at(self, since: float) -> float | None:
        """The first moment from then on at which it is at rest."""
        with self._lock:
            record = [*self._record, (time.monotonic(), 0.0)]
        until = 0.0
        for at, then in record:
            if at >= since and until <= at:
                return max(until, since)
            until = min(until, at) if then == 0.0 else then
        return None

    def _note(self, until: float) -> None:
        with self._lock:
            self._record.append((time.monotonic(), until))

    def _serve(self, device: UInput) -> None:
        with contextlib.suppress(OSError, ValueError):
            while device is self._device:
                readable, _, _ = select.select([device.fd], [], [], 0.05)
                self._free.wait()
                for event in device.read() if readable else ():
                    self._event(device, event.type, event.code, event.value)

    def _event(self, device: UInput, kind: int, code: int, value: int) -> None:
        if kind == ecodes.EV_UINPUT and code == ecodes.UI_FF_UPLOAD:
            upload = device.begin_upload(value)
            if self.refuse:
                self.refuse -= 1
                upload.retval = -errno.EBUSY
            else:
                effect = upload.effect
                self._effects[effect.id] = effect.ff_replay.length / 1000
                if effect.id == self._playing:
                    self._note(time.monotonic() + self._effects[effect.id])
                upload.retval = 0
            device.end_upload(upload)
        elif kind == ecodes.EV_UINPUT and code == ecodes.UI_FF_ERASE:
            erase = device.begin_erase(value)
            if self._effects.pop(erase.effect_id, None) is not None:
                if erase.effect_id == self._playing:
                    self._playing = -1
                self._note(0.0)
            erase.retval = 0
            device.end_erase(erase)
        elif kind == ecodes.EV_FF and code in self._effects:
            self._playing = code if value else -1
            self._note(time.monotonic() + self._effects[code] if value else 0.0)
