"""The systemd units: systemd accepts them, they are locked down, and what they start starts.

Here the sandbox they ask for is looked at; a genuine systemd starts them, and they live in
it, where deploy/README.md is carried out (tests/system/test_pages.py).
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forwarder.commands.program.autostart import program as autostarted
from forwarder.connectors.bounds import RESERVED
from forwarder.connectors.descriptors import PLACES
from forwarder.meet.here import DESCRIPTORS as HERE_DESCRIPTORS
from tests.deploy.test_examples import EXAMPLES
from tests.needs import missing, needs
from tests.system.processes import Program, free_ports, until

UNITS = EXAMPLES.parent / "systemd"
SYSTEM = ("buttplug-forwarder", "buttplug-relay")
# It has neither state nor configuration, and no user of its own.
MEET = Path("buttplug-forwarder-meet.service")
ALL = sorted(path.relative_to(UNITS) for path in UNITS.rglob("*.service"))
# systemd's own scale from 0 (nothing can be done) to 100; unprotected services have 96.
MAX_EXPOSURE = 25
STOP_S = 5.0


def setting(unit: Path, key: str) -> str:
    """The value of a key that stands in a unit exactly once."""
    lines = [line for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]
    assert len(lines) == 1, f"{unit.name}: {lines}"
    return lines[0].partition("=")[2]


def analyze(*arguments: str, environment: dict[str, str] | None = None) -> str:
    tool = needs("systemd-analyze")
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, timeout=20, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    said = done.stdout + done.stderr
    if "Unknown command" in said or "unrecognized option" in said:
        missing(f"this systemd-analyze is too old for {arguments[0]}")
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize("unit", ALL, ids=str)
def test_systemd_finds_no_fault(tmp_path: Path, unit: Path) -> None:
    # It insists that programs are installed, so here they are.
    text = (UNITS / unit).read_text()
    program = setting(UNITS / unit, "ExecStart").split()[0]
    copy = tmp_path / unit.name
    copy.write_text(text.replace(program, "/bin/true"))
    scope = "--user" if unit.parts[0] == "user" else "--system"
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    # bluetooth.service may not be there; that is no fault of ours.
    said = analyze(scope, "--man=no", "--recursive-errors=no", "verify", str(copy),
                   environment=runtime)  # fmt: skip
    assert unit.name not in said


@pytest.mark.parametrize("name", [*SYSTEM, MEET.stem])
def test_a_service_of_the_machine_is_locked_down(name: str) -> None:
    analyze(
        "security", "--offline=true", f"--threshold={MAX_EXPOSURE}",
        str(UNITS / f"{name}.service"),
    )  # fmt: skip


@pytest.mark.parametrize("unit", ALL, ids=str)
def test_a_stop_has_its_time_and_spares_the_process_that_stops_devices(unit: Path) -> None:
    assert setting(UNITS / unit, "KillSignal") == "SIGTERM"
    assert float(setting(UNITS / unit, "TimeoutStopSec")) >= STOP_S
    if unit.stem == "buttplug-relay" or unit.parts[0] == "user":
        # "mixed" and "process" would end a relay's supervisor at once, or never.
        assert setting(UNITS / unit, "KillMode") == "control-group"


def test_every_user_and_state_folder_of_a_service_is_made() -> None:
    made = (UNITS / "sysusers.conf").read_text()
    for name in SYSTEM:
        unit = UNITS / f"{name}.service"
        assert setting(unit, "User") == name
        assert f"u {name} - " in made
        assert f"--state /var/lib/{setting(unit, 'StateDirectory')}" in setting(unit, "ExecStart")
        assert f"--config /etc/{setting(unit, 'ConfigurationDirectory')}/" in setting(
            unit, "ExecStart"
        )


def within_its_limits(unit: Path, pid: int) -> None:
    """What a unit allows is several times what its program takes, and no more than it may need."""
    memory = int(setting(UNITS / unit, "MemoryMax").removesuffix("M")) << 20
    files, tasks = (int(setting(UNITS / unit, key)) for key in ("LimitNOFILE", "TasksMax"))
    assert memory <= (1 << 30 if unit == MEET else 512 << 20)
    if sys.platform != "linux":
        return
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    assert 3 * (int(status["VmRSS"].split()[0]) << 10) < memory
    # A pool of threads may grow to 32 (concurrent.futures).
    assert int(status["Threads"]) + 32 < tasks
    assert 4 * len(list(Path(f"/proc/{pid}/fd").iterdir())) < files
    if "forwarder" in unit.stem:
        # All that its places need, and its own meeting point: fewer are said to cut them.
        assert files >= autostarted(("run",)).descriptors == PLACES + RESERVED + HERE_DESCRIPTORS


@pytest.mark.parametrize("unit", ALL, ids=str)
async def test_what_a_unit_starts_runs_and_ends_at_its_signal(tmp_path: Path, unit: Path) -> None:
    """The command of the unit, with its folders moved and the example configuration."""
    command = setting(UNITS / unit, "ExecStart")
    port = free_ports(1)[0]
    public = f"--public-url http://localhost:{port}"
    program, *arguments = shlex.split(command.replace("$MEET_OPTIONS", public))
    relay = program.endswith("/relay")
    example = (EXAMPLES / ("relay.toml" if relay else "hub.toml")).read_text()
    for usual in ("12345", "12346", "12347", "12348"):
        example = example.replace(f"= {usual}\n", f"= {free_ports(1)[0]}\n")
    example = example.replace('#hub = "ws://192.168.1.10:12346"', 'hub = "ws://127.0.0.1:1"')
    config = tmp_path / "config.toml"
    config.write_text(example)
    if unit == MEET:
        arguments[arguments.index("--port") + 1] = str(port)
    elif "--config" in arguments:
        arguments[arguments.index("--config") + 1] = str(config)
        arguments[arguments.index("--state") + 1] = str(tmp_path / "state")
    else:  # a user's unit leaves it to the program where things are
        arguments += ["--config", str(config), "--state", str(tmp_path / "state")]
    service = Program("relay" if relay else "forwarder", arguments, tmp_path, unit.stem)
    await service.start()
    try:
        word = "no hub yet" if relay else "Meeting point at" if unit == MEET else "ws://127.0.0.1:"
        await until(lambda: word in service.text, f"{word!r} in the journal")
        within_its_limits(unit, service.process.pid)
        service.send(signal.SIGTERM)
        assert await service.wait(STOP_S) == 0
    finally:
        await service.end()


def test_python_is_new_enough_for_what_the_units_forbid() -> None:
    """MemoryDenyWriteExecute holds for this interpreter and all its packages, where the kernel has
    the same switch for a single process (Linux 6.3)."""
    if sys.platform != "linux":
        pytest.skip("a switch of Linux")
    code = (
        "import ctypes, sys\n"
        "PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1\n"
        "if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0): sys.exit(77)\n"
        "import bleak, cryptography, msgspec, uvloop, zeroconf\n"
        "import forwarder.app, relay.cli\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0
