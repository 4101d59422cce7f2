"""How well one radio would do with one peripheral: `Score`, told in its parts. Sans-I/O.

A relay ranks its own radios by it, and the hub its relays: one measure, so that both agree.

Why these numbers. A signal that is measured twice differs by NOISE_DB at most, and walls cost 15 to
30 dB. What was connected by a radio comes back by the same one unless another is better by more
than all else together can pretend: KEPT_DB >= 2 NOISE_DB + the last place + all connects in
progress. So noise and load alone never move a toy, and one that was carried to another room moves
once the old radio hears it WEAK_DBM or fails. A radio where a connect hangs comes behind every one
where none does, whatever it hears: radios connect one after the other, and who waits behind one
that hangs waits as long (`tests/relay/radio/test_score.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from relay.radio.bounds import (
    CONNECTING_DB,
    CONNECTS_COUNTED,
    FAILED_DB,
    FAILURES_COUNTED,
    FORGET_S,
    KEPT_DB,
    LAST_SLOT_DB,
    SCORE_HANGS_S,
)

FAINT_DBM, WEAK_DBM = -100, -90
# Toys on the table are heard at -30; whoever claims more gains nothing by it.
STRONGEST_DBM = -30
# What radios that do not know the strength of a signal say; below everything that is heard.
UNKNOWN_DBM = -127


# A relay with a thousand toys has tens of thousands of these: the collector has nothing to look for
# in them.
class Score(Struct, frozen=True, gc=False):
    """All in dB; only `signal` is a level (dBm). `hangs`: a connect there takes too long.

    `preferred`: a person wants this one before all others.
    """

    signal: float
    failures: float = 0.0
    connecting: float = 0.0
    slots: float = 0.0
    kept: float = 0.0
    hangs: bool = False
    preferred: bool = False

    @property
    def total(self) -> float:
        return self.signal + self.failures + self.connecting + self.slots + self.kept

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """Greater is better."""
        return not self.hangs, self.preferred, self.total

    def __str__(self) -> str:
        """ "-49 = signal -55, kept +30, failures -24": parts that are nothing are left out."""
        known = self.signal > UNKNOWN_DBM
        parts = [f"signal {self.signal:.0f}" if known else "signal unknown"]
        for name in ("failures", "connecting", "slots", "kept"):
            value = getattr(self, name)
            if round(value):
                parts.append(f"{name} {value:+.0f}")
        parts += ["preferred"] * self.preferred + ["a connect hangs"] * self.hangs
        return f"{self.total:.0f} = {', '.join(parts)}"


def score(
    rssi: int,
    *,
    failures: int = 0,
    failed_s: float = 0.0,
    connects_s: Iterable[float] = (),
    free: int | None = None,
    kept: bool = False,
    preferred: bool = False,
) -> Score:
    """`rssi` in dBm. `failures` in a row, the last one `failed_s` ago. `connects_s`: how long each
    connect in progress there has taken. `free`: places, None if unknown. `kept`: it had it last."""
    signal = float(min(plausible(rssi), STRONGEST_DBM))
    recent = max(0.0, 1 - failed_s / FORGET_S)
    taking = tuple(connects_s)
    # A radio that does not say how well it hears still had it.
    heard = (signal - FAINT_DBM) / (WEAK_DBM - FAINT_DBM) if signal > UNKNOWN_DBM else 1.0
    return Score(
        signal,
        failures=-FAILED_DB * min(failures, FAILURES_COUNTED) * recent,
        connecting=-CONNECTING_DB * min(len(taking), CONNECTS_COUNTED),
        slots=-LAST_SLOT_DB / free if free else 0.0,
        # A radio that does not say how well it hears still had it.
        kept=KEPT_DB * (min(1.0, max(0.0, heard)) if signal > UNKNOWN_DBM else 1.0)
        if kept
        else 0.0,
        hangs=any(each > SCORE_HANGS_S for each in taking),
        preferred=preferred,
    )


def plausible(rssi: int) -> int:
    """The level as it may be: UNKNOWN_DBM for what none can be.

    Bluetooth core, vol 4 part E, 7.7.65.2: -127 to +20, and 127 for "not available".
    """
    return rssi if rssi and UNKNOWN_DBM <= rssi <= 20 else UNKNOWN_DBM
