"""The page about the configuration is what the code says, and explains every key."""

from __future__ import annotations

import re

from tools.config_page import PAGE, page


def test_the_page_is_what_the_configuration_says() -> None:
    # To write it anew: python -m tools.config_page
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_key_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)`.*\| (.*) \|$", page(), flags=re.M)
    assert len(rows) > 60
    assert not [name for name, text in rows if not text.strip()]
