"""The version that both programs say is that of what is installed."""

from __future__ import annotations

from importlib import metadata

from relay.version import __version__


def test_what_is_installed_is_what_the_programs_say() -> None:
    assert metadata.version("buttplug-forwarder") == __version__
