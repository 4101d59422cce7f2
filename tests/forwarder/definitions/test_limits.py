from __future__ import annotations

import pytest

from forwarder.buttplug.messages import InputCommand, InputType, OutputType
from forwarder.definitions.limits import VisibleFeature, build_features
from forwarder.definitions.model import (
    Definition,
    FeatureLimits,
    FeatureSpec,
    InputSpec,
    OutputLimit,
    OutputSpec,
    UserDevice,
)
from forwarder.errors import OutOfRange, Unsupported
from relay.link.messages import Ceiling

V = OutputType.VIBRATE
R = OutputType.ROTATE
P = OutputType.POSITION
HP = OutputType.HW_POSITION_WITH_DURATION

DEVICE = Definition(
    protocol="toy",
    identifier="T",
    name="Toy",
    features=(
        FeatureSpec(0, outputs={V: OutputSpec(0, 20)}, id="feature-v"),
        FeatureSpec(1, outputs={R: OutputSpec(-20, 20)}, id="feature-r"),
        FeatureSpec(
            3,
            outputs={P: OutputSpec(0, 100), HP: OutputSpec(0, 100, (0, 100_000))},
            id="feature-p",
        ),
        FeatureSpec(4, inputs={InputType.BATTERY: InputSpec(((0, 100),), (InputCommand.READ,))}),
    ),
)


def user(**limits: tuple[OutputType, OutputLimit]) -> UserDevice:
    return UserDevice(
        "toy",
        "AA",
        "T",
        features=tuple(
            FeatureLimits(f"feature-{key}", {kind: limit}) for key, (kind, limit) in limits.items()
        ),
    )


def feature(table: tuple[VisibleFeature, ...], index: int) -> VisibleFeature:
    return next(one for one in table if one.spec.index == index)


def test_without_limits_ranges_are_those_of_the_device() -> None:
    table = build_features(DEVICE)
    assert [one.info.feature_index for one in table] == [0, 1, 3, 4]
    assert table[0].scales[V].range.value == (0, 20)
    assert table[1].scales[R].range.value == (-20, 20)
    assert table[1].to_device(R, -7) == (-7, 0)
    assert table[2].to_device(HP, 0, 250) == (0, 250)
    assert table[3].info.input


@pytest.mark.parametrize(("value", "steps"), [(0, 0), (1, 6), (10, 15)])
def test_a_user_limit_re_bases_the_range_and_keeps_zero_as_off(value: int, steps: int) -> None:
    table = build_features(DEVICE, user(v=(V, OutputLimit(value=(5, 15)))))
    assert table[0].scales[V].range.value == (0, 10)
    assert table[0].to_device(V, value) == (steps, 0)


def test_both_directions_are_limited_alike() -> None:
    one = feature(build_features(DEVICE, user(r=(R, OutputLimit(value=(5, 15))))), 1)
    assert one.scales[R].range.value == (-10, 10)
    assert [one.to_device(R, v)[0] for v in (-10, -1, 0, 1, 10)] == [-15, -6, 0, 6, 15]


@pytest.mark.parametrize("kind", [P, HP])
@pytest.mark.parametrize(("reverse", "ends"), [(False, (10, 90)), (True, (90, 10))])
def test_positions_stay_inside_the_limits_even_at_zero(
    kind: OutputType, reverse: bool, ends: tuple[int, int]
) -> None:
    limit = OutputLimit(value=(10, 90), reverse=reverse)
    one = feature(build_features(DEVICE, user(p=(kind, limit))), 3)
    assert (one.to_device(kind, 0)[0], one.to_device(kind, 80)[0]) == ends


def test_durations_are_clamped_and_never_shifted() -> None:
    limit = OutputLimit(duration=(100, 500))
    one = feature(build_features(DEVICE, user(p=(HP, limit))), 3)
    assert [one.to_device(HP, 1, d)[1] for d in (0, 100, 300, 9000)] == [100, 100, 300, 500]
    assert one.scales[HP].range.duration == (0, 500)


def test_values_outside_the_range_shown_are_refused_with_their_bounds() -> None:
    table = build_features(DEVICE, user(v=(V, OutputLimit(value=(5, 15)))))
    with pytest.raises(OutOfRange, match=r"Toy: Vibrate 11 is outside 0\.\.10"):
        table[0].to_device(V, 11)
    with pytest.raises(OutOfRange):
        table[0].to_device(V, -1)
    with pytest.raises(Unsupported, match="feature 0 has no output Rotate"):
        table[0].to_device(R, 1)


def test_disabled_and_empty_outputs_vanish_and_features_with_nothing_left_too() -> None:
    limits = user(
        v=(V, OutputLimit(disabled=True)),
        r=(R, OutputLimit(value=(4, 4))),
        p=(P, OutputLimit(disabled=True)),
    )
    table = build_features(DEVICE, limits)
    assert [one.spec.index for one in table] == [3, 4]
    assert set(table[0].scales) == {HP}


def test_a_limit_beyond_the_device_is_cut_to_the_device() -> None:
    table = build_features(DEVICE, user(v=(V, OutputLimit(value=(0, 30)))))
    assert table[0].scales[V].range.value == (0, 20)


def test_a_limit_whose_feature_has_gone_still_holds_for_all_such_outputs() -> None:
    lost = FeatureLimits("no-such-feature", {V: OutputLimit(value=(0, 3))})
    table = build_features(DEVICE, UserDevice("toy", "AA", "T", features=(lost,)))
    assert table[0].scales[V].range.value == (0, 3)


def test_the_wearers_ceiling_cuts_the_range_of_its_type_and_zero_takes_it_away() -> None:
    table = build_features(DEVICE, None, [Ceiling(0.5, "Vibrate"), Ceiling(0, "Rotate")])
    assert [one.spec.index for one in table] == [0, 3, 4]
    assert table[0].scales[V].range.value == (0, 10)


def test_a_ceiling_is_of_the_whole_device_not_of_the_users_limit() -> None:
    table = build_features(DEVICE, user(v=(V, OutputLimit(value=(5, 20)))), [Ceiling(0.5)])
    assert table[0].scales[V].range.value == (0, 5)
    assert table[0].to_device(V, 5) == (10, 0)


def test_a_ceiling_for_another_address_does_not_count() -> None:
    ceilings = [Ceiling(0.5, address="BB")]
    assert build_features(DEVICE, None, ceilings, address="AA")[0].scales[V].high == 20
    assert build_features(DEVICE, None, ceilings, address="BB")[0].scales[V].high == 10
