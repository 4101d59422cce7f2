"""Many radios as one, for as long as wanted, in virtual time: `python -m tests.radios`."""
