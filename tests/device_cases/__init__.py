"""Runs device cases (what a client does, which bytes must reach the toy) over the whole stack.

`python -m tests.device_cases DIR [--version N] [--json]`: hub, link and simulated radio in one
process, on a virtual clock, with a client that speaks spec version N in JSON.
"""
