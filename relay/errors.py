"""What can go wrong at a relay, by whose fault it is. Texts are one line, made for a person."""

from __future__ import annotations


class RelayError(Exception):
    """Base of the relay's own errors. `exit_code`: what the program ends with because of it."""

    exit_code = 1


class UsageError(RelayError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


class NotPaired(UsageError):
    """This relay has no hub yet, and none was named."""


class ControlError(RelayError):
    """The control socket of a running relay cannot be reached, or it answered with an error."""
