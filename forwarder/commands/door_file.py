"""`forwarder token new NAME --door FILE`: all that a door on another machine has to know, in one
file. What reads it is deploy/windows7/door.py."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from forwarder.api.documents.model import HubView, StatusView, TokenBody, TokenMade
from forwarder.commands.api_client import ApiClient
from forwarder.commands.bounds import MOST_PLACES
from forwarder.connectors.host_addresses import addresses, host_names
from forwarder.errors import ConfigError
from relay.link.files.keys import write_private


def write_door(admin: ApiClient, body: TokenBody, path: Path) -> None:
    """Make the token, and write the file, for this user only. Raises ConfigError, NoHub, Refused:
    then there is no new token, but if the file cannot be written."""
    hub = admin.get("/status", StatusView).hub
    places = _places(hub)
    if path.exists():
        # It may be the only place where another token stands.
        raise ConfigError(f"{path} is there already: delete it, or choose another name.")
    made = admin.send("POST", "/tokens", TokenMade, body)
    text = "\n".join(
        (
            "[hub]",
            f"address = {' '.join(places)}",
            f"fingerprint = {hub.fingerprint}",
            f"token = {made.token}",
            "",
            "; Web pages that may use the door, apart from those of its computer: origins.",
            "[pages]",
            "allowed =",
            "",
        )
    )
    try:
        write_private(path, text.encode())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}. The token is of no use now:"
            f" `forwarder token revoke {made.name}`, then try again."
        ) from error


def _places(hub: HubView) -> list[str]:
    if not hub.lan:
        raise ConfigError(
            "No other machine can reach this hub: start it with `forwarder run --lan`."
        )
    if hub.page_url is None:
        raise ConfigError(
            "This hub has no https port: another program has it, or link.https_port is 0 in the"
            " configuration file."
        )
    port = urlsplit(hub.page_url).port
    hosts = [f"[{ip}]" if ip.version == 6 else str(ip) for ip in addresses()]
    places = [f"{host}:{port}" for host in (*hosts, *host_names())]
    if not places:
        raise ConfigError("This machine has no address that another one could reach: connect it.")
    return places[:MOST_PLACES]
