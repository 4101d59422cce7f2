"""What the API says of switches, and does when they are changed."""

from __future__ import annotations

import asyncio

from forwarder.api.access import Call
from forwarder.api.bounds import RESTART_S
from forwarder.api.documents.switches import (
    FileOnlyView,
    SwitchesBody,
    SwitchesSaved,
    SwitchesView,
    SwitchView,
)
from forwarder.api.services import ApiServices
from forwarder.checks.starting import refuse
from forwarder.errors import ConfigError
from forwarder.switches import FILE_ONLY, SWITCHES, Fixed, value_of


class SwitchActions:
    """Each method is one route's."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def switches(self, call: Call) -> SwitchesView:
        known = self._services.switches
        fixed = {} if known is None else known.fixed
        return SwitchesView(
            switches=[
                SwitchView(
                    name=switch.name,
                    kind=switch.kind,
                    label=switch.label,
                    hint=switch.hint,
                    value=list(value) if isinstance(value, tuple) else value,
                    fixed=_in_words(fixed[switch.name]) if switch.name in fixed else None,
                )
                for switch in SWITCHES
                for value in (value_of(self._services.config, switch),)
            ],
            file_only=[FileOnlyView(options=list(one.options), why=one.why) for one in FILE_ONLY],
            can_change=known is not None,
            trouble=None if known is None else known.trouble,
        )

    async def change(self, call: Call) -> SwitchesSaved:
        known = self._services.switches
        if known is None:
            raise ConfigError("This hub is a part of another program: change its settings there.")
        body = call.body
        assert isinstance(body, SwitchesBody)
        # A hub that cannot start with them would start without all that was ever switched.
        await asyncio.to_thread(refuse, known.proposed(body.values))
        # It is one small file, written once by hand of a person.
        restarts = known.change(body.values)
        if restarts:
            asyncio.get_running_loop().call_later(RESTART_S, self._services.restart)
        return SwitchesSaved(restarts=restarts)


def _in_words(fixed: Fixed) -> str:
    return fixed.by if fixed.line is None else f"{fixed.by}, line {fixed.line}"
