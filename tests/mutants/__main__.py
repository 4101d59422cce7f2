"""`python -m tests.mutants [group ...]`: small wrong changes, and whether the tests notice them.

MUTANTS=0.1 tries a tenth of them, SEED chooses which. Ends with 1 if a module is below its bound,
if a mutant survived that the list of equal ones (equal.toml) does not name, or if that list names
one that is noticed, or that there is not.
"""

from __future__ import annotations

import os
import sys
import time

from tests.mutants.equal import BOUND, killed_percent, listed, verdict
from tests.mutants.run import Tally, chosen, run
from tests.mutants.targets import GROUPS

MINUTES = 25


def main(names: list[str]) -> int:
    share = float(os.environ.get("MUTANTS", "1"))
    seed = int(os.environ.get("SEED", "0"))
    jobs = int(os.environ.get("JOBS", os.cpu_count() or 1))
    until = time.monotonic() + 60 * float(os.environ.get("MINUTES", MINUTES))
    groups = [group for group in GROUPS if not names or group.name in names]
    equal = listed()
    tallies: list[Tally] = []
    for group in groups:
        started = time.monotonic()
        tallies += run(group, chosen(group, share, seed), jobs, until).values()
        print(f"{group.name}: {time.monotonic() - started:.0f} s", flush=True)
    print(f"\n{'module':<36}{'mutants':>8}{'killed':>8}{'equal':>7}{'survived':>10}{'killed':>9}")
    for tally in tallies:
        known = sum(name in equal.get(tally.module, {}) for name in tally.survived)
        other = len(tally.survived) - known
        part = killed_percent(tally, equal)
        print(
            f"{tally.module:<36}{tally.tried:>8}{len(tally.killed):>8}{known:>7}{other:>10}"
            f"{part:>8.1f}%" + (f"  ({tally.late} not tried in time)" if tally.late else "")
        )
    faults = [fault for tally in tallies for fault in verdict(tally, equal, whole=share >= 1)]
    print("\n" + "\n".join(faults))
    if faults:
        print(
            f"FAILED: {len(faults)} lines above; a survivor needs a test, or a reason in equal.toml"
        )
    else:
        print(
            f"PASSED: in every module {BOUND:g} % or more were noticed, and equal.toml says of each"
            " survivor why."
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
