from __future__ import annotations

from pathlib import Path

from relay.embedded import embedded_agents


def test_only_this_machines_bluetooth_remembers_what_a_crash_may_leave(tmp_path: Path) -> None:
    simulated, local = embedded_agents(simulate=["Lovense Hush"], local=True, state=tmp_path)
    assert simulated.config.records is None
    assert simulated.config.locks is None
    assert local.config.records == tmp_path / "devices"
    assert local.config.locks is not None
    (without,) = embedded_agents(local=True)
    assert without.config.records is None
