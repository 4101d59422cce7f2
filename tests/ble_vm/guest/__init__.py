"""Tests that run inside the machine: our programs, BlueZ, its kernel, toys on a virtual radio."""
