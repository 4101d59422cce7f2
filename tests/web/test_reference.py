"""The API as a page: every route is on it, and can be tried."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from forwarder.api.routes import ROUTES
from forwarder.web.pages import DASHBOARD
from tests.doubles.chromium import Chromium
from tests.doubles.running_hub import running_hub
from tests.needs import needs
from tests.web.test_dashboard_look import both

_PARTS = "one.querySelector('.method').textContent, one.querySelector('.path').textContent"
_ROWS = "[...document.querySelectorAll('.route')]"
_FILTER = "document.getElementById('filter')"


def row(method: str, path: str) -> str:
    return f"{_ROWS}.find(one => [{_PARTS}].join(' ') === '{method} {path}')"


@pytest.mark.chromium
@pytest.mark.asyncio(loop_scope="session")
async def test_every_route_is_on_the_page_and_one_can_be_tried(
    browser: Chromium, tmp_path: Path
) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.with_devices()
        page = await browser.page(hub.url + "/api")
        try:
            await page.until("document.querySelectorAll('.route').length > 40")
            shown = await page.evaluate(f"{_ROWS}.map(one => [{_PARTS}])")
            assert {(route.method, route.path) for route in ROUTES} <= {(m, p) for m, p in shown}
            await both(page, "api")
            # What is sought for stands alone.
            await page.evaluate(f"{_FILTER}.value = '/stop'; {_FILTER}.oninput()")
            left = f"{_ROWS}.filter(one => one.getClientRects().length).length"
            assert await page.evaluate(left) == 1
            await page.evaluate(f"{_FILTER}.value = ''; {_FILTER}.oninput()")
            # A look, with what stands in the path.
            one = row("GET", "/devices/{index}")
            await page.evaluate(f"{one}.open = true; {one}.querySelector('input').value = '0'; 0")
            await page.evaluate(f"{one}.querySelector('form').requestSubmit()")
            status = f"{one}.querySelector('.status').textContent"
            await page.until(f"{status}.startsWith('200')")
            said = await page.evaluate(f"{one}.querySelector('.body').textContent")
            assert json.loads(said)["name"] == hub.app.hub.devices[0].name
            await both(page, "api-tried")
            # A change, with a body; and one that is none.
            one = row("PUT", "/devices/{index}/outputs")
            await page.evaluate(
                f"{one}.open = true; {one}.querySelector('input').value = '0';"
                f" {one}.querySelector('textarea').value ="
                ' \'{"type": "Vibrate", "percent": 50, "for_ms": 60000}\';'
                f" {one}.querySelector('form').requestSubmit()"
            )
            status = f"{one}.querySelector('.status').textContent"
            await page.until(f"{status}.startsWith('200')")
            assert any(value for _, value, _ in hub.app.hub.devices[0].levels.values())
            await page.evaluate(
                f"{one}.querySelector('textarea').value = '{{';"
                f" {one}.querySelector('form').requestSubmit()"
            )
            await page.until(f"{status}.startsWith('That is no JSON')")
            await page.click("#stop")
            await page.until("document.getElementById('said').textContent === 'Stopped'")
            assert page.errors == []
        finally:
            await page.close()


def test_an_example_has_what_is_required_and_a_shape_names_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "openapi.js").write_bytes((DASHBOARD / "openapi.js").read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    document = Path(__file__).parents[2] / "docs" / "openapi.json"
    script = """
      import { readFileSync } from 'node:fs';
      const { example, routes, shape } = await import(process.argv[1]);
      const described = JSON.parse(readFileSync(process.argv[2]));
      const all = routes(described);
      const at = (method, path) => all.find(one => one.method === method && one.path === path);
      console.log(JSON.stringify([
        example(described, at('PUT', '/devices/{index}/outputs').body),
        example(described, at('POST', '/tokens').body),
        shape(described, at('GET', '/pairing/{id}').answer),
        at('GET', '/events').stream, at('GET', '/status').stream,
        all.filter(one => one.answer).every(one => shape(described, one.answer)),
        all.filter(one => one.body).every(one => example(described, one.body) !== undefined),
      ]));
    """
    done = subprocess.run(
        [
            needs("node", "nodejs"), "--input-type=module", "-e", script,
            (tmp_path / "openapi.js").as_uri(), str(document),
        ],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    output, token, state, *rest = json.loads(done.stdout)
    assert output == {"type": "Constrict"}
    assert "name" in token
    assert state == {"state": "string", "relay": "string", "valid_s": "number"}
    assert rest == [True, False, True, True]
