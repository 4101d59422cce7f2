"""Log lines that are JSON, of both programs."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from relay.json_log import JsonLines


def told(record: logging.LogRecord) -> dict[str, object]:
    line = JsonLines().format(record)
    assert "\n" not in line
    said = json.loads(line)
    assert isinstance(said, dict)
    return said


def record(text: str, *args: object, **more: object) -> logging.LogRecord:
    made = logging.LogRecord("relay.agent", logging.WARNING, "x.py", 1, text, args, None)
    made.__dict__.update(more)
    return made


def test_a_line_says_when_what_and_where() -> None:
    said = told(record("%s is gone", "Bob\x1b[2J\n"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", str(said.pop("time")))
    assert said == {"level": "warning", "logger": "relay.agent", "text": "Bob\ufffd[2J is gone"}


def test_an_exception_brings_its_trace_and_what_was_kept_back_is_counted() -> None:
    try:
        raise RuntimeError("a bug")
    except RuntimeError:
        said = told(record("it failed", exc_info=sys.exc_info(), kept_back=3))
    assert "a bug" in str(said["trace"])
    assert said["again"] == 3


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("forwarder", ["run", "--simulate", "Lovense Hush", "--port", "0", "--link-port", "0"]),
        ("relay", ["run", "--hub", "ws://127.0.0.1:9", "--simulate", "Lovense Hush"]),
    ],
)
async def test_every_line_of_a_programs_log_is_one(
    tmp_path: Path, program: str, arguments: list[str]
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", program, *arguments, "--log-format", "json", "--log", "info",
        "--state", str(tmp_path),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    lines = io.StringIO()
    async with asyncio.timeout(30):
        while not lines.getvalue():
            lines.write((await process.stderr.readline()).decode())
        process.terminate()
        lines.write((await process.stderr.read()).decode())
        await process.wait()
    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert all({"time", "level", "logger", "text"} <= one.keys() for one in said)
