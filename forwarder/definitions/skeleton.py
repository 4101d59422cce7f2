"""A definition file to fill in, made from what an unknown device advertises."""

from __future__ import annotations

import json
import re

from relay.link.messages import Advertisement
from relay.link.names import neutralise

BLANK = "FILL IN"
# Services that every device may have say nothing about this one: Generic Access and Attribute,
# Device Information, Battery (Bluetooth Assigned Numbers, 3.4).
_COMMON = ("00001800-", "00001801-", "0000180a-", "0000180f-")
_PROTOCOL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def protocol_name(text: str) -> str:
    """`text` as the name of a protocol and its file: lower case, digits, hyphens."""
    return "-".join(re.findall(r"[a-z0-9]+", text.casefold())) or "my-toy"


def skeleton(advertisement: Advertisement, protocol: str) -> str:
    """The text of PROTOCOL.toml. Every `FILL IN` is for the person; until then no start takes it.

    `protocol` is as `protocol_name` makes them.
    """
    assert _PROTOCOL.fullmatch(protocol)
    name = neutralise(advertisement.name or "", 64)
    own = [one for one in advertisement.services if not one.startswith(_COMMON)]
    lines = [
        f"# {name or protocol}. Heard, not tried. How to find out what stands for each {BLANK}:",
        f"# docs/adding-a-device.md. The file's name is {protocol}.toml.",
        "#",
        f"# Advertised: name {_text(name) if name else 'none'}; services"
        f" {', '.join(advertisement.services) or 'none'}.",
        "",
        f"protocol = {_text(protocol)}",
        f"name = {_text(name or protocol)}",
        "",
        "[[match]]",
        f"ble = {{ {_match(advertisement, own)} }}",
        "# The service that is written to, and its characteristic: an app such as nRF Connect",
        "# shows both, an advertisement may name the first.",
        f"[match.services.{_text(own[0] if own else BLANK)}]",
        f"tx = {_text(BLANK)}",
        "",
        "[[feature]]",
        "vibrate = [0, 100]  # the lowest and the highest level that it knows",
        "",
        "[[output]]",
        'on = "vibrate"',
        f"bytes = {_text(BLANK)}  # such as a1 01 {{v}}: {{v}} is the level",
        "",
    ]
    return "\n".join(lines)


def _match(advertisement: Advertisement, own: list[str]) -> str:
    """By its name if it has one: services are shared by chips, companies by all their makers."""
    if advertisement.name:
        return f"names = [{_text(advertisement.name)}]"
    if own:
        return f"names = [], advertised = [{', '.join(map(_text, own))}]"
    makers = ", ".join(
        f'{{ company = {company}, data = "{data.hex()}" }}'
        for company, data in advertisement.manufacturer.items()
    )
    return f"names = [], manufacturer = [{makers}]" if makers else f"names = [{_text(BLANK)}]"


def _text(text: str) -> str:
    """As a basic string of TOML, which differs from JSON in one character only."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
