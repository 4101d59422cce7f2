"""`forwarder open`, and `forwarder` alone: the dashboard, of the hub that runs or of a new one."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from collections.abc import Mapping

from forwarder.api.documents.model import StatusView
from forwarder.commands.api_client import ApiClient, NoHub
from forwarder.commands.base import FINE, Subcommand, add_state, config_of


def _add(parser: argparse.ArgumentParser) -> None:
    add_state(parser)


def _open(options: argparse.Namespace) -> int:
    config = config_of(options)
    try:
        status = ApiClient(config.state_dir).get("/status", StatusView)
    except NoHub:
        # Not running, or another user's: what is in the way of a start, the start says best.
        from forwarder.cli import parser
        from forwarder.commands.program.run import started
        from forwarder.commands.program.serve import serve

        options = parser().parse_args(["run", *_said(options)])
        return serve(started(options), lambda app: show(app.dashboard_url))
    print(f"The hub {status.hub.name} runs already.")
    show(status.hub.dashboard_url)
    return FINE


def _said(options: argparse.Namespace) -> list[str]:
    said = []
    for name in ("state", "config"):
        value = getattr(options, name)
        said += [] if value is None else [f"--{name}", str(value)]
    return said


def show(url: str) -> None:
    """Open a page, or say where it is."""
    if has_display(sys.platform, os.environ) and webbrowser.open(url):
        print(f"The dashboard opens in your browser: {url}", flush=True)
    else:
        print(f"Open the dashboard in a browser: {url}", flush=True)


def has_display(platform: str, environment: Mapping[str, str]) -> bool:
    """Whether somebody sees what a browser shows: over ssh it would start where nobody sits, or
    fill this terminal with a text browser."""
    if platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


COMMANDS = {"open": Subcommand(_add, _open)}
