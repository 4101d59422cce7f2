"""What a person can get wrong: one line with the cause and the next step, and an exit code that
tells whose fault it is. Each row is also what `doctor` has to find, where it can see it.

One in twenty may fall short; today none does.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from forwarder.cli import run as forwarder
from relay.cli import run as relay
from relay.link.security.pairing import HubPlace, PairingLink

# What only programmers read: of libraries, of Python, of the system.
RAW = re.compile(
    r"Expected `|unknown field|Errno|Traceback|<class|object at 0x|msgspec|Error\(|ValueError"
    r"|_port value|gaierror|at `\$"
)
# How a next step sounds: something to do, or the words that are known.
STEP = re.compile(
    r"\b(run|say|choose|write|delete|end|start|stop|use|see|give|make|pair|correct|put|repair|save"
    r"|did you mean|known are|is wanted|add|update|look|check|does|move|restore|remove|replace"
    r"|it is (missing|empty)|like|mend|copy|open|is unknown)\b",
    re.IGNORECASE,
)
FREE = ["--port", "0", "--link-port", "0", "--https-port", "0"]


@dataclass
class Case:
    """A folder in which something is wrong, and what is typed in it."""

    folder: Path
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def config(self, text: str) -> list[str]:
        path = self.folder / "hub.toml"
        path.write_text(text)
        return ["--config", str(path)]

    def file(self, name: str, content: str | bytes, mode: int = 0o600) -> Path:
        self.state.mkdir(mode=0o700, exist_ok=True)
        path = self.state / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def taken(self) -> int:
        sock = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Row:
    """`doctor`: whether it finds the same, with the options that name files."""

    name: str
    words: Callable[[Case], list[str]]
    code: int
    cause: str
    program: str = "forwarder"
    doctor: bool = False


def hub(*words: str) -> Callable[[Case], list[str]]:
    return lambda case: ["run", "--state", str(case.state), *FREE, *words]


def configured(text: str, *words: str) -> Callable[[Case], list[str]]:
    return lambda case: ["run", "--state", str(case.state), *case.config(text), *words]


def with_file(name: str, content: str | bytes, mode: int = 0o600) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        case.file(name, content, mode)
        return ["run", "--state", str(case.state), *FREE]

    return words


def relay_with(name: str, content: str | bytes) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        case.file(name, content)
        return ["run", "--simulate", "Lovense Edge", "--state", str(case.state)]

    return words


def relay_configured(text: str) -> Callable[[Case], list[str]]:
    return lambda case: ["run", "--state", str(case.state), "--simulate", "Lovense Edge",
                         "--hub", "ws://127.0.0.1:1", *case.config(text)]  # fmt: skip


def port_in_use(option: str) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        return ["run", "--state", str(case.state), *FREE, option, str(case.taken())]

    return words


def port_in_file(key: str) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        table, _, name = key.partition(".")
        ports = {"clients": {"port": 0}, "link": {"port": 0, "https_port": 0}}
        ports[table][name] = case.taken()
        text = "".join(
            f"[{table}]\n" + "".join(f"{name} = {port}\n" for name, port in inside.items())
            for table, inside in ports.items()
        )
        return ["run", "--state", str(case.state), *case.config(text)]

    return words


def missing_certificate(case: Case) -> list[str]:
    text = '[clients]\ntls = { certificate = "no.pem", key = "no.key" }\n'
    return ["run", "--state", str(case.state), *case.config(text)]


def state_is_file(case: Case) -> list[str]:
    case.state.write_text("")
    return ["run", "--state", str(case.state), *FREE]


def damaged_certificate(case: Case) -> list[str]:
    case.file("certificate.pem", "nonsense")
    return ["run", "--state", str(case.state), "--port", "0", "--link-port", "0"]


def user_file(text: str) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        path = case.folder / "user.json"
        path.write_text(text)
        config = case.config(f'[devices]\nuser = "{path}"\n')
        return ["run", "--state", str(case.state), *config, *FREE]

    return words


def protocol_file(text: str) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        (case.folder / "own").mkdir()
        (case.folder / "own" / "toy.toml").write_text(text)
        config = case.config('[devices]\ncatalogue = "own"\n')
        return ["run", "--state", str(case.state), *config, *FREE]

    return words


def ask(*words: str) -> Callable[[Case], list[str]]:
    return lambda case: [*words, "--state", str(case.state)]


def typed(*words: str) -> Callable[[Case], list[str]]:
    return lambda case: list(words)


ROWS = [
    # --- ports
    Row("app port taken", port_in_use("--port"), 2, "is taken by another program"),
    Row("link port taken", port_in_use("--link-port"), 2, "--link-port"),
    Row("app port taken, by file", port_in_file("clients.port"), 2, "is taken", doctor=True),
    Row("link port taken, by file", port_in_file("link.port"), 2, "is taken", doctor=True),
    Row("port is a word", hub("--port", "abc"), 2, 'abc. is no port'),
    Row("port too large", hub("--port", "99999"), 2, "is no port"),
    Row("port negative", hub("--port=-1"), 2, "is no port"),
    Row("port in other digits", hub("--port", "\u0661\u0662"), 2, "is no port"),
    Row("two ports alike", configured("[link]\nport = 12346\nhttps_port = 12346\n"), 2,
        "are both 12346", doctor=True),
    Row("app and link port alike", configured("[clients]\nport = 12346\n"), 2,
        "are both 12346", doctor=True),
    # --- the configuration file
    Row("no such file", lambda case: ["run", "--config", str(case.folder / "no.toml")], 2,
        "no configuration file"),
    Row("broken TOML", configured("name = \n"), 2, "line 1", doctor=True),
    Row("unknown key", configured("[clients]\nprot = 1\n"), 2, "did you mean port", doctor=True),
    Row("unknown table", configured("[clinets]\n"), 2, "did you mean clients", doctor=True),
    Row("port as text", configured('[clients]\nport = "x"\n'), 2,
        "clients.port: a number is wanted, not text", doctor=True),
    Row("lan as text", configured('[link]\nlan = "yes"\n'), 2, "true or false", doctor=True),
    Row("port out of range", configured("[link]\nport = 70000\n"), 2, "at most 65535",
        doctor=True),
    Row("a folder that is a number", configured("trace = 5\n"), 2, "text is wanted", doctor=True),
    Row("an empty name", configured('name = ""\n'), 2, "it is empty", doctor=True),
    Row("hosts is text", configured('[clients]\nhosts = "0.0.0.0"\n'), 2, "a list is wanted",
        doctor=True),
    Row("hosts is a name", configured('[clients]\nhosts = ["desk.local"]\n'), 2,
        "desk.local is no address", doctor=True),
    Row("no hosts", configured("[clients]\nhosts = []\n"), 2, "no app could connect",
        doctor=True),
    Row("an address that is not here", configured('[clients]\nhosts = ["198.51.100.7"]\n'), 2,
        "has none of the addresses", doctor=True),
    Row("trusted is a name", configured('[clients]\ntrusted = ["win7"]\n'), 2,
        "is no IP address", doctor=True),
    Row("upstream without name", configured('[[upstream]]\ndial = "ws://x:1"\n'), 2,
        r"upstream\[1\]\.name: it is missing", doctor=True),
    Row("upstream without place", configured('[[upstream]]\nname = "x"\n'), 2, "where it is",
        doctor=True),
    Row("two upstreams of a name", configured(
        '[[upstream]]\nname = "x"\ndial = "ws://a:1"\n[[upstream]]\nname = "x"\nlisten = 0\n'), 2,
        "another upstream is called that", doctor=True),
    Row("dial with http", configured('[clients]\ndial = ["http://x"]\n'), 2, "ws://",
        doctor=True),
    Row("a fingerprint that is none", configured(
        '[clients]\ndial = [{url = "wss://x:1", fingerprint = "AB"}]\n'), 2, "fingerprint",
        doctor=True),
    Row("certificate missing", missing_certificate, 2, "no.pem", doctor=True),
    Row("catalogue missing", configured('[devices]\ncatalogue = "nowhere"\n'), 2,
        "there is no folder", doctor=True),
    Row("trace in no folder", configured('trace = "nowhere/t.jsonl"\n'), 2, "there is no folder",
        doctor=True),
    Row("not UTF-8", lambda case: ["run", *_bytes_config(case)], 2, "UTF-8", doctor=True),
    # --- files about devices
    Row("user file broken", user_file("{"), 2, "user.json", doctor=True),
    Row("user file of version 2", user_file('{"version": {"major": 2, "minor": 0}}'), 2,
        "version", doctor=True),
    Row("protocol file wrong", protocol_file('nmae = "x"\n'), 2, "toy.toml", doctor=True),
    # --- state
    Row("state is a file", state_is_file, 2, "is a file, not a folder", doctor=True),
    Row("hub.key damaged", with_file("hub.key", b"short"), 2, "hub.key", doctor=True),
    Row("hub.key open", with_file("hub.key", b"k" * 32, 0o644), 2, "hub.key", doctor=True),
    Row("relays.json damaged", with_file("relays.json", "{"), 2, "relays.json", doctor=True),
    Row("relays.json of later", with_file("relays.json", '{"version": 99}'), 2, "newer",
        doctor=True),
    Row("tokens.json empty", with_file("tokens.json", ""), 2, "tokens.json", doctor=True),
    Row("tokens.json damaged", with_file("tokens.json", '{"version": 1, "tokens": 5}'), 2,
        "tokens.json", doctor=True),
    Row("indexes.json of later", with_file("indexes.json", '{"version": 99}'), 2, "newer",
        doctor=True),
    Row("admin.token damaged", with_file("admin.token", "x"), 2, "admin.token", doctor=True),
    Row("certificate damaged", damaged_certificate, 2, "certificate.pem", doctor=True),
    Row("hold.json of later", with_file("hold.json", '{"version": 99}'), 2, "newer",
        doctor=True),
    # --- toys
    Row("unknown toy", hub("--simulate", "Lovense Husj"), 2, "[Dd]id you mean"),
    Row("no toy", hub("--simulate", ""), 2, "wants names"),
    Row("a brand only", hub("--simulate", "Lovense"), 2, "Lovense"),
    # --- commands
    Row("unknown command", typed("rnu"), 2, "rnu"),
    Row("unknown option", typed("run", "--prot", "1"), 2, "prot"),
    Row("status without a hub", ask("status"), 1, "No hub runs"),
    Row("pair without a hub", ask("pair"), 1, "No hub runs"),
    Row("stop without a hub", ask("stop"), 1, "No hub runs"),
    Row("a time that is none", ask("token", "new", "x", "--valid", "soon"), 2, "is no time"),
    Row("a level that is none", ask("token", "new", "x", "--level", "200"), 2, "percentage"),
    Row("a level that is a word", ask("token", "new", "x", "--level", "full"), 2,
        "is no number"),
    # --- the relay
    Row("relay: no hub", lambda case: ["run", "--state", str(case.state)], 2, "which hub",
        "relay", doctor=True),
    Row("relay: hub with http", lambda case: [
        "run", "--hub", "http://x", "--state", str(case.state)], 2, "ws://", "relay"),
    Row("relay: unpaired elsewhere", lambda case: [
        "run", "--hub", "ws://192.0.2.9:1", "--state", str(case.state)], 2, "paired first",
        "relay"),
    Row("relay: nonsense as link", lambda case: [
        "pair", "nonsense", "--state", str(case.state)], 2, "link", "relay"),
    Row("relay: pair, nobody there", lambda case: [
        "pair", _link(), "--state", str(case.state)], 1, "--lan", "relay"),
    Row("relay: unknown key", relay_configured("colour = 1\n"), 2, "colour", "relay", True),
    Row("relay: a ceiling of 60", relay_configured("[[ceiling]]\nlevel = 60\n"), 2, "at most 1",
        "relay", True),
    Row("relay: hub.json damaged", relay_with("hub.json", "{"), 2, "hub.json", "relay", True),
    Row("relay: wearer.json of later", relay_with("wearer.json", '{"version": 99}'), 2,
        "newer|which hub", "relay"),
    Row("relay: status, none runs", ask("status"), 1, "no relay is running", "relay"),
    Row("relay: stop, none runs", ask("stop"), 1, "no relay is running", "relay"),
    Row("relay: seconds as a word", typed("scan", "--seconds", "x"), 2, "is no number", "relay"),
    Row("relay: unknown toy", lambda case: ["run", "--simulate", "Lovense Husj", "--hub",
        "ws://127.0.0.1:1", "--state", str(case.state)], 2, "[Dd]id you mean", "relay"),
    Row("relay: unpair, not paired", ask("unpair"), 1, "not paired", "relay"),
]  # fmt: skip


def _bytes_config(case: Case) -> list[str]:
    path = case.folder / "hub.toml"
    path.write_bytes(b"\xff\xfe")
    return ["--config", str(path), "--state", str(case.state)]


def _link() -> str:
    # A hub at a port of this machine where nobody listens.
    return PairingLink((HubPlace("127.0.0.1", 1),), b"s" * 32).text()


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.chdir(tmp_path)
    with Case(tmp_path).stack as stack:
        yield Case(tmp_path, stack)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_it_is_one_line_with_cause_and_next_step(
    row: Row, case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    words = row.words(case)
    program = forwarder if row.program == "forwarder" else relay
    try:
        code = program(words)
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else 1
    out, err = capfd.readouterr()
    said = (err or out).strip()
    print(said)
    assert code == row.code, said
    assert re.search(row.cause, said), said
    assert "\n" not in said
    assert not RAW.search(said)
    assert STEP.search(said)
    if not row.doctor:
        return
    named = [pair for pair in pairwise(words) if pair[0] in ("--config", "--state")]
    options = [word for pair in named for word in pair]
    if row.program == "relay":
        options += ["--simulate", "Lovense Edge"]
    code = program(["doctor", *options])
    found = capfd.readouterr().out
    print(found)
    assert code == 1
    bad = [line for line in found.splitlines() if line.startswith("BAD")]
    assert any(re.search(row.cause, line) for line in bad), found
    assert not RAW.search(found)
