"""From a connected peripheral to a device: by whichever candidate fits, armed before it is one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.user_files.user import UserConfig
from forwarder.devices.bounds import HANDSHAKE_S, IDENTIFY_S
from forwarder.devices.device_setup import OpenedDevice, arm, open_device
from forwarder.devices.driver import Fate, Outcome
from forwarder.devices.hardware import EndpointsOf, OnNotification
from forwarder.errors import HardwareError
from forwarder.hub.device import Identity
from forwarder.protocols.base import KeptAlive
from relay.link.messages import Advertisement, Ceiling, ErrorCode, Packet, Service
from relay.radio.simulated.catalogue import toys_by_name
from relay.radio.simulated.toy import Toy
from tests.doubles.clock import run_virtual
from tests.doubles.hardware import RecordingHardware

CATALOGUE = Catalogue.load()


class Peripheral(RecordingHardware):
    """Recording hardware with the services of a simulated toy, which says `answer` to each write.

    `slow`: every request takes that many turns of the loop.
    """

    endpoints: dict[str, int]

    def __init__(self, toy: Toy, answer: bytes = b"Z:11:0082059AD3BD;", slow: int = 0) -> None:
        super().__init__()
        self.toy = toy
        self.address = toy.address
        self.found: tuple[Service, ...] = toy.services
        self.answer = answer
        self.slow = slow

    def bind(self, endpoints_of: EndpointsOf) -> None:
        super().bind(endpoints_of)
        self.endpoints = endpoints_of(self.found)

    async def _turns(self) -> None:
        for _ in range(self.slow):
            await asyncio.sleep(0)

    async def write(self, endpoint: str, data: bytes, response: bool) -> None:
        await super().write(endpoint, data, response)
        await self._turns()
        if self.answer:
            for listener in tuple(self.listeners.values()):
                listener(self.answer)

    def subscribe(self, endpoint: str, on_value: OnNotification) -> Outcome:
        super().subscribe(endpoint, on_value)
        loop = asyncio.get_running_loop()
        outcome = Outcome()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
            elif not outcome.done():
                outcome.set_result(Fate.TAKEN)

        turn(self.slow)
        return outcome

    async def arm(self, stop: Any, *, gap_ms: int, keepalive: KeptAlive | None) -> None:
        await super().arm(stop, gap_ms=gap_ms, keepalive=keepalive)
        await self._turns()


def hush(**more: Any) -> Peripheral:
    (toy,) = toys_by_name("Lovense Hush")
    return Peripheral(toy, **more)


async def opened(
    hardware: Peripheral,
    user: UserConfig | None = None,
    advertisement: Advertisement | None = None,
    known: Identity | None = None,
) -> OpenedDevice:
    seen = advertisement or hardware.toy.advertisement
    return await open_device(
        hardware,
        CATALOGUE.match(seen),
        seen,
        user or UserConfig(),
        source="a test",
        on_failed=lambda error: None,
        known=known,
    )


def test_a_peripheral_is_armed_before_anything_is_written_and_again_before_it_is_a_device() -> None:
    async def main() -> None:
        hardware = hush()
        device = (await opened(hardware)).device
        assert (device.name, device.source) == ("Lovense Hush", "a test")
        assert device.identity == Identity(hardware.address, "lovense", "Z")
        kinds = [call[0] for call in hardware.calls]
        assert kinds[0] == "arm"
        assert hardware.calls[0][1] is None, "nothing is known yet: letting go is its stop"
        arms = [call for call in hardware.calls if call[0] == "arm"]
        assert arms[1][1] == (b"Vibrate:0;",)
        assert kinds.index("write") < kinds.index("arm", 1)

    run_virtual(main())


STOPPED = ("stop", (b"Vibrate:0;",), True)


def test_a_toy_that_may_run_since_an_earlier_connection_is_stopped_behind_its_handshake() -> None:
    async def main() -> None:
        hardware = hush()
        await opened(hardware)
        kinds = [call[0] for call in hardware.calls]
        assert hardware.calls[-1] == STOPPED
        assert kinds.index("write") < kinds.index("stop"), "nobody knew what it is before"

    run_virtual(main())


def test_a_toy_that_is_known_is_stopped_before_it_is_asked_anything_and_behind_it() -> None:
    async def main() -> None:
        hardware = hush()
        known = Identity(hardware.address, "lovense", "Z")
        await opened(hardware, known=known)
        asked = [call for call in hardware.calls if call[0] != "bind"]
        assert asked[:2] == [("arm", (b"Vibrate:0;",), 50), STOPPED]
        assert asked[-1] == STOPPED
        assert asked.count(STOPPED) == 2
        assert all(call[1] is not None for call in asked if call[0] == "arm")

    run_virtual(main())


@pytest.mark.parametrize(
    "known",
    [Identity("A", "we-vibe", "Z"), Identity("A", "lovense", "no such model"), Identity("A", "")],
)
def test_what_is_known_and_cannot_be_is_passed_over(known: Identity) -> None:
    async def main() -> None:
        hardware = hush()
        made = await opened(hardware, known=known)
        assert made.device.name == "Lovense Hush"
        assert hardware.calls[-1] == STOPPED

    run_virtual(main())


def test_a_toy_that_does_not_take_its_stop_is_no_device() -> None:
    class Stubborn(Peripheral):
        def stop(self, packets: Any, *, everything: bool, at_rest: bool = False) -> Outcome:
            outcome = super().stop(packets, everything=everything, at_rest=at_rest)
            outcome = Outcome()
            outcome.set_exception(HardwareError(ErrorCode.RADIO, "the radio said no"))
            return outcome

    async def main() -> None:
        (toy,) = toys_by_name("Lovense Hush")
        for known in (None, Identity("A", "lovense", "Z")):
            with pytest.raises(HardwareError, match="radio"):
                await opened(Stubborn(toy), known=known)

    run_virtual(main())


def test_a_peripheral_without_the_services_of_its_kind_is_refused() -> None:
    async def main() -> None:
        hardware = hush()
        hardware.found = ()
        with pytest.raises(HardwareError, match="none of the services"):
            await opened(hardware)
        assert not any(call[0] == "write" for call in hardware.calls)

    run_virtual(main())


def test_without_a_candidate_it_is_refused_too() -> None:
    async def main() -> None:
        with pytest.raises(HardwareError, match="Kettle"):
            await opened(hush(), advertisement=Advertisement("AA", "Kettle"))

    run_virtual(main())


def test_a_toy_that_says_nothing_costs_a_bounded_time() -> None:
    async def main() -> None:
        hardware = hush(answer=b"")
        with suppress(HardwareError):  # some families have a model for those that do not tell
            await opened(hardware)
        assert asyncio.get_running_loop().time() <= IDENTIFY_S + HANDSHAKE_S

    run_virtual(main())


@pytest.mark.parametrize("answer", [b";", b"\xff\xfe", b"::::;", b"Z;", b"\0" * 512])
def test_an_answer_without_sense_is_a_failure_of_the_toy(answer: bytes) -> None:
    async def main() -> None:
        with suppress(HardwareError):
            await opened(hush(answer=answer))

    run_virtual(main())


def test_its_own_stop_is_armed_before_a_handshake_that_may_move_it() -> None:
    async def main() -> None:
        (toy,) = toys_by_name("WeVibe Sync")
        for known in (None, Identity("A", "wevibe", "Sync")):
            hardware = Peripheral(toy)
            await opened(hardware, known=known)
            asked = [call for call in hardware.calls if call[0] in ("arm", "write")]
            begun = next(n for n, call in enumerate(asked) if call[0] == "write")
            assert asked[begun - 1] == ("arm", (bytes([0x0F, *bytes(7)]),), 50)
            assert len([call for call in asked[:begun] if call[0] == "arm"]) == (1 if known else 2)

    run_virtual(main())


def test_what_the_user_decided_about_the_device_holds() -> None:
    async def main() -> None:
        user = UserConfig()
        hardware = hush()
        first = await opened(hardware)
        user.remember(hardware.address, "Z", first.definition, 7)
        entry = user.device(hardware.address, "lovense", "Z")
        assert entry is not None
        user.set_choice(entry, display_name="Hers", message_gap_ms=123)
        again = await opened(hush(), user)
        assert again.device.shown_name == "Hers"
        assert again.device.wished_index == 7
        assert again.device.gap_ms == 123
        assert [call for call in again.hardware.calls if call[0] == "arm"][1][2] == 123  # type: ignore[attr-defined]  # a Peripheral

    run_virtual(main())


def test_new_limits_of_the_wearer_replace_the_ranges() -> None:
    async def main() -> None:
        device = (made := await opened(hush())).device
        made.apply_ceilings((Ceiling(0.5), Ceiling(0, address="somebody else's")))
        assert [output.value for f in device.features for output in (f.output or {}).values()] == [
            (0, 10)
        ]
        made.apply_ceilings(())
        assert [output.value for f in device.features for output in (f.output or {}).values()] == [
            (0, 20)
        ]

    run_virtual(main())


def test_a_keep_alive_that_repeats_has_something_to_repeat() -> None:
    class Protocol:
        keepalive = KeptAlive(100, primed=True)

        def armed(self) -> tuple[()]:
            return ()

        def stop(self, features: object = None) -> tuple[()]:
            return ()

    async def main() -> None:
        hardware = hush()
        await arm(hardware, Protocol(), 0)  # type: ignore[arg-type]  # what arming asks of it
        assert hardware.calls == [("arm", (), 0), ("stop", (), True)]

    run_virtual(main())


def test_cancelled_at_each_await_it_is_no_device_and_no_task_is_left() -> None:
    async def main() -> None:
        turns = 0
        while True:
            task = asyncio.create_task(opened(hush(slow=3)))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(asyncio.all_tasks()) == 1
            turns += 1
        assert turns > 10, "it was cancelled at many places"
        await task

    run_virtual(main())


def test_a_protocol_that_sees_nothing_to_stop_is_stopped_by_what_is_armed() -> None:
    """OSSM sends nothing for a stop that it takes for needless; on a fresh connection none is."""

    class Protocol:
        keepalive = None

        def armed(self) -> tuple[Packet, ...]:
            return (Packet(1, b"armed"),)

        def stop(self, features: None) -> tuple[Packet, ...]:
            return ()

    async def main() -> None:
        hardware = RecordingHardware("tx")
        await arm(hardware, Protocol(), 50)  # type: ignore[arg-type]  # as much as is used
        assert [call[:2] for call in hardware.calls][-1] == ("stop", (b"armed",))

    run_virtual(main())
