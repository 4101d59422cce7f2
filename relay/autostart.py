"""Starting a program whenever its user logs in: what systemd, launchd and Windows want for it.

Texts and command lines only (`plan`); `apply` writes and calls. On Linux this has been run, on
macOS and Windows it follows the systems' manuals (launchd.plist(5), schtasks) and was not tried.
"""

from __future__ import annotations

import argparse
import os
import plistlib
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# systemctl and launchctl answer at once; whoever hangs longer is not going to.
CALL_S = 20.0


@dataclass(frozen=True, slots=True)
class Program:
    """What is to be started: `name` as systems list it, `words` its command line."""

    name: str
    description: str
    words: tuple[str, ...]
    memory_mb: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class AutostartPlan:
    """A file to be there (None: there is none on this system), and what is called to switch it on,
    to switch it off, and to ask about it."""

    file: Path | None
    text: str
    on: tuple[tuple[str, ...], ...]
    off: tuple[tuple[str, ...], ...]
    ask: tuple[str, ...]


class AutostartError(Exception):
    """One line for a person."""


def plan(program: Program, platform: str = sys.platform, home: Path | None = None) -> AutostartPlan:
    """What this system wants. Raises AutostartError where there is nothing that starts programs."""
    home = home or Path.home()
    if platform == "win32":
        return _task(program)
    if platform == "darwin":
        label = f"org.{program.name}"
        file = home / "Library/LaunchAgents" / f"{label}.plist"
        domain = f"gui/{os.getuid()}"
        return AutostartPlan(
            file,
            _agent(label, program),
            (("launchctl", "bootstrap", domain, str(file)),),
            (("launchctl", "bootout", f"{domain}/{label}"),),
            ("launchctl", "print", f"{domain}/{label}"),
        )
    unit = f"{program.name}.service"
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    user = ("systemctl", "--user")
    return AutostartPlan(
        config / "systemd/user" / unit,
        unit_text(program),
        ((*user, "daemon-reload"), (*user, "enable", "--now", unit)),
        ((*user, "disable", "--now", unit),),
        (*user, "is-enabled", unit),
    )


def _task(program: Program) -> AutostartPlan:
    line = subprocess.list2cmdline(program.words)
    return AutostartPlan(
        None,
        "",
        (
            ("schtasks", "/Create", "/F", "/SC", "ONLOGON", "/TN", program.name, "/TR", line),
            ("schtasks", "/Run", "/TN", program.name),
        ),
        (
            ("schtasks", "/End", "/TN", program.name),
            ("schtasks", "/Delete", "/F", "/TN", program.name),
        ),
        ("schtasks", "/Query", "/TN", program.name),
    )


def _agent(label: str, program: Program) -> str:
    return plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": list(program.words),
            "RunAtLoad": True,
            # As systemd's RestartPreventExitStatus would: what ended well stays ended.
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 5,
        }
    ).decode()


def unit_text(program: Program, command: str | None = None) -> str:
    """The unit of a user's systemd; deploy/systemd/user has the same for people who copy files.

    `command`: the command line as it stands there, if not `program.words`.
    """
    words = command or shlex.join(word.replace("%", "%%") for word in program.words)
    return f"""[Unit]
Description={program.description}
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
WatchdogSec=30
ExecStart={words}
Environment=PYTHONUNBUFFERED=1
Restart=on-failure
RestartSec=1
RestartPreventExitStatus=2
KillSignal=SIGTERM
KillMode=control-group
TimeoutStopSec=5
LimitNOFILE={program.descriptors}
MemoryMax={program.memory_mb}M
OOMPolicy=stop
TasksMax=64
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


RunProgram = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


def call(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the system. Raises AutostartError if it is not there, or hangs."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=CALL_S, check=False
        )
    except FileNotFoundError:
        raise AutostartError(
            f"{words[0]} is not on this machine, so nothing here starts programs at login; start"
            " it as this system's own way is"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AutostartError(f"{words[0]} does not answer: {error}") from error


def switch_on(program: Program, wanted: AutostartPlan, run: RunProgram = call) -> None:
    """Have it started at login, and now. Raises AutostartError."""
    if wanted.file is not None:
        try:
            wanted.file.parent.mkdir(parents=True, exist_ok=True)
            wanted.file.write_text(wanted.text, encoding="utf-8")
        except OSError as error:
            raise AutostartError(f"{wanted.file} cannot be written: {error.strerror}") from error
    for words in wanted.on:
        _demand(run(words), words)


def switch_off(wanted: AutostartPlan, run: RunProgram = call) -> bool:
    """End it and have it started no more; whether it was on. Raises AutostartError."""
    was_on = is_on(wanted, run)
    if was_on:
        for words in wanted.off:
            _demand(run(words), words)
    if wanted.file is not None:
        try:
            wanted.file.unlink(missing_ok=True)
        except OSError as error:
            raise AutostartError(f"{wanted.file} cannot be removed: {error.strerror}") from error
    return was_on


def is_on(wanted: AutostartPlan, run: RunProgram = call) -> bool:
    """Whether the system starts it. Raises AutostartError."""
    return run(wanted.ask).returncode == 0


def _demand(done: subprocess.CompletedProcess[str], words: Sequence[str]) -> None:
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        # What systemctl did before it failed is no reason.
        said = [line for line in said if not line.startswith("Created symlink")]
        why = said[0].removesuffix(".") if said else f"status {done.returncode}"
        raise AutostartError(f"`{shlex.join(words)}` failed: {why}")


def add_switch(parser: argparse.ArgumentParser, run: str) -> None:
    """on, off or nothing, and what `run` gets."""
    parser.add_argument("state", choices=("on", "off"), nargs="?", help="without: say which it is")
    text = f"what `{run}` is to get, such as --config FILE"
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="OPTIONS", help=text)


def switch(made: Program, state: str | None, again: str) -> str:
    """Do it, and say so in a line. Raises AutostartError."""
    wanted = plan(made)
    if state == "on":
        switch_on(made, wanted)
        where = f" ({wanted.file})" if wanted.file else ""
        return f"It runs, and starts whenever you log in{where}. `{again} off` ends that."
    if state == "off":
        was_on = switch_off(wanted)
        return "It has ended, and starts no more by itself." if was_on else "It was not on."
    return "on" if is_on(wanted) else "off"
