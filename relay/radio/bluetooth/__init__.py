"""Adapters of this machine that come and go, each with its state."""
