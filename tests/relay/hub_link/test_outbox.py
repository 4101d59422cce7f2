"""What waits for one link: answers are kept, of notifications the newest, all of it bounded."""

from __future__ import annotations

from collections import Counter as Tally

from relay.hub_link.bounds import NOTIFICATIONS, OUTBOX_FULL
from relay.hub_link.outbox import LinkOutbox
from relay.link.messages import Advertisements, Done, FromRelay, Notification, Stats


def told(number: int, handle: int = 1, peripheral: int = 7) -> Notification:
    return Notification(peripheral, handle, bytes([number]))


def drained(outbox: LinkOutbox) -> list[FromRelay]:
    found = []
    while (message := outbox.take()) is not None:
        found.append(message)
    return found


def test_messages_leave_in_their_order_and_what_did_not_leave_is_the_first_again() -> None:
    outbox = LinkOutbox(Tally())
    assert outbox.take() is None
    for id in (1, 2, 3):
        outbox.put(Done(id))
    first, second = outbox.take(), outbox.take()
    assert (first, second) == (Done(1), Done(2))
    outbox.put_first([Done(1), Done(2)])
    assert len(outbox) == 3
    assert drained(outbox) == [Done(1), Done(2), Done(3)]


def test_it_is_full_at_its_bound_and_no_answer_is_left_out_beyond_it() -> None:
    outbox = LinkOutbox(Tally())
    for id in range(OUTBOX_FULL - 1):
        outbox.put(Done(id))
    assert not outbox.full
    outbox.put(Done(OUTBOX_FULL - 1))
    assert outbox.full
    outbox.put(Done(OUTBOX_FULL))
    assert len(outbox) == OUTBOX_FULL + 1
    assert drained(outbox) == [Done(id) for id in range(OUTBOX_FULL + 1)]
    assert not outbox.full


def test_what_comes_again_anyway_is_left_out_while_it_is_full() -> None:
    outbox = LinkOutbox(Tally())
    outbox.put(Advertisements(()))
    outbox.put(Stats({}))
    assert len(outbox) == 2
    for id in range(OUTBOX_FULL):
        outbox.put(Done(id))
    outbox.put(Advertisements(()))
    outbox.put(Stats({}))
    assert len(outbox) == OUTBOX_FULL + 2


def test_of_one_subscription_the_newest_wait_and_the_others_are_counted() -> None:
    tally: Tally[str] = Tally()
    outbox = LinkOutbox(tally)
    others: list[FromRelay] = [Done(1), told(0, handle=2), told(0, peripheral=8)]
    for message in others:
        outbox.put(message)
    for number in range(NOTIFICATIONS):
        outbox.put(told(number))
    assert tally == {}
    outbox.put(told(NOTIFICATIONS))
    outbox.put(told(NOTIFICATIONS + 1))
    assert tally == {"dropped notifications": 2}
    newest = [told(number) for number in range(2, NOTIFICATIONS + 2)]
    assert drained(outbox) == [*others, *newest]


def test_what_has_left_makes_room_for_as_many_again() -> None:
    tally: Tally[str] = Tally()
    outbox = LinkOutbox(tally)
    for _ in range(3):
        for number in range(NOTIFICATIONS):
            outbox.put(told(number))
        assert len(drained(outbox)) == NOTIFICATIONS
    assert tally == {}
    for number in range(NOTIFICATIONS + 3):
        outbox.put(told(number))
    assert len(drained(outbox)) == NOTIFICATIONS
    for number in range(NOTIFICATIONS):
        outbox.put(told(number))
    assert tally == {"dropped notifications": 3}
