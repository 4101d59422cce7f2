"""What pages of the dashboard do about time and a slow hub, in node: patterns that run in the hub,
and the dialog of a code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from forwarder.web.pages import DASHBOARD
from tests.needs import needs

API = """
export class Refused extends Error {
  constructor(status, words) { super(words); this.status = status; }
}
let answer = () => null;
export const asked = [];
export const answers = how => { answer = how; };
export async function call(method, path, body) {
  asked.push([method, path, body]);
  return answer(method, path, body);
}
"""
DOM = """
const nodes = new Map();
export const $ = id => nodes.get(id) ?? nodes.set(id, {}).get(id);
export const show = () => {}, text = () => {}, klass = () => {};
"""
WORDS = "export const t = key => key, heard = words => words, put = () => {};"


@pytest.mark.parametrize(("module", "passes"), [("plays", 8), ("comparing", 3)])
def test_a_page_and_a_hub_that_answers_late_or_not(
    tmp_path: Path, module: str, passes: int
) -> None:
    node = needs("node", "nodejs")
    (tmp_path / f"{module}.js").write_bytes((DASHBOARD / f"{module}.js").read_bytes())
    for name, content in (("api.js", API), ("dom.js", DOM), ("words.js", WORDS)):
        (tmp_path / name).write_text(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = Path(__file__).with_name(f"{module}.test.mjs")
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(script)],
        env={**os.environ, "PAGE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"pass {passes}" in done.stdout
