"""24 hours of random losses, then random deaths of radios and relays; a table, and 1 if one fails.

python -m tests.radios [--losses 100000] [--hours 24] [--deaths 200] [--seed 1]
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.radios.house import Report, live, random_deaths, random_losses

# What people are promised for radios and relays that die.
BACK_S = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.radios")
    parser.add_argument("--losses", type=int, default=100_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--deaths", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # Each life says a hundred thousand lines.
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    print(f"{options.hours:g} h, 4 relays of 3 radios, 12 toys, noise of 8 dB", flush=True)
    losses = live(random_losses(options.losses, options.hours), options.seed)
    _say(losses)
    deaths = live(random_deaths(options.deaths), options.seed)
    _say(deaths)
    print(f"{time.monotonic() - began:.0f} s of real time")
    return 1 if losses.moved or deaths.share(0.95) > BACK_S else 0


def _say(report: Report) -> None:
    print("\n".join(report.lines()), flush=True)
    for moved in report.moved:
        print(f"  {moved}")


if __name__ == "__main__":
    sys.exit(main())
