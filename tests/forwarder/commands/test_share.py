"""What `forwarder share` says to the person who shares."""

from __future__ import annotations

import shlex

import pytest

from forwarder.api.documents.shares import ShareMade, ShareView
from forwarder.commands.share import instructions


@pytest.mark.parametrize("name", ["Kim", f"Kim's {'long ' * 16}phone"])
def test_the_command_that_lets_a_guest_in_can_be_copied_whatever_the_name(name: str) -> None:
    share = ShareView(
        name=name, devices=(), outputs=(), percent=100, expires=None, over=False, uses=1, ask=True,
        guests=(),
    )  # fmt: skip
    made = ShareMade(
        share=share, link="https://desk/remote/#s", qr="", problems=("none",), hints=("later",)
    )
    lines = instructions(made)
    assert lines[0] == made.link
    (command,) = [line for line in lines if "share allow" in line]
    assert shlex.split(command) == ["forwarder", "share", "allow", name]
    assert lines[-1] == "later"
