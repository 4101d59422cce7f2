"""A program of ours that does as standard input says: `python -m tests.faults.hooked PROGRAM …`.

stall SECONDS     its event loop stands still
jump SECONDS      its monotonic clock goes on by so much at once
wall SECONDS      its wall clock changes by so much
full              every write to a file fails from now on, as on a full disk
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time

sys.modules["uvloop"] = None  # type: ignore[assignment]  # its clock cannot be moved

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]


class HookedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be moved."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s

    def jump(self, seconds: float) -> None:
        self.ahead_s += seconds


class _Policy(asyncio.DefaultEventLoopPolicy):
    loop: HookedLoop

    def new_event_loop(self) -> HookedLoop:
        loop = HookedLoop()
        # Looking at radios at the start is done in a thread, with a loop of its own.
        if threading.current_thread() is threading.main_thread():
            self.loop = loop
        return loop


def _change_wall_clock(seconds: float) -> None:
    honest = time.time
    time.time = lambda: honest() + seconds


def _fill_disk() -> None:
    assert resource is not None
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _obey(policy: _Policy) -> None:
    for line in sys.stdin:
        match line.split():
            case ["stall", seconds]:
                policy.loop.call_soon_threadsafe(time.sleep, float(seconds))
            case ["jump", seconds]:
                policy.loop.call_soon_threadsafe(policy.loop.jump, float(seconds))
            case ["wall", seconds]:
                _change_wall_clock(float(seconds))
            case ["full"]:
                _fill_disk()


def main() -> int:
    program, sys.argv = sys.argv[1], sys.argv[1:]
    policy = _Policy()
    asyncio.set_event_loop_policy(policy)
    threading.Thread(target=_obey, args=(policy,), daemon=True).start()
    module = __import__(f"{program}.__main__", fromlist=["main"])
    code: int = module.main()
    return code


if __name__ == "__main__":
    sys.exit(main())
