"""Scripts of what has gone wrong with toys once, for the shared vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from relay.peripheral.actions import Operate, Over, ShortenDeadline, What
from tests.relay.peripheral.scripts import Event, Json, Player

Taker = Callable[[Operate], Json]

OFF: Json = {"h": 1, "d": "00", "r": True, "k": [1]}
ON: Json = {"h": 1, "d": "05", "k": [1]}
ZERO: Json = {"h": 1, "d": "00", "k": [1]}
OTHER: Json = {"h": 1, "d": "0c", "k": [2]}
TAKEN: Json = {"taken": ""}
REFUSED: Json = {"refused": "radio", "text": "the radio does not want to"}


class Recorder:
    """Plays a script while it is written. `takes_s`: of an operation, None: it never ends."""

    def __init__(self, name: str, **about: object) -> None:
        self.script: Json = {"name": name, **about, "events": []}
        self.now = 100.0
        self.takes_s: float | None = 0.0
        self.result: Json = TAKEN
        self._player: Player | None = None
        self._operation: Operate | None = None
        self._ends_at = self._cut_at = float("inf")
        self._id = 0
        self.do("bind", 7, 0.9, 10.0)

    def do(self, *event: object) -> None:
        line: Event = [self.now, *event]
        self.script["events"].append(line)
        if self._player is None:
            self._player = Player(self.script)
        for action in self._player.perform(line):
            match action:
                case Operate():
                    self._operation = action
                    takes_s = float("inf") if self.takes_s is None else self.takes_s
                    self._ends_at = self.now + takes_s
                    self._cut_at = self.now + action.limit_s
                case ShortenDeadline(by):
                    self._cut_at = min(self._cut_at, by)
                case Over():
                    self._operation = None

    def wait(self, seconds: float) -> None:
        assert self._player is not None
        until = self.now + seconds
        while True:
            ends = float("inf") if self._operation is None else min(self._ends_at, self._cut_at)
            due = min(ends, self._player.machine.deadline)
            if due > until:
                break
            self.now = max(self.now, due)
            if ends <= due:
                self._end()
            else:
                self.do("tick")
        self.now = until

    def _end(self) -> None:
        operation, self._operation = self._operation, None
        assert operation is not None
        if self._cut_at < self._ends_at:
            self.do("finished", {"cut": True})
        else:
            self.do("finished", TAKEN if operation.what is What.DISCONNECT else self.result)

    def drop(self) -> None:
        """What the machine has just asked for has not begun, and does not begin any more."""
        self.ended({"dropped": True})

    def ended(self, result: Json) -> None:
        """What is under way ends like this at once."""
        self._operation = None
        self.do("finished", result)

    def say(self, kind: str, **fields: object) -> None:
        self._id += 1
        self.do("say", {"t": kind, "id": self._id, "p": 7, **fields})

    def open(self, stop: Sequence[Json] | None = (OFF,), seen: int = 0, **fields: object) -> None:
        armed = {} if stop is None else {"stop": list(stop)}
        self.say("Arm", **armed, seen=seen, **fields)
        self.lease()

    def lease(self, seconds: float = 10.0) -> None:
        self.do("lease", round(self.now + seconds, 6))

    def keep(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.lease(0.9)
            self.wait(0.25)

    def at(self, ahead_s: float, *packets: Json, **fields: object) -> None:
        at_us = round((self.now + ahead_s) * 1e6)
        self.say("Output", packets=list(packets), at_us=at_us, **fields)

    def output(self, *packets: Json, **fields: object) -> None:
        self.say("Output", packets=list(packets), **fields)
        self.wait(0.01)


def _a_stop_crosses_an_emergency() -> Json:
    it = Recorder("a stop of one motor crosses an emergency stop")
    it.open()
    it.output(ON)
    it.takes_s = 0.05
    it.say("Stop", packets=[OTHER], all=False, seen=0)
    it.do("block", "emergency")
    it.say("Stop", packets=[OTHER], all=False, seen=0)
    it.wait(2)
    return it.script


def _an_off_fails() -> Json:
    it = Recorder("the radio fails one off: the longest run ends it", max_run_s=3)
    it.open()
    it.output(ON)
    it.result = REFUSED
    it.output(ZERO, rest=True)
    it.result = TAKEN
    it.keep(5)
    return it.script


def _the_link_is_cut() -> Json:
    it = Recorder("the link is cut, and comes back")
    it.open()
    it.output(ON)
    it.do("unbind")
    it.wait(0.5)
    it.do("bind", 8, 0.9, 10.0)
    it.open()
    it.output(ON)
    it.keep(0.5)
    return it.script


def _a_write_hangs() -> Json:
    it = Recorder("a write hangs as the wearer pauses, and may come later")
    it.open()
    it.takes_s = None
    it.output(ON)
    it.do("block", "pause")
    it.takes_s = 0.0
    it.wait(2)
    return it.script


def _slow() -> Json:
    it = Recorder("a slow radio takes every packet of the stop")
    it.open([OFF, OTHER])
    it.output(ON)
    it.takes_s = 0.6
    it.do("strike", "lease")
    it.wait(3)
    return it.script


def _never(emergency: bool) -> Json:
    it = Recorder("a stop that the radio never takes" + (", in an emergency" if emergency else ""))
    it.open()
    it.output(ON)
    it.result = REFUSED
    it.do("block" if emergency else "strike", "emergency" if emergency else "lease")
    it.do("await", 1)
    it.wait(6)
    return it.script


def _not_let_go() -> Json:
    it = Recorder("not even letting go works, for a while")
    it.open()
    it.output(ON)
    it.takes_s = None
    it.do("strike", "link")
    it.wait(9)
    it.takes_s = 0.0
    it.wait(4)
    return it.script


def _silence() -> Json:
    it = Recorder("silence stops it: the keep-alive ends with the hub's word")
    it.open([], keepalive={"every_ms": 100})
    it.output(ON, moves_ms=200)
    it.wait(0.5)
    it.output(rest=True)
    it.wait(0.5)
    it.output(ON, moves_ms=200)
    it.do("strike", "pause")
    it.wait(1)
    return it.script


def _silence_of_a_slow_radio() -> Json:
    it = Recorder("silence is its stop, and the radio is slow to take the move")
    it.takes_s = 0.6
    it.open([])
    it.output(ON, moves_ms=300)
    it.wait(0.58)
    it.do("strike", "pause")
    it.wait(1)
    return it.script


def _rests() -> Json:
    it = Recorder("ten seconds after the hub's word the relay makes sure")
    it.open()
    it.output(ON)
    it.output(ZERO, rest=True)
    it.keep(11)
    return it.script


def _needs_traffic() -> Json:
    it = Recorder("a toy that needs traffic is fed with its stop while paused")
    it.open(keepalive={"every_ms": 1000})
    it.output(ON)
    it.wait(0.5)
    it.do("block", "pause")
    it.wait(3.5)
    it.do("block", None)
    it.open(seen=1, keepalive={"every_ms": 1000})
    it.wait(2)
    return it.script


def _of_one_motor() -> Json:
    it = Recorder("a stop of one feature is the armed stop: nothing that ran is repeated behind it")
    it.open(keepalive={"every_ms": 200})
    it.output(ON)
    it.say("Stop", packets=[OFF], all=False, seen=0)
    it.keep(1)
    return it.script


def _waits_behind_a_stop() -> Json:
    it = Recorder("a value that waits behind a stop has its lease from when it came")
    it.open()
    it.output(ON)
    it.takes_s = 0.6
    it.say("Stop", packets=[OFF], all=True, rest=True, seen=0)
    it.output(ON)
    it.wait(3)
    return it.script


def _armed_anew() -> Json:
    it = Recorder("a stop that is armed no more when it is written counts as on")
    it.open()
    it.output(ON)
    it.takes_s = 0.2
    it.say("Read", h=2)
    it.say("Stop", packets=[OFF], all=True, rest=True, seen=0)
    it.say("Arm", stop=[ON], seen=0)
    it.wait(1)
    return it.script


def _all_that_is_repeated() -> Json:
    it = Recorder("whatever was stopped behind a write that was cut short is repeated")
    it.open([{**OFF, "k": [1, 2]}])
    it.output(ON)
    it.takes_s = None
    it.output(OTHER)
    it.do("strike", "stall")
    it.takes_s = 0.0
    it.wait(0.2)
    it.open([{**OFF, "k": [1, 2]}], seen=1)
    it.say("Stop", packets=[ZERO], all=False, rest=True, seen=1)
    it.say("Write", h=1, d="77", r=True)
    it.keep(1)
    it.takes_s = None
    it.output(OTHER)
    it.say("Stop", packets=[{**OTHER, "d": "00"}], all=False, seen=1)
    it.takes_s = 0.0
    it.wait(0.2)
    it.say("Stop", packets=[ZERO], all=False, rest=True, seen=1)
    it.say("Stop", packets=[{**OTHER, "d": "0000", "k": [2, 3]}], all=False, rest=True, seen=1)
    it.output(ZERO, rest=True)
    it.keep(1)
    return it.script


def _last_word() -> Json:
    it = Recorder("the stop that was said last is written last")
    it.open()
    it.output(ON)
    it.takes_s = 0.05
    it.output(OTHER)
    some, other = ({"h": 1, "d": data, "k": [1, 2]} for data in ("0000", "0005"))
    for packet in (some, ZERO, some, other, some):
        it.say("Stop", packets=[packet], all=False, seen=0)
    it.keep(1)
    return it.script


def _rests_again_and_again() -> Json:
    it = Recorder("ten seconds of rest count from the first word of it", max_run_s=12)
    it.open()
    it.output(ON)
    for _ in range(13):
        it.output(rest=True)
        it.lease()
        it.wait(1)
    return it.script


def _stalled() -> Json:
    it = Recorder("a lapse that is noticed late means that the program stood still")
    it.open()
    it.output(ON)
    it.now += 1.5
    it.do("tick")
    it.wait(1)
    return it.script


def _numbers() -> Json:
    counted = {"counter": {"at": 0, "xor_at": 2}}
    it = Recorder("running numbers go on in the armed stop, written twice")
    it.open([{"h": 1, "d": "000000", **counted}], gap_ms=30)
    for _ in range(3):
        it.output({"h": 1, "d": "000505", "k": [1], **counted})
    it.do("strike", "lease")
    it.wait(1)
    return it.script


def _owes() -> Json:
    it = Recorder("it ran when it was lost", owes=True)
    it.open()
    it.say("Output", packets=[ON])
    it.wait(0.5)
    return it.script


def _ends() -> Json:
    it = Recorder("the program ends while a write hangs")
    it.open()
    it.takes_s = None
    it.output(ON)
    it._operation = None  # It ends with the program.
    it.do("end")
    it.wait(3)
    return it.script


def _part_of_a_stop_behind_a_straggler(newer: int | None) -> Json:
    """`newer`: a value of this slot comes before the stop is repeated; 0: one without a slot."""
    it = Recorder(f"a write hangs, a stop of its slot overtakes it, then a value of slot {newer}")
    it.open()
    it.takes_s = None
    it.output({"h": 1, "d": "09", "k": [1]})
    it.say("Stop", packets=[ZERO, {"h": 4, "d": "00"}], all=False, rest=True, seen=0)
    it.takes_s = 0.0
    it.wait(0.2)
    if newer is not None:
        it.output({"h": 1, "d": "07", "k": [newer]} if newer else {"h": 4, "d": "07"})
    it.keep(1)
    return it.script


def _a_stop_of_its_own_is_disturbed() -> Json:
    it = Recorder("a stop of the hub between two packets of the relay's own", owes=True)
    it.takes_s = 0.1
    it.open([OFF, {"h": 1, "d": "02", "r": True, "k": [2]}])
    it.wait(0.05)
    it.say("Stop", packets=[OTHER], all=False, seen=0)
    it.wait(2)
    return it.script


def _fed_before_a_late_write() -> Json:
    it = Recorder("a keep-alive of the stop begins before a write that was cut short can come")
    alive = {"every_ms": 100}
    it.open([OFF, {"h": 1, "d": "02", "r": True, "k": [2]}], keepalive=alive)
    it.takes_s = None
    it.output(ON)
    it.keep(4.9)
    it.takes_s = 0.6
    it.keep(3)
    return it.script


def _armed_anew_while_it_is_fed() -> Json:
    it = Recorder("another stop is armed while the one before it is being repeated")
    alive = {"every_ms": 100}
    it.takes_s = 0.05
    it.open(keepalive=alive)
    it.wait(0.12)
    it.open([OTHER], keepalive=alive)
    it.wait(0.05)
    return it.script


def _what_has_not_begun() -> Json:
    it = Recorder("a strike takes back what has not begun")
    it.takes_s = None
    it.open()
    it.say("Read", h=2)
    it.do("strike", "radio")
    it.drop()
    it.takes_s = 0.0
    it.wait(0.1)
    it.open(seen=1)
    it.takes_s = None
    it.say("Output", packets=[ON])
    it.say("Stop", packets=[OFF], rest=True, seen=1)
    it.drop()
    it.takes_s = 0.0
    it.wait(0.1)
    return it.script


def _in_several_packets() -> Json:
    it = Recorder("a strike between two packets of a value")
    it.open()
    it.takes_s = 0.05
    it.say("Output", packets=[ON, OTHER])
    it.do("strike", "link")
    it.wait(1)
    return it.script


def _a_block_without_a_word() -> Json:
    it = Recorder("the wearer's switch has moved, and nobody has said so yet")
    it.open(gap_ms=100)
    it.output(ON)
    it.say("Output", packets=[OTHER])
    it.say("Write", h=1, d="77")
    it.do("switch", "pause")
    it.wait(0.3)
    return it.script


def _asked_while_it_leaves() -> Json:
    it = Recorder("the link ends while a stop waits, and a toy leaves behind a straggler")
    it.open(None)
    it.say("Output", packets=[ON])
    it.say("Output", packets=[])
    it.wait(0.1)
    it.say("Arm", seen=0, stop=[{**OFF, "after_ms": 600}] * 2)
    it.say("Arm", seen=0, stop=[OFF])
    it.takes_s = None
    it.say("Output", packets=[ON])
    it.wait(0.1)
    it.say("Stop", packets=[OFF])
    it.do("unbind")
    it.do("bind", 8, 0.9, 10.0)
    it.takes_s = 0.0
    it.wait(0.15)
    it.do("leave")
    it.wait(2)
    return it.script


def _believed() -> Json:
    it = Recorder("where silence stops it, the hub is believed after a while")
    it.open([])
    it.output(ON)
    it.output(rest=True)
    it.keep(11)
    return it.script


def _gone_while_it_is_let_go() -> Json:
    it = Recorder("it goes by itself while letting it go is its stop")
    it.open(None)
    it.output(ON)
    it.takes_s = None
    it.do("strike", "lease")
    it.do("gone", "out of range")
    it.do("finished", {"cut": True})
    it.say("Output", packets=[ON])
    return it.script


def _floods() -> Json:
    it = Recorder("more than anybody needs: values, requests, stops, numbers")
    it.open(keepalive={"every_ms": 60, "packet": {"h": 1, "d": "6b"}})
    it.takes_s = None
    for n in range(258):
        it.say("Output", packets=[{"h": 1, "d": "01", "k": [n]}])
    it.say("Read", h=2)
    it.takes_s = 0.0
    it.wait(6)
    it.open(seen=1)
    for n in range(70):
        it.output({"h": n, "d": "05", "k": [n], "counter": {"at": 0}})
    it.takes_s = None
    for n in range(258):
        it.say("Stop", packets=[{"h": 1, "d": "00", "k": [n]}], all=False, seen=1)
    it.takes_s = 0.0
    it.wait(3)
    return it.script


def _fed() -> Json:
    it = Recorder("a packet that keeps a run going")
    it.open(keepalive={"every_ms": 60, "packet": {"h": 1, "d": "6b"}, "only_running": True})
    it.output(ON, moves_ms=300)
    it.keep(0.5)
    return it.script


def _ends_while_it_is_let_go() -> Json:
    it = Recorder("the program ends while it is let go, which is done again")
    it.open()
    it.output(ON)
    it.takes_s = None
    it.do("leave")
    it.ended(TAKEN)
    it._operation = None  # It ends with the program.
    it.do("end")
    it.wait(1)
    return it.script


def _gone_while_it_is_stopped() -> Json:
    it = Recorder("it goes out of range while its stop is being tried")
    it.open()
    it.output(ON)
    it.result = REFUSED
    it.do("strike", "lease")
    it.wait(0.2)
    it.do("gone", "out of range")
    return it.script


def _letting_go_is_its_stop_and_fails() -> Json:
    it = Recorder("letting it go is its stop, and does not work for a while")
    it.open(None)
    it.output(ON)
    it.takes_s = None
    it.do("strike", "lease")
    it.wait(6)
    it.takes_s = 0.0
    it.wait(1)
    return it.script


def _with_times(name: str) -> Recorder:
    """A toy whose values for two slots wait: 0.1 and 0.3 s from now."""
    it = Recorder(name)
    it.open()
    it.at(0.1, ON)
    it.at(0.3, {"h": 1, "d": "08", "k": [1]})
    it.at(0.3, OTHER)
    return it


def _values_with_a_time() -> Json:
    it = _with_times("values wait for their time; newer ones of their slot take their place")
    it.at(0.2, {"h": 1, "d": "06", "k": [1]})
    it.wait(0.15)
    it.output({"h": 1, "d": "07", "k": [1]})
    it.at(0.05, ON)
    it.at(0.1)
    it.at(0.07, rest=True)
    it.keep(0.5)
    return it.script


def _values_too_late_or_too_early() -> Json:
    it = Recorder("a value too late is dropped, an off is not; nor may one be too far ahead")
    it.open()
    it.output(ON)
    it.at(-0.006, OTHER)
    it.at(-0.004, OTHER)
    it.at(-0.5, ZERO, off=True)
    it.at(0.95, OTHER)
    for n in range(65):
        it.at(0.1, {"h": 1, "d": "01", "k": [n]})
    it.now += 0.11
    it.do("tick")
    it.at(0.1, ZERO, off=True)
    it.now += 0.11
    it.do("tick")
    it.keep(0.25)
    return it.script


def _rests_with_the_last() -> Json:
    it = Recorder("all is off with the last of what waits, and not before something that is on")
    nil: Json = {"h": 1, "d": "00", "k": [2]}
    third: Json = {"h": 1, "d": "00", "k": [3]}
    it.open()

    def behind_a_slow_write(*values: tuple[Json, bool]) -> None:
        it.takes_s = 0.05
        for value, rest in ((third, False), *values):
            it.say("Output", packets=[value], rest=rest)

    behind_a_slow_write((nil, False), (ZERO, True), (OTHER, False))
    it.wait(0.3)
    behind_a_slow_write((OTHER, False), (ZERO, False), (nil, True))
    it.keep(0.5)
    behind_a_slow_write((ON, False), (nil, False), (ZERO, True))
    it.keep(0.5)
    behind_a_slow_write((ON, False), (OTHER, False), (ZERO, False))
    it.say("Stop", packets=[nil], all=False, rest=True, seen=0)
    it.keep(0.5)
    it.output(ON)
    it.at(0.1, ZERO, rest=True, off=True)
    it.output(OTHER)
    it.keep(0.25)
    it.output(ON)
    it.at(0.1, ZERO, off=True)
    it.output(nil, rest=True)
    it.keep(0.25)
    it.output(ON)
    it.at(0.2, ZERO, off=True)
    it.at(0.1, nil, rest=True, off=True)
    it.keep(0.25)
    it.output(ON)
    it.at(0.1, ZERO, off=True)
    it.say("Stop", packets=[nil], all=False, rest=True, seen=0)
    it.keep(0.5)
    return it.script


def _a_stop_while_values_wait(*, whole: bool) -> Json:
    it = _with_times(f"a stop of {'everything' if whole else 'one slot'} while values wait")
    it.at(0.1, {"h": 1, "d": "0e"})
    it.at(0.1, {"h": 1, "d": "00"}, off=True)
    it.say("Stop", packets=[OFF if whole else ZERO], all=whole, seen=0)
    it.keep(0.5)
    return it.script


def _a_strike_while_values_wait(*strike: object) -> Json:
    it = _with_times(f"{strike[0]} while values wait")
    it.do(*strike)
    it.wait(0.5)
    return it.script


def _found_late() -> Json:
    it = _with_times("the wearer's switch moves, then it is too late for what waits")
    it.do("switch", "pause")
    it.wait(0.2)
    it.do("switch", None)
    it.lease()
    it.now += 0.2
    it.do("tick")
    return it.script


RECORDED: list[Json] = [
    _a_stop_crosses_an_emergency(),
    _an_off_fails(),
    _the_link_is_cut(),
    _a_write_hangs(),
    _slow(),
    _never(emergency=False),
    _never(emergency=True),
    _not_let_go(),
    _silence(),
    _silence_of_a_slow_radio(),
    _rests(),
    _needs_traffic(),
    _of_one_motor(),
    _waits_behind_a_stop(),
    _armed_anew(),
    _all_that_is_repeated(),
    _last_word(),
    _rests_again_and_again(),
    _stalled(),
    _numbers(),
    _owes(),
    _ends(),
    _ends_while_it_is_let_go(),
    _part_of_a_stop_behind_a_straggler(None),
    _part_of_a_stop_behind_a_straggler(0),
    _part_of_a_stop_behind_a_straggler(1),
    _part_of_a_stop_behind_a_straggler(2),
    _a_stop_of_its_own_is_disturbed(),
    _fed_before_a_late_write(),
    _armed_anew_while_it_is_fed(),
    _what_has_not_begun(),
    _in_several_packets(),
    _a_block_without_a_word(),
    _asked_while_it_leaves(),
    _believed(),
    _gone_while_it_is_let_go(),
    _floods(),
    _fed(),
    _values_with_a_time(),
    _values_too_late_or_too_early(),
    _rests_with_the_last(),
    _a_stop_while_values_wait(whole=True),
    _a_stop_while_values_wait(whole=False),
    _a_strike_while_values_wait("strike", "lease"),
    _a_strike_while_values_wait("block", "pause"),
    _a_strike_while_values_wait("unbind"),
    _a_strike_while_values_wait("gone", "out of range"),
    _found_late(),
    _gone_while_it_is_stopped(),
    _letting_go_is_its_stop_and_fails(),
]
