"""The page's Noise: public vectors, the link's own vectors, and Python at the other end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relay.link.security.handshake import HubHandshake
from relay.link.security.noise import HandshakeState, KeyPair
from tests.doubles.chromium import DevToolsError, Page
from tests.relay.hub_link.test_paired import MOVES
from tests.shared import shared

pytestmark = [pytest.mark.chromium, pytest.mark.asyncio(loop_scope="session")]

VECTORS = Path(__file__).parents[1] / "relay" / "link" / "vectors"

# Test keys have to be brought in; the page itself never sees a private key.
_TOOLS = """const bytes = hex => Uint8Array.from(hex.match(/../g) ?? [], h => parseInt(h, 16));
const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
const x25519 = { name: 'X25519' };
async function pair(text) {
    const head = bytes('302e020100300506032b656e04220420');
    const privateKey = await crypto.subtle.importKey(
        'pkcs8', Uint8Array.of(...head, ...bytes(text)), x25519, false, ['deriveBits']);
    const nine = new Uint8Array(32); nine[0] = 9;
    const base = await crypto.subtle.importKey('raw', nine, x25519, true, []);
    const own = await crypto.subtle.deriveBits({ ...x25519, public: base }, privateKey, 256);
    return { privateKey, public: new Uint8Array(own) };
}
// A channel whose other end is a script: what is received is taken from `frames` in turn.
function scripted(frames) {
    const sent = [];
    return { sent, send: frame => sent.push(hex(frame)), receive: async () => {
        if (!frames.length) throw new Error('nothing more comes');
        return bytes(frames.shift());
    } };
}"""


async def _run(page: Page, body: str, **values: Any) -> Any:
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    return await page.evaluate(f"(async () => {{ {_TOOLS}\n{given}{body} }})()")


def _public(pattern: str) -> dict[str, Any]:
    vectors = json.loads(shared("data", "noise", "cacophony-25519-aesgcm-sha256.json").read_text())[
        "vectors"
    ]
    name = f"Noise_{pattern}_25519_AESGCM_SHA256"
    return next(vector for vector in vectors if vector["protocol_name"] == name)


@pytest.mark.parametrize("initiator", [True, False], ids=["initiator", "responder"])
async def test_public_vector_of_ik(modules: Page, initiator: bool) -> None:
    vector = _public("IK")
    sent = await _run(
        modules,
        """
        const side = initiator ? 'init' : 'resp';
        const state = await modules.Handshake.start('IK', {
            initiator, prologue: bytes(vector[side + '_prologue']),
            s: await pair(vector[side + '_static']), e: await pair(vector[side + '_ephemeral']),
            rs: initiator ? bytes(vector.init_remote_static) : null,
        });
        const out = [];
        let transport = null;
        let mine = initiator;
        for (const { payload, ciphertext } of vector.messages) {
            const text = bytes(payload), frame = bytes(ciphertext);
            if (!transport) out.push(hex(mine ? await state.write(text) : await state.read(frame)));
            else out.push(hex(mine ? await transport.seal(text) : await transport.open(frame)));
            if (state.finished) transport ??= await state.split();
            mine = !mine;
        }
        return [out, hex(state.hash)];
        """,
        vector=vector,
        initiator=initiator,
    )
    mine = [
        message["ciphertext" if (number % 2 == 0) == initiator else "payload"]
        for number, message in enumerate(vector["messages"])
    ]
    assert sent == [mine, vector["handshake_hash"]]


def _sessions() -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = json.loads((VECTORS / "sessions.json").read_text())
    return sessions


@pytest.mark.parametrize("session", _sessions(), ids=lambda session: session["name"])
async def test_sessions_of_the_link(modules: Page, session: dict[str, Any]) -> None:
    from_hub = [one["frame"] for one in session["frames"] if one["from"] == "hub"]
    sent, outcome, plaintexts = await _run(
        modules,
        """
        const channel = scripted(fromHub);
        const trust = session.secret ? { secret: bytes(session.secret), name: session.relay_name }
            : { hubKey: bytes(session.relay_knows) };
        let shaken;
        try {
            shaken = await modules.shake(channel, {
                key: await pair(session.relay_static),
                ephemeral: await pair(session.relay_ephemeral), ...trust });
        } catch (error) {
            return [channel.sent, error.reason, null];
        }
        const plaintexts = [];
        for (const { from, frame, plaintext } of session.frames) {
            if (plaintext === undefined) continue;
            const { transport } = shaken;
            if (from === 'relay') channel.sent.push(hex(await transport.seal(bytes(plaintext))));
            else plaintexts.push(hex(await transport.open(bytes(frame))));
        }
        return [channel.sent, hex(shaken.hash), plaintexts];
        """,
        session=session,
        fromHub=from_hub,
    )
    assert sent == [one["frame"] for one in session["frames"] if one["from"] == "relay"]
    if session["outcome"] == "open":
        assert outcome == session["handshake_hash"]
        said = [one for one in session["frames"] if one["from"] == "hub" and "plaintext" in one]
        assert plaintexts == [one["plaintext"] for one in said]
    else:
        reasons = {"0x10": "code-spent", "0x11": "wrong-code", "0x12": "wrong-hub"}
        assert outcome == reasons.get(session["outcome"], session["outcome"])


async def test_transport_around_both_rekeys(modules: Page) -> None:
    vector = json.loads((VECTORS / "transport.json").read_text())
    wrong = await _run(
        modules,
        """
        const transport = new modules.Transport(bytes(vector.key), bytes(vector.key));
        const wanted = new Map(vector.records.map(record => [record.n, record]));
        const last = Math.max(...wanted.keys());
        const wrong = [];
        for (let n = 0; n <= last; n++) {
            const record = wanted.get(n);
            if (record) {
                const sealed = hex(await transport.seal(bytes(record.plaintext)));
                const opened = hex(await transport.open(bytes(record.frame)));
                if (sealed !== record.frame || opened !== record.plaintext) wrong.push(n);
            } else {
                transport.seal(new Uint8Array(0));
                transport.open(new Uint8Array(0)).catch(() => {});
                if (n % 500 === 0) await new Promise(next => setTimeout(next));
            }
        }
        return wrong;
        """,
        vector=vector,
    )
    assert wrong == []


class _Trust:
    hub_name = "Desk"

    def __init__(self, secret: bytes | None = None, known: bytes | None = None) -> None:
        self.key = KeyPair.generate()
        self.filed: tuple[bytes, str] | None = None
        self._secret, self._known = secret, known

    def offer(self, code_id: bytes, now: float) -> bytes:
        assert self._secret is not None
        return self._secret

    def file(self, code_id: bytes, relay_key: bytes, name: str, now: float) -> str:
        self.filed = (relay_key, name)
        return name

    def known(self, relay_key: bytes) -> str | None:
        return "phone" if relay_key == self._known else None


async def test_the_page_pairs_with_a_python_hub_and_comes_back_as_known(modules: Page) -> None:
    secret = bytes(range(32))
    trust = _Trust(secret)
    hub = HubHandshake(trust)
    # The page's channel is a queue on either side, filled and emptied over DevTools.
    await _run(
        modules,
        """
        const arrived = [], waiting = [];
        window.wire = { sent: [], put: text =>
            waiting.length ? waiting.shift()(bytes(text)) : arrived.push(bytes(text)) };
        const channel = { send: frame => wire.sent.push(hex(frame)), receive: () =>
            new Promise(yes => arrived.length ? yes(arrived.shift()) : waiting.push(yes)) };
        wire.key = await modules.generateKeyPair();
        wire.shake = options => modules.shake(channel, { key: wire.key, ...options }).then(done => {
            wire.done = done; wire.hash = hex(done.hash); });
        wire.over = wire.shake({ secret: bytes(secret), name: 'Phone\\u202e of A' });
        """,
        secret=secret.hex(),
    )

    async def sent() -> bytes:
        return bytes.fromhex(await modules.until("wire.sent.shift()"))

    async def put(frame: bytes) -> None:
        await _run(modules, "wire.put(frame);", frame=frame.hex())

    step = hub.receive(await sent(), 0)
    assert step.frame is not None
    await put(step.frame)
    step = hub.receive(await sent(), 0)
    assert step.frame is not None
    assert step.opened is not None
    await put(step.frame)
    await modules.evaluate("wire.over")
    assert trust.filed is not None
    assert trust.filed[1] == "Phone� of A"
    assert await modules.evaluate("wire.hash") == step.opened.session.hex()
    assert await modules.evaluate("wire.done.hubName") == "Desk"

    known = _Trust(known=trust.filed[0])
    known.key = trust.key
    hub = HubHandshake(known)
    await _run(modules, "wire.over = wire.shake({ hubKey: wire.done.hubKey });")
    step = hub.receive(await sent(), 0)
    assert step.frame is not None
    await put(step.frame)
    step = hub.receive(await sent(), 0)
    assert step.opened is not None
    await modules.evaluate("wire.over")

    # Transport, both ways, many at once and in order.
    python = step.opened.transport
    frames = [python.seal(f"to the page {n}".encode()).hex() for n in range(50)]
    opened = await _run(
        modules,
        """
        const { transport } = wire.done;
        const plain = await Promise.all(frames.map(frame => transport.open(bytes(frame))));
        const text = n => new TextEncoder().encode('to python ' + n);
        const back = plain.map((_, n) => transport.seal(text(n)));
        return [plain.map(p => new TextDecoder().decode(p)), (await Promise.all(back)).map(hex)];
        """,
        frames=frames,
    )
    assert opened[0] == [f"to the page {n}" for n in range(50)]
    back = [python.open(bytes.fromhex(frame)) for frame in opened[1]]
    assert back == [f"to python {n}".encode() for n in range(50)]


async def test_python_as_initiator_of_both_patterns(modules: Page) -> None:
    page_key = "4a" * 32
    psk = bytes(32)
    for name in ("IK", "XXpsk0"):
        public = await _run(modules, "return hex((await pair(key)).public);", key=page_key)
        python = HandshakeState(
            name,
            initiator=True,
            prologue=b"p",
            s=KeyPair.generate(),
            rs=bytes.fromhex(public) if name == "IK" else None,
            psks=() if name == "IK" else (psk,),
        )
        first = python.write_message(b"one").hex()
        read, second = await _run(
            modules,
            """
            const psk = name === 'IK' ? null : new Uint8Array(32);
            window.state = await modules.Handshake.start(name, {
                initiator: false, prologue: new TextEncoder().encode('p'),
                s: await pair(key), psk });
            const read = new TextDecoder().decode(await state.read(bytes(first)));
            return [read, hex(await state.write(new TextEncoder().encode('two')))];
            """,
            name=name,
            key=page_key,
            first=first,
        )
        assert (read, python.read_message(bytes.fromhex(second))) == ("one", b"two")
        if not python.finished:
            third = python.write_message(b"three").hex()
            got = await _run(modules, "return hex(await state.read(bytes(third)));", third=third)
            assert bytes.fromhex(got) == b"three"
        assert await _run(modules, "return hex(state.hash);") == python.handshake_hash.hex()


@pytest.mark.parametrize("spoil", ["flip", "short", "again"])
async def test_a_frame_that_is_not_the_next_one_is_refused(modules: Page, spoil: str) -> None:
    with pytest.raises(DevToolsError, match=r"forged|too short"):
        await _run(
            modules,
            """
            const key = new Uint8Array(32).fill(7);
            const transport = new modules.Transport(key, key);
            const frame = await transport.seal(new Uint8Array(8));
            if (spoil === 'flip') frame[3] ^= 1;
            if (spoil === 'again') await transport.open(frame);
            await transport.open(spoil === 'short' ? frame.slice(0, 15) : frame);
            """,
            spoil=spoil,
        )


async def test_a_key_that_gives_the_result_away_is_refused(modules: Page) -> None:
    with pytest.raises(DevToolsError, match="not usable"):
        await _run(
            modules,
            """
            const state = await modules.Handshake.start('IK', {
                initiator: true, s: await modules.generateKeyPair(), rs: new Uint8Array(32) });
            await state.write();
            """,
        )


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        (["13"], "busy"),
        (["14"], "version"),
        (["55"], "unknown way"),
        (["1010"], "unknown way"),
        ([""], "wrong size"),
        (["00" * 4097], "wrong size"),
        (["00"], "wrong-hub"),
    ],
)
async def test_answers_that_are_no_handshake(
    modules: Page, frames: list[str], problem: str
) -> None:
    said = await _run(
        modules,
        """
        const hubKey = (await modules.generateKeyPair()).public;
        const options = { key: await modules.generateKeyPair(), hubKey };
        try { await modules.shake(scripted(frames), options); return 'open'; }
        catch (error) { return `${error.reason ?? ''} ${error.certain ?? ''} ${error.message}`; }
        """,
        frames=frames,
    )
    assert problem in said
    assert "true" not in said, "whoever is on the way could have sent this"


async def test_the_page_cannot_read_its_own_private_key(modules: Page) -> None:
    said = await _run(
        modules,
        """
        const { privateKey } = await modules.generateKeyPair();
        const forms = ['raw', 'pkcs8', 'jwk'].map(form =>
            crypto.subtle.exportKey(form, privateKey).then(() => form, error => error.name));
        return Promise.all(forms);
        """,
    )
    assert "pkcs8" not in said
    assert "jwk" not in said


async def test_pairing_links(modules: Page) -> None:
    vectors = json.loads((VECTORS / "links.json").read_text())
    read = await _run(
        modules,
        """
        const look = text => { try { const { secret, places } = modules.readLink(text);
            return { secret: hex(secret), urls: places }; }
            catch (error) { return error instanceof modules.BadLink ? null : String(error); } };
        return [links.map(link => look(link.text)), notLinks.map(look)];
        """,
        links=vectors["links"],
        notLinks=vectors["not_links"],
    )
    for got, want in zip(read[0], vectors["links"], strict=True):
        # A browser leaves out the port that a scheme has anyway.
        urls = [url.replace(":443/", "/") for url in want["urls"]]
        assert got == {"secret": want["secret"], "urls": urls}
    assert read[1] == [None] * len(vectors["not_links"])


@pytest.mark.parametrize(
    ("known", "own", "meetings", "reached", "urls"),
    # A page learns of it over a link only, which came from somewhere.
    [move for move in MOVES if move[3] is not None],
)
async def test_a_hub_that_has_moved(
    modules: Page,
    known: list[str],
    own: list[str],
    meetings: list[str],
    reached: str,
    urls: list[str],
) -> None:
    read = await _run(
        modules,
        "return modules.movedPlaces(known, own, meetings, reached);",
        known=list(known), own=list(own), meetings=list(meetings), reached=reached,
    )  # fmt: skip
    assert read == list(urls)


@pytest.mark.parametrize(
    ("link", "urls"),
    [
        ("https://site.example/r#S&h=192.168.1.5:12346", ["ws://192.168.1.5:12346/link"]),
        ("https://site.example/r#S&h=192.168.1.5", ["ws://192.168.1.5:12346/link"]),
        (
            "https://site.example/r#S&h=desk.local&h=wss://desk.tail.example:12347",
            ["ws://desk.local:12346/link", "wss://desk.tail.example:12347/link"],
        ),
        ("http://localhost:8080/relay/#S", ["ws://localhost:8080/link"]),
        (" https://desk.local:12347/\n relay/#S ", ["wss://desk.local:12347/link"]),
        ("http://desk.local:8080/relay/#S", None),
        ("https://site.example/r#S&h=a b", ["ws://ab:12346/link"]),
        ("https://site.example/r#S&h=me@desk", None),
        ("https://site.example/r#S&h=javascript:alert(1)", None),
        ("https://site.example/r#S&h=ws://desk/other/path", None),
    ],
)
async def test_links_of_pages_that_the_hub_does_not_serve(
    modules: Page, link: str, urls: list[str] | None
) -> None:
    text = link.replace("#S", "#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    got = await _run(
        modules,
        "try { return modules.readLink(text).places; } catch (error) { return null; }",
        text=text,
    )
    assert got == urls
