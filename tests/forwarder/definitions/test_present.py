"""Features that a device says it has, in its advertised name."""

from __future__ import annotations

import pytest

from forwarder.definitions.catalogue import Catalogue
from forwarder.definitions.model import FeatureSpec, present
from relay.link.messages import Advertisement
from relay.link.stand_ins import stand_in
from relay.radio.wired import tcode

CATALOGUE = Catalogue.load()


def test_only_words_in_the_name_count_and_a_silent_name_leaves_all() -> None:
    every = (FeatureSpec(0, word="L0"), FeatureSpec(1, word="R0"), FeatureSpec(2))
    assert present(every, "X L0") == (every[0], every[2])
    assert present(every, "X R0 L0") == every
    assert present(every, "L00 X") == every
    assert present(every[2:], "X L0") == every[2:]


@pytest.mark.parametrize(
    ("axes", "indices"),
    [({"L0"}, [0]), ({"L0", "R1", "R2", "V0"}, [0, 4, 5, 6]), (set(tcode.KNOWN), list(range(13)))],
)
def test_a_machine_has_the_axes_that_its_relay_was_told(axes: set[str], indices: list[int]) -> None:
    seen = Advertisement("x", tcode.name_of(axes), services=(stand_in("serial/tcode-v03"),))
    (candidate,) = CATALOGUE.match(seen)
    model = candidate.resolve("axes", seen)
    assert [feature.index for feature in model.definition.features] == indices
    assert {feature.word for feature in model.definition.features} == axes
