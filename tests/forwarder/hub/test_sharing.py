"""Something that several hold: it begins with the first and ends with the last of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.devices.driver import Fate, Outcome
from forwarder.errors import HardwareError
from forwarder.hub.sharing import Shared
from relay.link.messages import ErrorCode
from tests.doubles.clock import run_virtual

GONE = HardwareError(ErrorCode.GONE, "gone")


class Far:
    """`calls` in order; each begins with `+` or `-`. `slow`: outcomes wait; `away`: none leaves."""

    def __init__(self) -> None:
        self.calls = ""
        self.slow = False
        self.away = False
        self.waiting: list[Outcome] = []
        self.shared: Shared[str] = Shared(lambda: self._call("+"), lambda: self._call("-"))

    def _call(self, what: str) -> Outcome:
        if self.away:
            raise GONE
        self.calls += what
        outcome = Outcome()
        self.waiting.append(outcome)
        if not self.slow:
            self.finish()
        return outcome

    def finish(self, error: HardwareError | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for outcome in waiting:
            if error is None:
                outcome.set_result(Fate.TAKEN)
            else:
                outcome.set_exception(error)


def play(scene: Callable[[Far], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(Far())

    run_virtual(main())


def test_it_is_on_from_the_first_holder_to_the_last() -> None:
    async def scene(far: Far) -> None:
        for holder in ("a", "a", "b"):
            await far.shared.hold(holder)
        assert far.shared.release("a") is None
        assert far.shared.release("a") is None
        assert far.calls == "+"
        ending = far.shared.release("b")
        assert ending is not None
        await ending
        assert (far.calls, far.shared.holders) == ("+-", frozenset())
        await far.shared.hold("c")
        assert far.calls == "+-+"

    play(scene)


def test_all_wait_for_one_beginning_and_fail_with_it() -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        waiting = [asyncio.create_task(far.shared.hold(holder)) for holder in "abc"]
        await asyncio.sleep(0)
        assert far.calls == "+"
        far.finish(GONE)
        for each in waiting:
            with pytest.raises(HardwareError, match="gone"):
                await each
        assert far.shared.holders == frozenset()
        far.slow = False
        await far.shared.hold("a")
        assert far.calls == "++"

    play(scene)


def test_who_is_cancelled_holds_nothing_and_takes_nothing_from_others() -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        first, second = (asyncio.create_task(far.shared.hold(holder)) for holder in "ab")
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert (far.calls, far.shared.holders) == ("+", frozenset("b"))
        second.cancel()
        await asyncio.sleep(0)
        # It has not begun yet; the end is behind it.
        assert (far.calls, far.shared.holders) == ("+-", frozenset())
        far.finish()

    play(scene)


def test_who_cannot_be_told_is_left_all_the_same() -> None:
    async def scene(far: Far) -> None:
        await far.shared.hold("a")
        far.away = True
        with pytest.raises(HardwareError):
            far.shared.release("a")
        assert far.shared.holders == frozenset()
        with pytest.raises(HardwareError):
            await far.shared.hold("a")
        assert far.shared.holders == frozenset()
        far.away = False
        await far.shared.hold("b")
        far.away = True
        far.shared.leave("b")
        assert (far.calls, far.shared.holders) == ("++", frozenset())

    play(scene)


def test_an_end_that_fails_is_nobodys_surprise() -> None:
    async def scene(far: Far) -> None:
        await far.shared.hold("a")
        far.slow = True
        far.shared.leave("a")
        far.finish(GONE)

    play(scene)


steps = st.lists(
    st.tuples(st.sampled_from(["take", "release", "finish", "fail"]), st.sampled_from("abc")),
    max_size=30,
)


@given(steps)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_it_is_on_if_and_only_if_somebody_holds_it(
    script: list[tuple[str, str]],
) -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        refused = False
        for what, holder in script:
            calls, pending = far.calls, bool(far.waiting)
            if what == "take":
                far.shared.take(holder)
                refused = refused and far.calls == calls
            elif what == "release":
                far.shared.release(holder)
            else:
                far.finish(GONE if what == "fail" else None)
                await asyncio.sleep(0)
                refused = refused or (what == "fail" and pending and calls.endswith("+"))
            on = far.calls.endswith("+") and not refused
            assert on is bool(far.shared.holders)
            assert "--" not in far.calls
        far.finish()

    play(scene)


def test_who_waits_for_what_was_let_go_meanwhile_hears_that() -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        waiting = asyncio.create_task(far.shared.hold("a"))
        await asyncio.sleep(0)
        far.waiting[0].cancel()
        with pytest.raises(HardwareError, match="let go meanwhile"):
            await waiting
        assert far.shared.holders == frozenset()

    play(scene)


def test_who_is_cancelled_is_cancelled() -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        waiting = asyncio.create_task(far.shared.hold("a"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    play(scene)


def test_a_beginning_that_fails_late_ends_no_newer_one() -> None:
    async def scene(far: Far) -> None:
        far.slow = True
        far.shared.take("a")
        old = far.waiting.pop()
        far.shared.leave("a")
        far.finish()
        far.shared.take("b")
        old.set_exception(GONE)
        await asyncio.sleep(0)
        assert far.shared.holders == frozenset("b")
        far.finish()

    play(scene)


def test_an_end_that_nobody_waits_for_is_not_said_to_have_failed_or_been_cancelled() -> None:
    async def scene(far: Far) -> None:
        contexts: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, each: contexts.append(each))
        for end in ("fails", "is cancelled"):
            far.slow = False
            await far.shared.hold("a")
            far.slow = True
            far.shared.leave("a")
            if end == "fails":
                far.finish(GONE)
            else:
                far.waiting.pop().cancel()
            await asyncio.sleep(0)
        gc.collect()
        assert contexts == []

    play(scene)
