"""What no hub could start with is said before one is let go for it."""

from __future__ import annotations

import sys

import pytest

from forwarder.checks.starting import refuse
from forwarder.config import Clients, Config, Link
from forwarder.errors import ConfigError


@pytest.fixture
def without_iroh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iroh", None)


def test_what_contradicts_itself_is_said_a_line_each() -> None:
    link = Link(port=7, https_port=7, meet=("nonsense",))
    with pytest.raises(ConfigError) as refused:
        refuse(Config(clients=Clients(port=7), link=link))
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize("link", [Link(direct=True), Link(iroh_relays=("public",))])
@pytest.mark.usefixtures("without_iroh")
def test_direct_paths_without_their_library_say_what_to_install(link: Link) -> None:
    with pytest.raises(ConfigError, match="pip install"):
        refuse(Config(link=link))


@pytest.mark.usefixtures("without_iroh")
def test_what_most_have_is_let_through_without_that_library() -> None:
    refuse(Config())
