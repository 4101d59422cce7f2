"""Who drives what, by device and by client, agrees with one flat table whatever happens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forwarder.hub.owners import Owners
from tests.forwarder.hub.test_hub import FakeClient

CLIENTS = [FakeClient(name) for name in "abc"]
INDEXES = st.integers(0, 3)

Step = tuple[str, int, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "forget", "forget one", "leave"]), INDEXES, INDEXES, INDEXES)
)


@given(STEPS)
def test_it_says_what_one_flat_table_says(steps: list[Step]) -> None:
    owners = Owners()
    flat: dict[tuple[int, int], FakeClient] = {}
    for what, index, feature, number in steps:
        client = CLIENTS[number % len(CLIENTS)]
        match what:
            case "take":
                assert owners.take(index, feature, client) == ((index, feature) not in flat)
                flat[index, feature] = client
            case "forget":
                owners.forget(index)
                flat = {key: who for key, who in flat.items() if key[0] != index}
            case "forget one":
                owners.forget(index, {feature})
                flat.pop((index, feature), None)
            case "leave":
                driven = {at: (features, others) for at, features, others in owners.leave(client)}
                left = {key: who for key, who in flat.items() if who is not client}
                gone = {key[0] for key in flat.keys() - left.keys()}
                assert driven == {
                    at: (
                        {key[1] for key in flat.keys() - left.keys() if key[0] == at},
                        any(key[0] == at for key in left),
                    )
                    for at in gone
                }
                flat = left
        for client in CLIENTS:
            mine = sorted(key for key, who in flat.items() if who is client)
            told = [(at, features) for at, features in owners.by(client)]
            assert sorted((at, each) for at, features in told for each in features) == mine
            assert [at for at, _ in told] == sorted({at for at, _ in mine})
        for at in range(4):
            assert owners.of(at) == {key[1]: who for key, who in flat.items() if key[0] == at}


def test_what_a_client_left_it_drives_no_more() -> None:
    owners = Owners()
    first, second = CLIENTS[:2]
    owners.take(7, 0, first)
    owners.take(7, 1, second)
    assert owners.leave(first) == [(7, {0}, True)]
    assert owners.leave(first) == []
    owners.take(7, 1, first)
    assert owners.leave(second) == []
    assert owners.leave(first) == [(7, {1}, False)]
