"""The phone page's game pads in a real browser, on a fake of `navigator.getGamepads`."""

from __future__ import annotations

from typing import Any

import pytest

from relay.link.stand_ins import endpoints_of, stand_in
from relay.radio.gamepad.bounds import EFFECT_MS
from relay.radio.gamepad.radio import LEVELS
from tests.doubles.chromium import Page
from tests.web.test_serial import play as play_stage
from tests.web.test_serial import stage  # noqa: F401 - the fixture

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

_PADS = """
const { PadRadio, canRumble, Radios } = modules;
pad.vibrationActuator = new pad.vibrationActuator.constructor();
pad.seen = pad.connected = true;
const actuator = pad.vibrationActuator;
const pads = new PadRadio(navigator, window);
const plug = device => pads.connect(device, 1000, why => gone.push(why));
const level = (...levels) => new Uint8Array(new Uint16Array(levels).buffer);
"""
FULL = list(LEVELS.pack(0xFFFF, 0x8000, 0, 0))


async def play(page: Page, script: str, **values: Any) -> Any:
    return await play_stage(page, _PADS + script, **values)


async def test_it_stands_for_the_same_service_as_the_relays_own(stage: Page) -> None:  # noqa: F811
    found = await stage.evaluate(
        "import('/relay/pads.js').then(m => [m.SERVICE, m.TX_UUID, m.RX_UUID, m.canRumble(window)])"
    )
    ends = endpoints_of("gamepad")
    assert found == [stand_in("gamepad"), ends["tx"], ends["rx"], True]


async def test_a_level_is_an_effect_that_is_renewed_while_it_holds_and_ends_with_a_stop(
    stage: Page,  # noqa: F811
) -> None:
    steady, log, after, name = await play(
        stage,
        """
        const device = await pads.choose();
        const connection = await plug(device);
        await connection.write(1, Uint8Array.from(full));
        let steady = true;
        for (let n = 0; n < 24; n++) { await sleep(50); steady &&= actuator.running; }
        await connection.write(1, level(0, 0, 0, 0));
        const after = actuator.running;
        const count = actuator.log.length;
        await sleep(400);
        const quiet = actuator.log.length === count;
        connection.disconnect();
        return [steady, actuator.log, [after, quiet], device.name];
        """,
        full=FULL,
    )
    assert steady is True
    assert log[0] == [1, pytest.approx(0.5, abs=0.001)]
    assert len(log) >= 4
    assert after == [False, True]
    assert name.startswith("Test Pad")


async def test_a_page_that_hangs_leaves_no_pad_rumbling_for_longer_than_an_effect(
    stage: Page,  # noqa: F811
) -> None:
    running = await play(
        stage,
        """
        const connection = await plug(await pads.choose());
        await connection.write(1, level(0xffff, 0, 0, 0));
        const ends = performance.now() + most + 50;
        while (performance.now() < ends) { /* it hangs */ }
        const running = actuator.running;
        connection.disconnect();
        return running;
        """,
        most=EFFECT_MS,
    )
    assert running is False


async def test_a_stop_that_is_refused_says_so_and_is_not_renewed(stage: Page) -> None:  # noqa: F811
    failed, refused, later, again = await play(
        stage,
        """
        const connection = await plug(await pads.choose());
        await connection.write(1, level(0xffff, 0, 0, 0));
        actuator.refuses = 1;
        const failed = await failure(connection.write(1, level(0, 0, 0, 0)));
        const calls = actuator.log.length;
        await sleep(900);
        const later = [actuator.running, actuator.log.length - calls];
        actuator.refuses = 1;
        const refused = await failure(connection.write(1, level(5, 0, 0, 0)));
        await connection.write(1, level(0, 0, 0, 0));
        connection.disconnect();
        return [failed[0], refused[0], later, actuator.running];
        """,
    )
    assert (failed, refused) == ("radio", "radio")
    assert later == [False, 0]
    assert again is False


async def test_one_that_goes_is_told_once_and_may_come_back(stage: Page) -> None:  # noqa: F811
    gone, codes, found, same = await play(
        stage,
        """
        const device = await pads.choose();
        const connection = await plug(device);
        const busy = await failure(plug(device));
        const found = [];
        pads.watch(one => found.push(one));
        pad.pull();
        const after = await failure(connection.write(1, level(1, 1, 0, 0)));
        connection.disconnect();
        const absent = await failure(plug(device));
        pad.press();
        const again = await plug(found[0]);
        await again.write(1, level(0, 0, 0, 0));
        again.disconnect();
        again.disconnect();
        return [gone, [busy[0], after[0], absent[0]], found.length, found[0].id === device.id];
        """,
    )
    assert gone == ["it was unplugged, or switched off"]
    assert codes == ["busy", "gone", "not_found"]
    assert (found, same) == (1, True)


async def test_letting_go_is_a_stop_and_a_pad_is_chosen_once(stage: Page) -> None:  # noqa: F811
    running, second, unseen = await play(
        stage,
        """
        const device = await pads.choose();
        const second = await pads.choose();
        await device.forget();
        pad.seen = false;
        const unseen = await pads.choose();
        pad.seen = true;
        const connection = await plug(device);
        await connection.write(1, level(0xffff, 0xffff, 0, 0));
        connection.disconnect();
        return [actuator.running, second, unseen];
        """,
    )
    assert running is False
    assert second is None
    assert unseen is None


async def test_radios_know_whose_a_device_is(stage: Page) -> None:  # noqa: F811
    kinds, of, remembered = await play(
        stage,
        """
        const bluetooth = { remembered: async () => ['toy'], on: async () => true };
        const all = new Radios(bluetooth, { serial: radio, pad: pads, none: null });
        await radio.choose();
        const found = await all.remembered();
        return [all.kinds, [all.kindOf(radio.service), all.kindOf(pads.service), all.kindOf('x')],
                found.map(one => one.id ?? one)];
        """,
    )
    assert kinds == ["serial", "pad"]
    assert of == ["serial", "pad", None]
    assert remembered[0] == "toy"
    assert remembered[1].startswith("serial-1a86-7523-")
