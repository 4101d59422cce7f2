"""What makes generated files: docs/devices.md, the simulated toys, the index of definitions."""
