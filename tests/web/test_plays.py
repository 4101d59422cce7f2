"""The dashboard's end of a pattern that runs in the hub: in node, and in a browser."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from forwarder.web.pages import DASHBOARD
from tests.needs import needs

SCRIPT = Path(__file__).with_name("plays.test.mjs")
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


def test_a_page_renews_changes_and_ends_what_the_hub_plays(tmp_path: Path) -> None:
    node = needs("node", "nodejs")
    (tmp_path / "plays.js").write_bytes((DASHBOARD / "plays.js").read_bytes())
    (tmp_path / "api.js").write_text(API)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(SCRIPT)],
        env={**os.environ, "PAGE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 7" in done.stdout
