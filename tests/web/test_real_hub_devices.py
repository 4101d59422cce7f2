"""An official client and the real hub, with a stroker on a cable and a game pad at the page: of a
browser whose Bluetooth is off."""

from __future__ import annotations

from pathlib import Path

import pytest
from buttplug import DeviceOutputCommand, OutputType

from tests.doubles.chromium import Chromium
from tests.doubles.chromium_devices import with_devices
from tests.web.test_page_devices import tap
from tests.web.test_real_hub import found, hub, pairing_page, until

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]


async def test_an_official_client_drives_a_stroker_and_a_pad_of_the_page(
    browser: Chromium, tmp_path: Path
) -> None:
    async with hub(tmp_path) as app:
        page = await with_devices(browser)
        await page.goto(await pairing_page(app.config.state_dir, "localhost"))
        await tap(page, "#add-serial")
        client, stroker = await found(app)
        assert stroker.name == "TCode v0.3"
        # Nobody who has no toy for Bluetooth is told to switch it on.
        await page.until("document.getElementById('notice').hidden")
        await stroker.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await page.until("machine.sent.some(text => text.startsWith('V05000'))")
        await stroker.stop()
        await page.until("/^(DSTOP|V00000?)/.test(machine.sent.at(-1))")

        await tap(page, "#add-pad")
        await until(lambda: len(client.devices) == 2, "the pad")
        pad = next(one for one in client.devices.values() if one is not stroker)
        assert pad.name == "SDL Gamepad"
        await pad.run_output(DeviceOutputCommand(OutputType.VIBRATE, 0.5))
        await page.until("pad.vibrationActuator.running")
        await client.stop_all_devices()
        await page.until("!pad.vibrationActuator.running")
        await client.disconnect()
        assert page.errors == []
        await page.close()
