"""`python -m tests.forwarder.sources.virtual.skew [seconds]`: how far apart two toys at two relays
are at the radio, through links that take 5 to 40 ms each way; twelve runs."""

from __future__ import annotations

import sys

from tests.forwarder.sources.virtual.test_together import MEASURED_S, TwoRooms, live, played


def main(seconds: float) -> None:
    for seed in range(12):

        async def scene(rooms: TwoRooms, seed: int = seed) -> None:
            group = await rooms.here()
            await played(rooms, group, MEASURED_S)
            rooms.forget()
            await played(rooms, group, seconds)
            skews = sorted(1000 * skew for skew in rooms.skews())
            print(
                f"seed {seed:2}: {len(skews)} values, p50 {skews[len(skews) // 2]:.2f} ms,"
                f" p99 {skews[len(skews) * 99 // 100]:.2f} ms, most {skews[-1]:.2f} ms"
            )

        live(scene, seed)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
