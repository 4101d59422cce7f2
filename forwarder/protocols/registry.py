"""The named plug-ins that protocol files may use."""

from __future__ import annotations

from collections.abc import Callable

from forwarder.protocols import codecs, hooks, positions, tickers

FUNCTIONS: dict[str, Callable[..., int]] = {
    "launch_speed": positions.launch_speed,
    "piston_speed": positions.piston_speed,
    "serveu_speed": positions.serveu_speed,
    "fredorch_speed": positions.fredorch_speed,
}
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "galaku": codecs.galaku,
    "fluffer": codecs.fluffer,
    "vibcrafter": codecs.vibcrafter,
    "vibio": codecs.vibio,
}
HOOKS: dict[str, hooks.Hook] = {
    "lelo_auth": hooks.lelo_auth,
    "fluffer": hooks.fluffer,
    "vibcrafter": hooks.vibcrafter,
    "vibio": hooks.vibio,
}
TICKERS: dict[str, Callable[[], tickers.Ticker]] = {"lovense_stroker": tickers.LovenseStroker}
