"""The page's peripheral over a connection that a script plays: order, pace, stops, answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.doubles.chromium import Page

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

# A toy that a script plays. `log`: what was written when; `told`: what the hub heard.
_STAGE = """
const { Peripheral, Block, RadioError, clock, now, sleep } = modules;
const text = data => new TextDecoder().decode(data);
const bytes = data => new TextEncoder().encode(data);
class Played {
    services = [{ uuid: 's', characteristics: [{ h: 1, uuid: 'c', properties: [] }] }];
    mtu = 23; log = []; hang = false; fail = null; takes = 0;
    busy = false; overlaps = 0; gone = false;
    has(h) { return h === 1; }
    async write(h, data) {
        if (this.gone) throw new RadioError('gone', 'gone');
        this.log.push([now(), text(data)]);
        if (this.busy) this.overlaps++;
        this.busy = true;
        try {
            if (this.hang) await new Promise((_, no) => { this.cut = no; });
            if (this.takes) await sleep(this.takes);
            if (this.fail) throw new RadioError(this.fail, 'it fails');
        } finally { this.busy = false; }
    }
    writeNow(h, data) { this.log.push([now(), text(data)]); return Promise.resolve(); }
    async read() { return this.write(1, bytes('read')).then(() => Uint8Array.of(7)); }
    async subscribe(h, on) { this.on = on; await this.write(1, bytes('sub')); }
    async unsubscribe() { await this.write(1, bytes('unsub')); }
    disconnect() { this.gone = true; this.log.push([now(), 'disconnect']); }
    get data() { return this.log.map(([, data]) => data); }
}
function stage({ arm = {}, leaseMs = 900, activeS = 0.9, maxRunS = 0, more = {} } = {}) {
    const connection = new Played(), block = new Block(), told = [], left = [];
    const peripheral = new Peripheral({
        connection, block, maxRunS, gone: (...how) => left.push(how), ...more });
    peripheral.bind(1, message => told.push(message), { activeS, idleS: 10 });
    let id = 0;
    const ask = message => { peripheral.handle({ id: ++id, p: 1, ...message }); return id; };
    const packet = (data, more = {}) => ({ h: 1, d: bytes(data), ...more });
    const output = (data, more = {}) =>
        ask({ t: 'Output', packets: [packet(data, { k: [0], ...more })], merge: false });
    const answers = number => told.filter(message => message.id === number);
    ask({ t: 'Arm', seen: 0, stop: [packet('STOP', { r: true })], ...arm });
    if (leaseMs) peripheral.lease(leaseMs);
    return { connection, block, peripheral, told, left, ask, packet, output, answers };
}
"""


async def play(page: Page, script: str, **values: Any) -> Any:
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    await page.evaluate(
        "Promise.all(['peripheral', 'radio', 'clock'].map(name => import(`/relay/${name}.js`)))"
        ".then(all => { Object.assign(modules, ...all); })"
    )
    return await page.evaluate(f"(async () => {{ {_STAGE}\n{given}{script} }})()", timeout=60)


async def test_the_first_value_is_handed_over_before_the_call_returns(modules: Page) -> None:
    assert await play(modules, "const s = stage(); s.output('a'); return s.connection.data;") == [
        "a"
    ]


async def test_between_two_writes_pass_the_gap_and_the_newest_value_wins(modules: Page) -> None:
    data, gap, answers = await play(
        modules,
        """
        const s = stage({ arm: { gap_ms: 60 } });
        const ids = ['a', 'b', 'c', 'd'].map(data => s.output(data));
        await sleep(200);
        const times = s.connection.log.map(([at]) => at);
        return [s.connection.data, times[1] - times[0], ids.map(id => s.answers(id))];
        """,
    )
    assert data == ["a", "d"]
    # Counted from when the first was handed over; the browser may begin to write some ms later.
    assert gap >= 0.04
    assert [[one["t"] for one in each] for each in answers] == [["Done"]] * 4
    assert [each[0].get("superseded", False) for each in answers] == [False, True, True, False]


async def test_values_that_share_a_packet_are_merged_on_an_idle_toy(modules: Page) -> None:
    data = await play(
        modules,
        """
        const s = stage();
        for (const data of ['1,0', '1,1'])
            s.ask({ t: 'Output', packets: [s.packet(data, { k: [0, 1] })], merge: true });
        await sleep(50);
        return s.connection.data;
        """,
    )
    assert data == ["1,1"]


async def test_one_operation_at_a_time_in_the_order_of_the_requests(modules: Page) -> None:
    data, overlaps = await play(
        modules,
        """
        const s = stage();
        s.connection.takes = 5;
        s.ask({ t: 'Write', h: 1, d: bytes('w1') });
        s.ask({ t: 'Subscribe', h: 1 });
        s.ask({ t: 'Read', h: 1 });
        s.output('a');
        s.ask({ t: 'Write', h: 1, d: bytes('w2') });
        await sleep(150);
        return [s.connection.data, s.connection.overlaps];
        """,
    )
    assert data == ["w1", "sub", "read", "a", "w2"]
    assert overlaps == 0


async def test_keep_alive_repeats_while_it_runs_and_ends_with_the_lease(modules: Page) -> None:
    running, resting, later = await play(
        modules,
        """
        const s = stage({ arm: { keepalive: { every_ms: 40, only_running: true } }, activeS: 0.4 });
        await sleep(100);
        const idle = s.connection.data.length;
        s.output('a');
        await sleep(220);
        const running = s.connection.data.slice(idle);
        await sleep(400);
        const resting = s.connection.data.length;
        await sleep(200);
        return [running, s.connection.data[resting - 1], s.connection.data.length - resting];
        """,
    )
    assert set(running) == {"a"}
    assert 4 <= len(running) <= 6
    assert (resting, later) == ("STOP", 0)


async def test_the_wearers_longest_run_ends_it(modules: Page) -> None:
    said = await play(
        modules,
        """
        const s = stage({ maxRunS: 0.2 });
        s.output('a');
        for (let beat = 0; beat < 8; beat++) { await sleep(50); s.peripheral.lease(900); }
        return [s.connection.data, s.told.find(message => message.t === 'Stopped')];
        """,
    )
    assert said[0] == ["a", "STOP"]
    assert said[1] == {"t": "Stopped", "p": 1, "cause": "run_time", "n": 1}


async def test_a_stop_nobody_acknowledges_is_written_twice(modules: Page) -> None:
    data = await play(
        modules,
        """
        const stop = [{ h: 1, d: bytes('s1') }, { h: 1, d: bytes('s2'), r: true }];
        const s = stage({ arm: { stop } });
        s.output('a');
        await s.peripheral.strike('pause');
        return s.connection.data;
        """,
    )
    assert data == ["a", "s1", "s2", "s1"]


async def test_a_stop_does_not_wait_for_what_hangs(modules: Page) -> None:
    took, data = await play(
        modules,
        """
        const s = stage();
        s.connection.hang = true;
        s.output('a');
        const began = now();
        s.connection.hang = false;
        await s.peripheral.strike('emergency');
        return [now() - began, s.connection.data];
        """,
    )
    assert data[:2] == ["a", "STOP"]
    assert took < 0.3


async def test_a_stop_that_fails_is_retried_and_then_the_toy_is_let_go(modules: Page) -> None:
    told, data, left, outcome, failing = await play(
        modules,
        """
        const s = stage();
        s.output('a');
        s.connection.fail = 'radio';
        const outcome = s.peripheral.strike('link');
        await sleep(100);
        const failing = s.peripheral.stopFailing;
        await sleep(1800);
        const told = s.told.filter(message => message.t === 'Stopped');
        return [told, s.connection.data, s.left, (await outcome).message, failing];
        """,
    )
    assert told == [], "it did not stop, and the radio let it go: that is what is said"
    assert outcome.startswith("it did not take its stop and was let go")
    assert failing
    assert data.count("STOP") >= 4
    assert "disconnect" in data
    assert left[0][2] is True, "it may still run"


async def test_letting_go_is_the_stop_of_a_toy_without_stop_packets(modules: Page) -> None:
    data, told, left = await play(
        modules,
        """
        const s = stage({ arm: { stop: null } });
        s.output('a');
        await s.peripheral.strike('lease');
        return [s.connection.data, s.told.slice(-2), s.left];
        """,
    )
    assert data == ["a", "disconnect"]
    assert [one["t"] for one in told] == ["Stopped", "Disconnected"]
    assert "ok" not in told[0], "absent means true"
    assert left[0][2] is False


async def test_an_arm_that_was_on_its_way_while_it_stopped_does_not_count(modules: Page) -> None:
    answers = await play(
        modules,
        """
        const s = stage();
        s.output('a');
        await s.peripheral.strike('pause');
        const stop = [s.packet('STOP')];
        const late = s.ask({ t: 'Arm', stop, seen: 0 });
        const fresh = s.ask({ t: 'Arm', stop, seen: 1 });
        s.peripheral.lease(900);
        const runs = s.output('b');
        await sleep(20);
        return [late, fresh, runs].map(id => s.answers(id).map(one => one.code ?? one.t));
        """,
    )
    assert answers == [["gate"], ["Done"], ["Done"]]


async def test_what_waited_before_a_stop_is_never_written_after_it(modules: Page) -> None:
    data, answers = await play(
        modules,
        """
        const s = stage({ arm: { gap_ms: 100 } });
        s.output('a');
        const waiting = [s.output('b'), s.ask({ t: 'Write', h: 1, d: bytes('c') })];
        await s.peripheral.strike('lease');
        s.ask({ t: 'Arm', stop: [s.packet('STOP')], seen: 1 });
        s.peripheral.lease(900);
        await sleep(250);
        return [s.connection.data, waiting.map(id => s.answers(id).map(one => one.code))];
        """,
    )
    assert data == ["a", "STOP"]
    assert answers == [["gate"], ["gate"]]


async def test_a_toy_that_goes_takes_no_answer_with_it(modules: Page) -> None:
    codes = await play(
        modules,
        """
        const s = stage();
        s.connection.hang = true;
        const ids = [s.output('a'), s.output('b', { k: [1] }), s.ask({ t: 'Read', h: 1 })];
        s.peripheral.left('out of range');
        await sleep(20);
        return [ids.map(id => s.answers(id).map(one => one.code)), s.told.at(-1)];
        """,
    )
    assert codes[0] == [["gone"]] * 3
    assert codes[1] == {"t": "Disconnected", "p": 1, "text": "out of range"}


async def test_a_partial_stop_leaves_the_other_slots(modules: Page) -> None:
    data = await play(
        modules,
        """
        const s = stage({ arm: { gap_ms: 30 } });
        s.output('a0');
        s.ask({ t: 'Output', packets: [s.packet('b1', { k: [1] })], merge: false });
        s.output('c0');
        s.ask({ t: 'Stop', packets: [s.packet('off0', { k: [0] })], all: false, seen: 0 });
        await sleep(150);
        return s.connection.data;
        """,
    )
    assert data == ["a0", "off0", "b1"]


async def test_a_stop_cannot_start_what_was_stopped_meanwhile(modules: Page) -> None:
    data, ids, told = await play(
        modules,
        """
        const s = stage(), run = [s.packet('run1', { k: [1] })];
        s.output('a');
        await sleep(10);
        s.connection.takes = 50;
        const ids = [s.ask({ t: 'Stop', packets: run, all: false, seen: 0 })];
        s.peripheral.strike('emergency');
        ids.push(s.ask({ t: 'Stop', packets: run, all: false, seen: 0 }));
        await sleep(400);
        return [s.connection.data, ids.map(id => s.answers(id)[0].t), s.told];
        """,
    )
    assert data[0] == "a"
    # What had been handed over before the strike is followed by the armed stop.
    assert data[1:] in (["STOP"], ["run1", "STOP"])
    assert ids == ["Done", "Done"]
    assert [one["n"] for one in told if one["t"] == "Stopped"] == [1]


async def test_a_page_that_goes_hands_over_every_stop_packet_in_one_call(modules: Page) -> None:
    data, took, pauses = await play(
        modules,
        """
        const stop = [{ h: 1, d: bytes('s1') }, { h: 1, d: bytes('s2'), r: true }];
        const s = stage({ arm: { stop } });
        s.output('a');
        await sleep(10);
        const began = now();
        s.peripheral.blurt('shutdown');
        const times = s.connection.log.map(([at]) => at);
        return [s.connection.data, now() - began, times.slice(2).map((at, n) => at - times[n + 1])];
        """,
    )
    handed, later = data[:4], data[4:]
    assert handed == ["a", "s1", "s2", "s1"], "what nobody acknowledges twice, and still connected"
    assert later == ["s1"], "and the machine begins its own, should the page live on"
    assert took < 0.45
    assert min(pauses) > 0.04, "a browser refuses a second operation of one toy"


async def test_a_page_that_goes_while_the_toy_is_busy_waits_a_moment_and_cuts_it_off(
    modules: Page,
) -> None:
    data, left = await play(
        modules,
        """
        const s = stage({ arm: { stop: [{ h: 1, d: bytes('s1'), r: true }] } });
        s.connection.hang = true;
        s.output('a');
        s.peripheral.blurt('shutdown');
        return [s.connection.data, s.left];
        """,
    )
    assert data == ["a", "s1", "disconnect"]
    assert left[0][2] is True, "nobody knows whether it took that"


async def test_a_page_that_lives_on_after_all_sees_its_stop_through(modules: Page) -> None:
    data, states = await play(
        modules,
        """
        const s = stage();
        s.output('a');
        await sleep(10);
        s.connection.writeNow = () => Promise.reject(new RadioError('busy', 'not now'));
        s.peripheral.blurt('shutdown');
        const states = [s.peripheral.gate.state];
        await sleep(50);
        return [s.connection.data, [...states, s.peripheral.gate.state]];
        """,
    )
    assert data == ["a", "STOP"]
    assert states == ["stopping", "shut"]


async def test_the_first_value_waits_for_the_note_that_it_may_run_and_a_stop_does_not(
    modules: Page,
) -> None:
    before, noted, after, stopped = await play(
        modules,
        """
        let noted = [], write;
        const record = peripheral => {
            noted.push(peripheral.mayRun);
            return peripheral.mayRun ? new Promise(resolve => { write = resolve; }) : null;
        };
        const s = stage({ more: { record } });
        s.output('a');
        await sleep(20);
        const before = s.connection.data;
        write();
        await sleep(5);
        s.output('b');
        await sleep(5);
        const after = s.connection.data;
        await s.peripheral.strike('pause');
        s.ask({ t: 'Arm', stop: [s.packet('STOP', { r: true })], seen: 1 });
        s.peripheral.lease(900);
        s.output('c');
        await s.peripheral.strike('pause');
        return [before, noted, after, s.connection.data.slice(after.length)];
        """,
    )
    assert before == []
    assert after == ["a", "b"]
    assert noted == [False, True, False, False, True, False]
    assert stopped == ["STOP", "STOP"], "what had not begun is dropped"


async def test_a_browser_that_cannot_write_notes_moves_the_toy_all_the_same(modules: Page) -> None:
    data = await play(
        modules,
        """
        const s = stage({ more: { record: () => new Promise(() => {}) } });
        s.output('a');
        await sleep(400);
        return s.connection.data;
        """,
    )
    assert data == ["a"]


async def test_leaving_is_over_when_the_stop_was_taken_or_the_toy_let_go(modules: Page) -> None:
    fine, owed = await play(
        modules,
        """
        const fine = stage(), bad = stage();
        for (const s of [fine, bad]) s.output('a');
        bad.connection.fail = 'radio';
        await Promise.all([fine, bad].map(s => s.peripheral.leave('put away')));
        return [fine, bad].map(s => [...s.connection.data.slice(-2), s.left[0][2]]);
        """,
    )
    assert fine == ["STOP", "disconnect", False]
    assert owed == ["STOP", "disconnect", True]


async def test_a_handle_that_does_not_exist_is_refused(modules: Page) -> None:
    codes = await play(
        modules,
        """
        const s = stage();
        const ids = [
            s.ask({ t: 'Write', h: 0, d: bytes('x') }),
            s.ask({ t: 'Read', h: 9 }),
            s.ask({ t: 'Output', packets: [{ h: 9, d: bytes('x') }] }),
            s.ask({ t: 'Arm', stop: [{ h: 9, d: bytes('x') }] }),
        ];
        return ids.map(id => s.answers(id).map(one => one.code));
        """,
    )
    assert codes == [["refused"]] * 4


async def test_whatever_happens_each_request_is_answered_once_and_nothing_runs_unleased(
    modules: Page,
) -> None:
    """Random lives: hanging and failing radios, causes, stops, links that go, toys that go."""
    found = await play(
        modules,
        """
        let seed = 11;
        const random = most => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) % 65536 % most;
        const faults = [];
        async function life(number) {
            const s = stage({ arm: { gap_ms: random(3) * 5 }, leaseMs: 300, activeS: 0.15 });
            const asked = [], unleased = [], stop = [s.packet('STOP', { r: true })];
            // Anything but a stop that starts while the gate is not open is a fault.
            const write = s.connection.write.bind(s.connection);
            s.connection.write = (h, data) => {
                const quiet = ['STOP', 'HALT', 'read', 'sub'].includes(text(data));
                if (!quiet && s.peripheral.gate.state !== 'open') unleased.push(text(data));
                return write(h, data);
            };
            for (let step = 0; step < 60 && !s.left.length; step++) {
                const what = random(16);
                if (what < 6) asked.push(s.output('v' + step, { k: [random(3)] }));
                else if (what === 6) asked.push(s.ask({ t: 'Write', h: 1, d: bytes('w' + step) }));
                else if (what === 7) asked.push(s.ask({ t: 'Read', h: 1 }));
                else if (what === 8) asked.push(s.ask({ t: 'Stop', all: random(2) === 0,
                    seen: s.peripheral.gate.n, packets: [s.packet('HALT', { k: [random(3)] })] }));
                else if (what === 9) s.peripheral.strike(['pause', 'lease', null][random(3)]);
                else if (what === 10)
                    asked.push(s.ask({ t: 'Arm', stop, seen: s.peripheral.gate.n }));
                else if (what === 11) s.peripheral.lease(100 + random(200));
                else if (what === 12) s.connection.fail = random(3) ? null : 'radio';
                else if (what === 13) { s.connection.hang = random(3) === 0; }
                else if (what === 14) { s.connection.cut?.(new RadioError('timeout', 'cut')); }
                else s.connection.takes = random(3) * 4;
                if (step === 50 && number % 4 === 0) asked.push(s.ask({ t: 'Disconnect' }));
                if (random(3) === 0) await sleep(random(20));
            }
            if (number % 2) {  // the others leave in the middle of it
                s.connection.fail = null; s.connection.hang = false; s.connection.takes = 0;
                s.connection.cut?.(new RadioError('timeout', 'cut'));
                await sleep(400);
            }
            s.connection.gone = true;
            s.peripheral.left('the end');
            await sleep(20);
            for (const id of asked) {
                const count = s.answers(id).filter(one => one.t !== 'Stopped').length;
                if (count !== 1) faults.push(`life ${number}: ${id} has ${count} answers`);
            }
            for (const data of unleased) faults.push(`life ${number}: ${data} was not leased`);
            if (s.left.length !== 1) faults.push(`life ${number}: left ${s.left.length} times`);
        }
        await Promise.all(Array.from({ length: 60 }, (_, number) => life(number)));
        return faults;
        """,
    )
    assert found == []


async def test_a_recorded_stop_keeps_its_pauses_and_which_of_two_characteristics(
    modules: Page,
) -> None:
    """As it comes out of the browser's database after a reload, paid over a new connection."""
    log = await play(
        modules,
        """
        const { settle } = await import('/relay/settle.js');
        const s = stage({ leaseMs: 0, arm: { gap_ms: 200, stop: [] } });
        s.connection.services = [{ uuid: 's', characteristics: [
            { h: 1, uuid: 'c', properties: [] }, { h: 2, uuid: 'c', properties: [] }] }];
        s.connection.has = () => true;
        s.ask({ t: 'Arm', seen: 0, gap_ms: 200, stop: [
            s.packet('one', { r: true }), { ...s.packet('two', { after_ms: 300 }), h: 2 }] });
        const record = structuredClone(s.peripheral.armedStop);
        const log = [], begun = now();
        const services = structuredClone(s.connection.services);
        services[0].characteristics[0].h = 11;
        services[0].characteristics[1].h = 12;
        const write = async (h, d) => { log.push([h, text(d), now() - begun]); };
        await settle({ services, write }, record);
        return log;
        """,
    )
    assert [entry[:2] for entry in log] == [[11, "one"], [12, "two"], [12, "two"]]
    first, second, third = (entry[2] for entry in log)
    assert second - first >= 0.29
    assert third - second >= 0.19
