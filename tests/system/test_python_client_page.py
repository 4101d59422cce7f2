"""The first example of docs/python-client.md, as it stands there, in a process of its own."""

from __future__ import annotations

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.system.processes import house

PAGE = Path(__file__).parents[2] / "docs" / "python-client.md"
URL = "ws://127.0.0.1:12345"


async def test_it_drives_what_vibrates_and_lists_what_does_not(tmp_path: Path) -> None:
    example = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)[0]
    assert URL in example
    async with house(tmp_path, "Vorze Piston,Lovense Edge", embedded=True) as home:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", example.replace(URL, home.url), stdout=PIPE, stderr=STDOUT
        )
        said, _ = await process.communicate()
        text = said.decode()
        assert process.returncode == 0, text
        assert "Vorze Piston" in text
        assert "Lovense Edge Vibrate" in text
        await home.trace.until_write(b"Vibrate1:10;")
        await home.trace.until_write(b"Vibrate1:0;")
