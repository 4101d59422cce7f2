"""What can go wrong between a supervisor and what it stops."""

from __future__ import annotations


class Unreached(Exception):
    """It was not done; trying again may help."""


class PeripheralGone(Unreached):
    """The peripheral is not connected, so that there is nothing left to do."""
