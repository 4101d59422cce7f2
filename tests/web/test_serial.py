"""The phone page's serial radio in a real browser, on a fake of `navigator.serial`: the contract of
radios as far as a cable can, and the vectors of the relay's own (tests/relay/radio/wired)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from relay.link.stand_ins import endpoints_of, stand_in
from tests.doubles.chromium import Chromium, Page
from tests.doubles.chromium_devices import with_devices
from tests.doubles.chromium_hub import WebHub
from tests.relay.radio.wired.test_tcode_vectors import VECTORS

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

_STAGE = """
const { SerialRadio, sleep, Talk, LineSplitter, isVersion, axis, nameOf } = modules;
const text = data => new TextDecoder().decode(data);
const bytes = data => new TextEncoder().encode(data);
const port = globalThis.machine = new machine.constructor();
port.say = port.say.bind(port);
for (const old of await navigator.serial.getPorts()) await old.forget();
const gone = [];
const radio = new SerialRadio(navigator.serial);
const failure = async doing => {
    try { await doing; } catch (error) { return [error.code, error.message]; }
};
const until = async true_ => { for (let n = 0; n < 500 && !true_(); n++) await sleep(10); };
const connect = (device, limit = 3000, signal) =>
    radio.connect(device, limit, why => gone.push(why), signal);
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(browser: Chromium) -> AsyncIterator[Page]:
    async with WebHub() as hub:
        page = await with_devices(browser)
        await page.goto(hub.url("/blank"))
        await page.evaluate(
            "Promise.all(['serial', 'tcode', 'clock', 'pads', 'radios'].map(name =>"
            " import(`/relay/${name}.js`))).then(all => {"
            " window.modules = Object.assign({}, ...all.map(one => ({ ...one }))); })"
        )
        yield page
        await page.close()


async def play(page: Page, script: str, **values: Any) -> Any:
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    return await page.evaluate(f"(async () => {{ {_STAGE}\n{given}{script} }})()", timeout=60)


async def test_it_stands_for_the_same_service_as_the_relays_own(stage: Page) -> None:
    found = await stage.evaluate(
        "import('/relay/serial.js').then(m => [m.SERVICE, m.TX_UUID, m.RX_UUID])"
    )
    ends = endpoints_of("serial/tcode-v03")
    assert found == [stand_in("serial/tcode-v03"), ends["tx"], ends["rx"]]


async def test_lines_versions_axes_and_names_are_those_of_the_vectors(stage: Page) -> None:
    for case in VECTORS["lines"]:
        lines = await play(
            stage,
            "const lines = new LineSplitter();"
            "return pieces.flatMap(piece => lines.feed(bytes(piece))).map(text);",
            pieces=case["pieces"],
        )
        assert lines == case["lines"]
    found = await play(
        stage,
        """
        return [
          vectors.versions.map(([line]) => isVersion(bytes(line))),
          vectors.axes.map(([line]) => axis(bytes(line))),
          vectors.names.map(([axes]) => nameOf(new Set(axes))),
        ];
        """,
        vectors=VECTORS,
    )
    assert found == [[told for _, told in VECTORS[key]] for key in ("versions", "axes", "names")]


@pytest.mark.parametrize("talk", VECTORS["talks"], ids=lambda talk: talk["about"])
async def test_the_whole_talk_is_that_of_the_vector(stage: Page, talk: dict[str, Any]) -> None:
    name, asked, opened, sent, heard, options = await play(
        stage,
        """
        port.answers = talk.answers;
        const device = await radio.choose();
        await device.closed;
        const asked = port.sent.splice(0);
        const connection = await connect(device);
        const opened = port.sent.splice(0);
        for (const write of talk.writes) await connection.write(1, bytes(write), false);
        const sent = port.sent.splice(0), heard = [];
        await connection.subscribe(2, data => heard.push(text(data)));
        for (const piece of talk.says) port.say(piece);
        await until(() => heard.length >= talk.heard.length);
        connection.disconnect();
        await device.closed;
        return [device.name, asked, opened, sent, heard, port.options];
        """,
        talk=talk,
    )
    assert name == talk["name"]
    assert (asked, opened, sent) == (talk["asked"], talk["opened"], talk["writes"])
    assert heard == talk["heard"]
    assert options["baudRate"] == 115_200


async def test_what_is_no_tcode_machine_is_not_taken_and_nobody_chosen_is_none(stage: Page) -> None:
    failed, nobody, opened, closed = await play(
        stage,
        """
        navigator.serial.picks = false;
        const nobody = await radio.choose();
        navigator.serial.picks = true;
        port.answers = { 'D1\\n': ["Grbl 1.1f ['$' for help]\\r\\n"] };
        const failed = await failure(radio.choose());
        await sleep(50);
        return [failed, nobody, port.opened, port.closed];
        """,
    )
    assert failed == ["not_found", "nothing on this port answers as T-Code does"]
    assert nobody is None
    assert opened == closed == 1


async def test_one_that_is_unplugged_is_told_once_and_comes_back(stage: Page) -> None:
    gone, failed, found, again = await play(
        stage,
        """
        const device = await radio.choose();
        const first = await connect(device);
        const found = [];
        radio.watch(one => found.push(one.id));
        port.unplug();
        await until(() => gone.length);
        const failed = await failure(first.write(1, bytes('L05\\n')));
        first.disconnect();
        port.plug();
        await until(() => found.length);
        const second = await connect(device);
        port.sent.length = 0;
        await second.write(1, bytes('DSTOP\\n'));
        second.disconnect();
        await device.closed;
        return [gone, failed[0], found.map(id => id === device.id), port.sent];
        """,
    )
    assert gone == ["it was unplugged"]
    assert failed == "gone"
    assert all(found)
    assert again == ["DSTOP\n"]


async def test_a_write_that_hangs_lets_go_and_what_is_written_last_still_leaves(
    stage: Page,
) -> None:
    failed, gone, sent, closed = await play(
        stage,
        """
        const device = await radio.choose();
        const connection = await connect(device);
        port.sent.length = 0;
        connection.write(1, bytes('DSTOP\\n'));
        connection.disconnect();
        await device.closed;
        const sent = [...port.sent];
        const hanging = await connect(device);
        port.hung = true;
        const failed = await failure(hanging.write(1, bytes('L09\\n'), false, 100));
        await until(() => gone.length);
        return [failed[0], gone, sent, port.closed];
        """,
    )
    assert failed == "timeout"
    assert gone == ["the toy did not answer and was let go"]
    assert sent == ["DSTOP\n"]
    assert closed >= 2


async def test_a_connect_given_up_or_too_late_leaves_nothing_open(stage: Page) -> None:
    given_up, late, opened, closed = await play(
        stage,
        """
        const device = await radio.choose();
        await device.closed;
        port.answers = {};
        const abort = new AbortController();
        const giving = failure(connect(device, 3000, abort.signal));
        await sleep(50);
        abort.abort();
        const givenUp = await giving;
        await device.closed;
        const late = await failure(connect(device, 300));
        await device.closed;
        return [givenUp[0], late[0], port.opened, port.closed];
        """,
    )
    assert (given_up, late) == ("gone", "not_found")
    assert opened == closed


async def test_what_a_cable_cannot_do_is_refused(stage: Page) -> None:
    refused = await play(
        stage,
        """
        const device = await radio.choose();
        const connection = await connect(device);
        const refused = [
          await failure(connection.read(2)), await failure(connection.subscribe(1, () => {})),
          await failure(connection.write(2, bytes('x'))),
        ];
        await connection.write(1, bytes('DSTOP\\n'));
        connection.disconnect();
        await device.closed;
        return refused.map(([code]) => code);
        """,
    )
    assert refused == ["refused"] * 3
