"""What a person decided about relays and a toy, by key and by name."""

from __future__ import annotations

from forwarder.sources.relays.choosing.pins import How, Pins, with_pin

TOY = "aa:bb:cc:dd:ee:ff"


def test_only_keeps_all_others_away_by_canonical_address() -> None:
    pins = Pins()
    pins.adopt({TOY: {"attic": How.ONLY}})
    assert pins.of(TOY.upper(), "attic", "Attic").may_not is None
    assert "another relay alone" in str(pins.of(TOY, "cellar", "Cellar").may_not)
    assert pins.of("11:22:33:44:55:66", "cellar", "Cellar").may_not is None


def test_never_keeps_that_one_away_and_prefer_keeps_nobody_away() -> None:
    pins = Pins()
    pins.adopt({TOY: {"attic": How.NEVER, "bath": How.PREFER}})
    assert "never" in str(pins.of(TOY, "attic", "Attic").may_not)
    assert pins.of(TOY, "bath", "Bath").preferred
    other = pins.of(TOY, "cellar", "Cellar")
    assert (other.may_not, other.preferred) == (None, False)


def test_what_a_file_says_by_name_holds_until_somebody_decides_otherwise() -> None:
    pins = Pins([(TOY, "Attic", How.NEVER), (TOY, "Bath", How.PREFER)])
    assert pins.of(TOY, "key", "ATTIC").may_not is not None
    pins.adopt({TOY: {"key": How.PREFER}})
    now = pins.of(TOY, "key", "Attic")
    assert (now.may_not, now.preferred) == (None, True)
    assert pins.by_name(TOY) == {"attic": How.NEVER, "bath": How.PREFER}


def test_only_and_prefer_are_said_of_one_relay_and_never_of_many() -> None:
    pins = with_pin({}, "attic", How.NEVER)
    pins = with_pin(pins, "bath", How.ONLY)
    pins = with_pin(pins, "cellar", How.PREFER)
    assert pins == {"attic": How.NEVER, "cellar": How.PREFER}
    assert with_pin(pins, "attic", How.ONLY) == {"attic": How.ONLY}
