"""Many clients at once for a long time: `python -m tests.soak [SECONDS]`, `make soak`."""
