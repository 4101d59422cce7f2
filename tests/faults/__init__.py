"""Everything that can break, broken while outputs are on: `python -m tests.faults`, `make faults`.

`matrix` names the combinations, `world` runs those in virtual time, `houses` those with processes.
"""
