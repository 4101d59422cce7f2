"""Both ends of a link wired together: what one sends the other must get, state by state."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.link import messages as m
from relay.link.bounds import (
    ACTIVE_PATIENCE_S,
    BEAT_ACTIVE_S,
    BEAT_IDLE_S,
    BEAT_MEASURING_S,
    CLOCK_SAMPLES,
    ECHO_IDLE_S,
    GREETING_S,
    LEAD_MARGIN_S,
    LINK_SILENCE_S,
    MEASURE_AGAIN_S,
)
from relay.link.codec import encode
from relay.link.errors import LinkRefused, LinkViolation
from relay.link.session import HubSession, LinkSilent, LinkState, RelaySession

HELLO = m.Hello(m.VERSION, "attic")


class Pair:
    """A hub's and a relay's session with a wire between them, on one clock."""

    def __init__(self, capabilities: tuple[str, ...] = ()) -> None:
        self.now = 100.0
        self.hello = replace(HELLO, capabilities=capabilities)
        self.hub = HubSession("hub", self.now)
        self.relay = RelaySession(self.now)

    def greet(self) -> Pair:
        message, welcome = self.hub.receive(self.relay.send(self.hello), self.now)
        assert message == self.hello
        assert welcome is not None
        self.relay.receive(welcome, self.now)
        return self

    def to_hub(self, message: m.FromRelay) -> None:
        got, answer = self.hub.receive(self.relay.send(message), self.now)
        assert (got, answer) == (message, None)

    def to_relay(self, message: m.FromHub) -> None:
        got, answer = self.relay.receive(self.hub.send(message), self.now)
        assert (got, answer) == (message, None)

    def beat(self, trip_s: float = 0.0, *, active: bool = False, lease_ms: int = 900) -> m.Beat:
        frame = self.hub.tick(self.now, {3: lease_ms}, active=active)
        assert frame is not None
        self.now += trip_s / 2
        beat, echo = self.relay.receive(frame, self.now)
        assert isinstance(beat, m.Beat)
        assert echo is not None
        self.now += trip_s / 2
        self.hub.receive(echo, self.now)
        return beat


def test_a_greeting_opens_both_ends() -> None:
    pair = Pair().greet()
    assert pair.hub.state is LinkState.OPEN
    assert pair.relay.state is LinkState.OPEN
    assert pair.hub.hello == HELLO
    assert pair.relay.welcome == m.Welcome(m.VERSION, "hub", active_ms=900, idle_ms=10_000)


def test_messages_pass_both_ways_once_the_link_is_open() -> None:
    pair = Pair().greet()
    pair.to_relay(m.Connect(pair.hub.request_id(), 3, "AA"))
    pair.to_hub(m.Connected(1, ()))
    pair.to_relay(m.Stop(pair.hub.request_id(), 3, ()))
    pair.to_hub(m.Done(2))


def test_nothing_but_a_greeting_comes_first() -> None:
    pair = Pair()
    with pytest.raises(LinkViolation, match="the relay sent Done while the link was greeting"):
        pair.hub.receive(encode(m.Done(1)), pair.now)
    with pytest.raises(LinkViolation, match="the hub sent Scan while the link was greeting"):
        pair.relay.receive(encode(m.Scan(True)), pair.now)
    with pytest.raises(LinkViolation, match="this hub sent Scan"):
        pair.hub.send(m.Scan(True))
    with pytest.raises(LinkViolation, match="this relay sent Done"):
        pair.relay.send(m.Done(1))


def test_a_second_greeting_is_a_violation() -> None:
    pair = Pair().greet()
    with pytest.raises(LinkViolation):
        pair.hub.receive(encode(HELLO), pair.now)


@pytest.mark.parametrize("version", [0, 1, 65535])
def test_another_version_is_refused_with_what_to_do(version: int) -> None:
    hub = HubSession("hub", 0.0)
    with pytest.raises(LinkRefused, match="update the older one"):
        hub.receive(encode(m.Hello(version, "attic")), 0.0)
    relay = RelaySession(0.0)
    relay.send(HELLO)
    with pytest.raises(LinkRefused, match="update the older one"):
        relay.receive(encode(m.Welcome(version, "hub")), 0.0)


def test_after_a_goodbye_nothing_is_said_any_more() -> None:
    pair = Pair().greet()
    pair.to_hub(m.Bye("done"))
    assert pair.hub.state is LinkState.CLOSED
    with pytest.raises(LinkViolation):
        pair.hub.send(m.Scan(True))
    with pytest.raises(LinkViolation):
        pair.relay.send(m.Done(1))


def test_a_beat_that_crosses_the_relays_goodbye_is_no_violation() -> None:
    pair = Pair().greet()
    frame = pair.hub.tick(pair.now, {}, active=False)
    assert frame is not None
    pair.to_hub(m.Bye("done"))
    beat, echo = pair.relay.receive(frame, pair.now)
    assert isinstance(beat, m.Beat)
    assert echo is None


def test_a_silent_newcomer_is_given_up() -> None:
    pair = Pair()
    assert pair.hub.deadline == pair.now + GREETING_S
    assert pair.hub.tick(pair.now, {}, active=False) is None
    with pytest.raises(LinkSilent):
        pair.hub.tick(pair.hub.deadline, {}, active=False)
    with pytest.raises(LinkSilent):
        pair.relay.tick(pair.relay.deadline)


def test_beats_carry_leases_and_are_echoed_at_once() -> None:
    pair = Pair().greet()
    assert pair.beat().leases == {3: 900}


def test_beats_come_four_times_a_second_while_an_output_is_on() -> None:
    pair = Pair().greet()
    pair.beat()
    assert pair.hub.deadline == pair.now + BEAT_IDLE_S
    pair.beat(active=True)  # at once when the first output goes on
    assert pair.hub.deadline == pair.now + BEAT_ACTIVE_S


def test_an_output_makes_the_next_beat_come_soon() -> None:
    pair = Pair().greet()
    pair.beat()
    pair.hub.rouse(pair.now)
    assert pair.hub.deadline == pair.now + BEAT_ACTIVE_S


def test_round_trip_and_clock_offset_are_measured() -> None:
    pair = Pair().greet()
    for _ in range(20):
        pair.beat(0.030)
        pair.now = pair.hub.deadline
    assert pair.hub.round_trip_ms == pytest.approx(30)
    assert pair.hub.clock.theirs(pair.now) == pytest.approx(pair.now, abs=1e-5)


def test_a_relays_clock_is_measured_while_somebody_is_about_to_name_times() -> None:
    pair = Pair(capabilities=("timed",)).greet()
    pair.beat(0.02)
    assert pair.hub.deadline == pytest.approx(pair.now + BEAT_IDLE_S, abs=0.1)
    assert pair.hub.lead(pair.now) is None
    began = pair.now
    for _ in range(CLOCK_SAMPLES - 1):
        pair.now = max(pair.now, pair.hub.deadline)
        pair.beat(0.02, active=True)
    assert pair.now - began < 2
    assert pair.hub.lead(pair.now) == pytest.approx(0.02 + LEAD_MARGIN_S)
    assert pair.hub.theirs_us(pair.now) == pytest.approx(pair.now * 1e6, abs=2)
    # Beats come as always then; after a while without a time it is measured once more.
    for _ in range(2):
        pair.now = pair.hub.deadline
        pair.beat(active=True)
    assert pair.hub.deadline == pytest.approx(pair.now + BEAT_ACTIVE_S)
    pair.now += MEASURE_AGAIN_S + 1
    assert pair.hub.lead(pair.now) is not None
    pair.beat(active=True)
    assert pair.hub.deadline == pytest.approx(pair.now + BEAT_MEASURING_S)


def test_a_relay_that_takes_no_times_is_named_none() -> None:
    pair = Pair().greet()
    for _ in range(CLOCK_SAMPLES):
        pair.beat(0.02)
        pair.now = pair.hub.deadline
    assert pair.hub.lead(pair.now) is None


def test_a_relay_whose_clock_cannot_be_is_named_no_time() -> None:
    pair = Pair(capabilities=("timed",)).greet()
    for _ in range(CLOCK_SAMPLES):
        frame = pair.hub.beat(pair.now, {})
        beat, _ = pair.relay.receive(frame, pair.now)
        assert isinstance(beat, m.Beat)
        pair.hub.receive(encode(m.Echo(beat.number, beat.time_us, 0)), pair.now)
    assert pair.hub.lead(pair.now) is not None
    assert pair.hub.theirs_us(50.0) is None


@pytest.mark.parametrize(("active", "limit_s"), [(True, ACTIVE_PATIENCE_S), (False, ECHO_IDLE_S)])
def test_a_relay_that_stops_answering_is_given_up(active: bool, limit_s: float) -> None:
    pair = Pair().greet()
    first = pair.now
    while True:
        try:
            pair.hub.tick(pair.now, {}, active=active)
        except LinkSilent:
            break
        pair.now = pair.hub.deadline
    assert pair.now - first == pytest.approx(limit_s)


def test_a_hub_that_falls_silent_is_given_up() -> None:
    pair = Pair().greet()
    pair.now += LINK_SILENCE_S - 0.01
    pair.relay.tick(pair.now)
    pair.beat(lease_ms=10_000)
    pair.relay.tick(pair.now + LINK_SILENCE_S - 0.01)
    with pytest.raises(LinkSilent, match="the hub has been silent for 10"):
        pair.relay.tick(pair.now + LINK_SILENCE_S)


def test_a_hub_that_falls_silent_while_something_runs_is_given_up_sooner() -> None:
    pair = Pair().greet()
    pair.beat(active=True)
    pair.relay.tick(pair.now + ACTIVE_PATIENCE_S - 0.01)
    with pytest.raises(LinkSilent, match="the hub has been silent for 2"):
        pair.relay.tick(pair.now + ACTIVE_PATIENCE_S)


def test_an_echo_of_a_beat_never_sent_is_a_violation() -> None:
    pair = Pair().greet()
    with pytest.raises(LinkViolation, match="answered beat 99"):
        pair.hub.receive(encode(m.Echo(99, 0, 0)), pair.now)


def test_request_numbers_start_again_before_they_grow_too_large() -> None:
    hub = HubSession("hub", 0.0)
    hub._last_id = 0xFFFFFFFE
    assert [hub.request_id() for _ in range(3)] == [0xFFFFFFFF, 1, 2]
