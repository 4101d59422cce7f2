"""Scenarios in JSON lines: recorded behaviour of the reference server, played against ours."""
