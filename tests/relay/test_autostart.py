"""Starting at login: the files that systems want, and what is said when they do not."""

from __future__ import annotations

import plistlib
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from forwarder.commands.program import autostart as hub
from relay.autostart import AutostartError, Program, is_on, plan, switch_off, switch_on, unit_text
from relay.commands import autostart as relay

PROGRAM = Program("buttplug-x", "A program", ("/opt/x y/bin/python", "-m", "x", "50%"), 100, 200)


class System:
    """Answers what a service manager would, and remembers what it was asked."""

    def __init__(self, *, on: bool = False, fails: str = "") -> None:
        self.on = on
        self.fails = fails
        self.asked: list[str] = []

    def __call__(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(shlex.join(words))
        if self.fails and self.fails in words:
            return subprocess.CompletedProcess(words, 1, "", "No medium found\nmore\n")
        if "enable" in words or "disable" in words:
            self.on = "enable" in words
        if "is-enabled" in words:
            return subprocess.CompletedProcess(words, 0 if self.on else 1, "", "")
        return subprocess.CompletedProcess(words, 0, "", "")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_on_writes_a_unit_and_starts_it_and_off_takes_both_back(home: Path) -> None:
    wanted = plan(PROGRAM, "linux", home)
    system = System()
    switch_on(PROGRAM, wanted, system)
    unit = home / ".config/systemd/user/buttplug-x.service"
    assert wanted.file == unit
    text = unit.read_text()
    # A percent sign begins a specifier in a unit, a space ends a word.
    assert "ExecStart='/opt/x y/bin/python' -m x 50%%\n" in text
    assert "LimitNOFILE=200\nMemoryMax=100M\n" in text
    assert is_on(wanted, system)
    assert switch_off(wanted, system)
    assert not unit.exists()
    assert not is_on(wanted, system)
    assert system.asked[:2] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now buttplug-x.service",
    ]


def test_off_is_no_failure_where_it_never_was_on(home: Path) -> None:
    system = System()
    assert not switch_off(plan(PROGRAM, "linux", home), system)
    assert system.asked == ["systemctl --user is-enabled buttplug-x.service"]


def test_what_the_system_refuses_is_said_in_one_line(home: Path) -> None:
    wanted = plan(PROGRAM, "linux", home)
    with pytest.raises(AutostartError) as error:
        switch_on(PROGRAM, wanted, System(fails="daemon-reload"))
    assert str(error.value) == "`systemctl --user daemon-reload` failed: No medium found"


def test_what_systemctl_did_before_it_failed_is_no_reason(home: Path) -> None:
    def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        said = (
            "Created symlink /home/x/a → /home/x/b.\n"
            "Job for buttplug-x.service failed because the control process exited.\n"
            'See "journalctl --user -xeu buttplug-x.service" for details.\n'
        )
        return subprocess.CompletedProcess(words, int("enable" in words), "", said)

    with pytest.raises(AutostartError) as error:
        switch_on(PROGRAM, plan(PROGRAM, "linux", home), run)
    assert str(error.value) == (
        "`systemctl --user enable --now buttplug-x.service` failed: Job for buttplug-x.service"
        " failed because the control process exited"
    )


def test_a_folder_that_cannot_be_written_is_named(home: Path) -> None:
    (home / ".config").write_text("a file")
    with pytest.raises(AutostartError, match="cannot be written"):
        switch_on(PROGRAM, plan(PROGRAM, "linux", home), System())


def test_macos_gets_an_agent_that_starts_at_login_and_after_a_crash(home: Path) -> None:
    wanted = plan(PROGRAM, "darwin", home)
    assert wanted.file == home / "Library/LaunchAgents/org.buttplug-x.plist"
    agent = plistlib.loads(wanted.text.encode())
    assert agent["ProgramArguments"] == list(PROGRAM.words)
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}


def test_windows_gets_a_task_at_logon(home: Path) -> None:
    wanted = plan(PROGRAM, "win32", home)
    assert wanted.file is None
    create = wanted.on[0]
    assert create[create.index("/SC") + 1] == "ONLOGON"
    assert create[create.index("/TR") + 1] == '"/opt/x y/bin/python" -m x 50%'


@pytest.mark.parametrize(
    ("made", "file"),
    [
        (hub.program(("run",)), "buttplug-forwarder.service"),
        (relay.program(("run",)), "buttplug-relay.service"),
    ],
    ids=["hub", "relay"],
)
def test_the_unit_is_the_one_that_deploy_has_for_people_who_copy_files(
    made: Program, file: str
) -> None:
    deployed = Path(__file__).parents[2] / "deploy/systemd/user" / file
    lines = [line for line in deployed.read_text().splitlines() if not line.startswith("#")]
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    same = unit_text(made, command.partition("=")[2]).splitlines()
    assert lines == same


def test_its_own_options_are_tried_before_they_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from forwarder.cli import run

    assert run(["autostart", "on", "--config", str(tmp_path / "none.toml")]) == 2
    assert "There is no configuration file" in capsys.readouterr().err
    assert run(["autostart", "off", "--lan"]) == 2
    assert "Options are for" in capsys.readouterr().err
