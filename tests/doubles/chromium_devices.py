"""What stands in for a T-Code machine on a cable and for a game pad in a real browser: fakes of
`navigator.serial` and of `navigator.getGamepads`, installed before the page's own scripts.

    page = await with_devices(browser)
    await page.evaluate("machine.plug()")
    await page.evaluate("machine.sent")

`machine`, `pad` are the page's; what they were told outlives a reload in `localStorage`.
"""

from __future__ import annotations

from tests.doubles.chromium import Chromium, Page

FAKES = r"""
(() => {
const kept = name => JSON.parse(localStorage.getItem(name) ?? '[]');
const keep = (name, what) => {
    try { localStorage.setItem(name, JSON.stringify([...kept(name), what])); } catch { /* blank */ }
};
const at = () => Date.now() / 1000;

// A machine with a port. `answers`: line → what it says. `hung`: writes do not return.
class Port extends EventTarget {
    answers = { 'D1\n': ['TCode v0.3\r\n'], 'D2\n': ['L0 0 9999 Up\r\nV0 0 9999 Vibe\r\n'] };
    sent = []; opened = 0; closed = 0; hung = false; plugged = true;
    readable = null; writable = null;
    info = { usbVendorId: 0x1a86, usbProductId: 0x7523 };
    #controller = null;
    getInfo() { return this.info; }
    async open(options) {
        if (!this.plugged) throw new DOMException('Failed to open serial port.', 'NetworkError');
        if (this.readable) throw new DOMException('The port is already open.', 'InvalidStateError');
        this.options = options;
        this.opened++;
        this.readable = new ReadableStream({ start: it => { this.#controller = it; } });
        this.writable = new WritableStream({ write: data => this.#write(data) });
    }
    async #write(data) {
        if (!this.plugged) throw new DOMException('The device has been lost.', 'NetworkError');
        if (this.hung) await new Promise(() => {});
        const text = new TextDecoder().decode(data);
        this.sent.push(text);
        keep('machine', [at(), text]);
        for (const piece of this.answers[text] ?? []) this.say(piece);
    }
    say(text) { this.#controller.enqueue(new TextEncoder().encode(text)); }
    async close() {
        if (!this.readable) throw new DOMException('It is already closed.', 'InvalidStateError');
        if (this.readable.locked || this.writable.locked) throw new TypeError('it is locked');
        this.readable = this.writable = null;
        this.closed++;
    }
    async forget() { granted.delete(this); }
    unplug() {
        this.plugged = false;
        const { readable } = this;
        this.readable = this.writable = null;
        const lost = new DOMException('The device has been lost.', 'NetworkError');
        if (readable) this.#controller.error(lost);
    }
    plug() {
        this.plugged = true;
        navigator.serial.dispatchEvent(new Event('connect'));
    }
    get told() { return kept('machine'); }
}
const granted = new Set();
class Serial extends EventTarget {
    async requestPort() {
        if (!this.picks) throw new DOMException('No port selected by the user.', 'NotFoundError');
        granted.add(machine);
        return machine;
    }
    async getPorts() { return [...granted].filter(port => port.plugged); }
    picks = true;
}
globalThis.machine = new Port();
Object.defineProperty(navigator, 'serial', { value: new Serial(), configurable: true });

// A pad whose effects end by themselves. `refuses`: so many calls are refused.
class Actuator {
    type = 'dual-rumble'; effects = ['dual-rumble']; log = []; refuses = 0;
    #until = 0; #levels = [0, 0]; #ends = null;
    playEffect(kind, { startDelay = 0, duration, strongMagnitude, weakMagnitude }) {
        if (this.#refused()) return Promise.reject(new DOMException('no', 'NotSupportedError'));
        if (kind !== 'dual-rumble' || startDelay + duration > 5000) {
            return Promise.reject(new TypeError('wrong'));
        }
        this.#ends?.('preempted');
        this.#levels = [strongMagnitude, weakMagnitude];
        this.#until = performance.now() + duration;
        this.#note();
        return new Promise(resolve => {
            this.#ends = resolve;
            setTimeout(resolve, duration, 'complete');
        });
    }
    async reset() {
        if (this.#refused()) throw new DOMException('no', 'NotSupportedError');
        this.#ends?.('preempted');
        this.#until = 0;
        this.#levels = [0, 0];
        this.#note();
        return 'complete';
    }
    #refused() { return this.refuses > 0 && this.refuses-- > 0; }
    #note() { this.log.push(this.#levels); keep('pad', [at(), ...this.#levels]); }
    get levels() { return performance.now() < this.#until ? this.#levels : [0, 0]; }
    get running() { return this.levels.some(Boolean); }
}
globalThis.pad = {
    id: 'Test Pad (STANDARD GAMEPAD Vendor: 045e Product: 028e)', index: 0, connected: true,
    seen: true, vibrationActuator: new Actuator(),
    event(name) {
        const event = new Event(name);
        event.gamepad = pad;
        globalThis.dispatchEvent(event);
    },
    press() { this.seen = this.connected = true; this.event('gamepadconnected'); },
    pull() { this.seen = this.connected = false; this.event('gamepaddisconnected'); },
    get told() { return kept('pad'); },
};
navigator.getGamepads = () => [null, pad.seen ? pad : null];
})();
"""


async def with_devices(browser: Chromium) -> Page:
    """A phone-sized page, blank yet, on which both are."""
    page = await browser.page()
    await page.call("Page.enable")
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=FAKES)
    await page.phone()
    return page
