"""The container files, read and linted: no container engine runs in the tests.

What cannot be seen this way is whether the images build and run; deploy/README.md says so.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from forwarder.commands.meet import COMMANDS
from tests.needs import needs

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "container"
IMAGES = ("forwarder", "relay", "meet")
# What keeps something.
KEEPING = ("forwarder", "relay")
# https://docs.docker.com/reference/dockerfile/
INSTRUCTIONS = {
    "ARG", "FROM", "RUN", "CMD", "LABEL", "EXPOSE", "ENV", "ADD", "COPY", "ENTRYPOINT", "VOLUME",
    "USER", "WORKDIR", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    instruction: str
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments of the exec form: `["relay", "run"]`."""
        words = json.loads(self.text[self.text.index("[") :])
        assert isinstance(words, list)
        return words


def stages(name: str) -> list[list[Step]]:
    """The instructions of a Dockerfile, by stage; [0] is what stands before the first one."""
    text = (CONTAINER / f"{name}.Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    found: list[list[Step]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        assert instruction in INSTRUCTIONS, line
        if instruction == "FROM":
            found.append([])
        found[-1].append(Step(instruction, rest.strip()))
    return found


def only(steps: list[Step], instruction: str) -> Step:
    (step,) = [step for step in steps if step.instruction == instruction]
    return step


@pytest.mark.parametrize("name", IMAGES)
def test_what_builds_is_not_what_runs(name: str) -> None:
    before, build, final = stages(name)
    assert [step.instruction for step in before] == ["ARG"]
    assert only(build, "FROM").text.endswith(" AS build")
    assert only(final, "COPY").text.startswith("--from=build ")
    for stage in (build, final):
        # A version, so that tomorrow's image is like today's.
        assert only(stage, "FROM").text.split()[0] == "python:${PYTHON}-slim"


@pytest.mark.parametrize("name", IMAGES)
def test_everything_that_is_copied_is_there_and_not_ignored(name: str) -> None:
    ignored = (CONTAINER / f"{name}.Dockerfile.dockerignore").read_text().splitlines()
    for step in stages(name)[1]:
        if step.instruction == "COPY":
            for source in step.text.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored


@pytest.mark.parametrize("name", IMAGES)
def test_it_runs_as_nobody_special_and_ends_by_the_signal_that_stops_devices(name: str) -> None:
    final = stages(name)[2]
    user, group = only(final, "USER").text.split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert f"--uid {user} " in only(final, "RUN").text
    assert only(final, "STOPSIGNAL").text == "SIGTERM"
    # The exec form: a shell in between would keep the signal to itself.
    assert only(final, "ENTRYPOINT").words == ["relay" if name == "relay" else "forwarder"]
    command = only(final, "CMD").words
    if name in KEEPING:
        assert command[command.index("--state") + 1] == only(final, "VOLUME").text


@pytest.mark.parametrize(
    "file", sorted([*CONTAINER.glob("*.Dockerfile"), *ROOT.glob("deploy/*/*/Dockerfile")]),
    ids=lambda path: f"{path.parent.name}-{path.name}",
)  # fmt: skip
def test_hadolint_finds_nothing(file: Path) -> None:
    own = Path(sys.executable).parent / "hadolint"
    program = str(own) if own.exists() else needs("hadolint")
    done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert not done.stdout


def test_a_meeting_points_command_is_one_that_the_program_takes() -> None:
    parser = argparse.ArgumentParser()
    final = stages("meet")[2]
    COMMANDS["meet"].add(parser)
    words = only(final, "CMD").words
    options = parser.parse_args(words[words.index("meet") + 1 :])
    assert str(options.port) == only(final, "EXPOSE").text
    # Whoever can say where the hub's relays are is in front of it: it has no state, and no volume.
    assert not [step for step in final if step.instruction == "VOLUME"]


@pytest.mark.parametrize("name", KEEPING)
def test_the_program_is_what_the_package_installs(name: str) -> None:
    scripts = (ROOT / "pyproject.toml").read_text().partition("[project.scripts]")[2]
    assert f'\n{name} = "{name}.__main__:main"' in scripts
    health = only(stages(name)[2], "HEALTHCHECK")
    assert health.words == [name, "status", "--state", "/state"]


def test_compose_locks_both_down_and_builds_what_is_there() -> None:
    compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"hub", "relay"}
    for name, service in compose["services"].items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["stop_grace_period"] == "5s"
        assert f"{name}:/state" in service["volumes"]
        assert name in compose["volumes"]
        context = (CONTAINER / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()
