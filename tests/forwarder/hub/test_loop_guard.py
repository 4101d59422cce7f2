from __future__ import annotations

from forwarder.hub.loop_guard import hub_id_of, marked, new_hub_id, plain_name


def test_a_hub_is_known_by_the_end_of_its_name_and_people_do_not_see_that() -> None:
    id = new_hub_id()
    name = marked("Desk", id)
    assert hub_id_of(name) == id
    assert plain_name(name) == "Desk"
    assert name.startswith("Desk ")


def test_no_other_client_is_taken_for_a_hub() -> None:
    for name in ("Game", "", "Game #bpf-", f"#bpf-{'a' * 16}x", f"Game #bpf-{'g' * 16}"):
        assert hub_id_of(name) is None
        assert plain_name(name) == name


def test_each_run_has_an_id_of_its_own() -> None:
    assert new_hub_id() != new_hub_id()
    assert len(new_hub_id()) == 16
