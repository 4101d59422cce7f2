"""What a person can get wrong: each a row, with what is typed, the exit code that tells whose fault
it is, the cause that has to be said, and whether `doctor` has to find it.

`python -m tests.system.bad_input` tries them all, and prints how many are answered.
"""

from __future__ import annotations

import io
import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

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
    r"|did you mean|known are|is wanted|add|update|look|check|does|leave|switch|too short|move"
    r"|restore|remove|replace|name (one|another)|is said as|such as|takes no value|has to follow"
    r"|incomplete|it is (missing|empty)|like|mend|copy|open|is unknown)\b",
    re.IGNORECASE,
)
# Of all rows; whoever adds one that is not answered yet has to say so.
LEAST = 0.95
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

    def taken_file(self) -> Path:
        """A file where a folder is wanted."""
        path = self.folder / "taken" / "file"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
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


def relay_hub(*words: str) -> Callable[[Case], list[str]]:
    return lambda case: ["run", "--state", str(case.state), "--hub", "ws://127.0.0.1:1", *words]


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


def a_folder(name: str, *, https: bool = False) -> Callable[[Case], list[str]]:
    """Where the hub has a file."""

    def words(case: Case) -> list[str]:
        case.state.mkdir(mode=0o700)
        (case.state / name).mkdir(mode=0o700)
        free = ["--port", "0", "--link-port", "0", "--https-port", "23457"] if https else FREE
        return ["run", "--state", str(case.state), *free]

    return words


def a_device(name: str) -> Callable[[Case], list[str]]:
    def words(case: Case) -> list[str]:
        case.state.mkdir(mode=0o700)
        (case.state / name).symlink_to("/dev/zero")
        return ["run", "--state", str(case.state), *FREE]

    return words


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
    # --- more of the configuration file
    Row("a folder as configuration", lambda case: ["run", "--config", str(case.folder)], 2,
        "cannot be read"),
    Row("a negative time", configured("[clients]\nmax_ping_ms = -5\n"), 2, "at least 0",
        doctor=True),
    Row("a name that is too long", configured(f'[clients]\nserver_name = "{"x" * 80}"\n'), 2,
        "at most 64 characters", doctor=True),
    Row("meeting point by http", configured('[link]\nmeet = ["http://x"]\n', *FREE), 2,
        "https:// or wss://", doctor=True),
    Row("five meeting points", configured(
        '[link]\nmeet = ["wss://a", "wss://b", "wss://c", "wss://d", "wss://e"]\n'), 2,
        "at most 4 entries", doctor=True),
    Row("a meeting point here that is none", configured(
        '[link]\nmeet_here = "ftp://x"\n', *FREE), 2, "no address of a meeting point",
        doctor=True),
    Row("a serial port without its protocol", configured(
        '[radio]\nserial = ["/dev/ttyUSB0"]\n', *FREE), 2, "is said as", doctor=True),
    Row("T-Code by ftp", configured('[radio]\ntcode = ["ftp://x"]\n', *FREE), 2, "is said as",
        doctor=True),
    Row("a HID device that is none", configured('[radio]\nhid = ["banana"]\n', *FREE), 2,
        "is said as", doctor=True),
    Row("a key that is no list", configured(
        '[radio]\nesphome = ["p.local"]\nesphome_key = "k"\n'), 2, "a list is wanted", doctor=True),
    Row("no such official file", configured('[devices]\nofficial = "no.json"\n', *FREE), 2,
        "does not exist", doctor=True),
    Row("a pin of another word", configured(
        '[[devices.pins]]\naddress = "AA"\nrelay = "x"\nhow = "allways"\n'), 2,
        "known are only, prefer, never", doctor=True),
    Row("a pin of nothing", configured('[[devices.pins]]\nrelay = "x"\n'), 2,
        r"pins\[1\]\.address: it is missing", doctor=True),
    Row("no password file", configured(
        '[bridges.mqtt]\nenabled = true\npassword_file = "no.txt"\n', *FREE), 2,
        "password_file", doctor=True),
    Row("no certificates of the broker", configured(
        '[bridges.mqtt]\nenabled = true\ntls = true\nca = "no.pem"\n', *FREE), 2,
        r"bridges\.mqtt\.ca", doctor=True),
    Row("a level above all", configured("[bridges.lovense]\nlevel = 2\n"), 2, "at most 1",
        doctor=True),
    Row("an output that is misspelt", configured('[bridges.lovense]\noutputs = ["Vibrat"]\n'), 2,
        "did you mean Vibrate", doctor=True),
    Row("a group without a name", configured('[[groups]]\ndevices = ["*"]\n'), 2,
        r"groups\[1\]\.name", doctor=True),
    Row("a stand-in for a cat", configured('[[stand_ins]]\ndevice = "x"\nrole = "cat"\n'), 2,
        "known are stroker, vibrator", doctor=True),
    Row("a stand-in that cannot move", configured(
        '[[stand_ins]]\ndevice = "x"\nrole = "stroker"\nlow = 0.9\nhigh = 0.1\n', *FREE), 2,
        "above low", doctor=True),
    Row("an upstream by http", configured('[[upstream]]\nname = "x"\ndial = "http://x"\n', *FREE),
        2, "ws://HOST:PORT", doctor=True),
    Row("a certificate without its key", configured('[clients.tls]\ncertificate = "a.pem"\n'), 2,
        "tls.key: it is missing", doctor=True),
    Row("a key twice", configured("mdns = true\nmdns = false\n"), 2, "line 2", doctor=True),
    Row("a date as port", configured("[clients]\nport = 2020-01-01\n"), 2, "not a date",
        doctor=True),
    Row("half a port", configured("[clients]\nport = 1.5\n"), 2, "a whole number", doctor=True),
    Row("a number as host", configured("[clients]\nhosts = [5]\n"), 2, "text is wanted",
        doctor=True),
    Row("a zone in an address", configured('[clients]\nhosts = ["fe80::1%eth0"]\n', *FREE), 2,
        "no address of a machine", doctor=True),
    Row("a table that is a number", configured("clients = 5\n"), 2, "a table is wanted",
        doctor=True),
    Row("a list of tables", configured("[[clients]]\nport = 1\n"), 2, "a table is wanted",
        doctor=True),
    Row("a trace that is a folder", configured('trace = "."\n', *FREE, "--simulate",
        "Lovense Edge"), 2, "cannot be written"),
    Row("dial nowhere", configured('[clients]\ndial = ["ws://"]\n', *FREE), 2, "ws://HOST:PORT",
        doctor=True),
    Row("dial without an address", configured('[clients]\ndial = [{fingerprint = "AA"}]\n'), 2,
        r"dial\[1\]\.url: it is missing", doctor=True),
    Row("a bridge at the apps' port", configured(
        "[bridges.lovense]\nenabled = true\nport = 12345\n"), 2, "are both 12345", doctor=True),
    Row("a bridge at a name", configured(
        '[bridges.lovense]\nenabled = true\nhosts = ["desk.local"]\n', *FREE), 2,
        "no address of a machine", doctor=True),
    Row("OSC at a name", configured('[bridges.osc]\nenabled = true\nhost = "desk"\n', *FREE), 2,
        "no address of a machine", doctor=True),
    Row("a bridge for a name", configured(
        '[bridges.lovense]\nenabled = true\nallowed = ["desk"]\nport = 0\n', *FREE), 2,
        "is no IP address", doctor=True),
    # --- more state
    *(Row(f"{name} damaged", with_file(name, "{"), 2, name, doctor=True)
      for name in ("pins.json", "origins.json", "accepted.json", "devices.json", "switches.json")),
    Row("state in a file", lambda case: [
        "run", "--state", str(case.taken_file() / "state"), *FREE], 2, "--state"),
    # --- more commands
    *(Row(f"{words[0]} without a hub", ask(*words), 1, "No hub runs")
      for words in (["seen"], ["devices"], ["relays"], ["resume"], ["pause"], ["revoke", "x"],
                    ["share", "list"], ["token", "list"], ["app", "mute", "x"])),
    Row("a log level that is none", typed("run", "--log", "loud"), 2, "known are 'debug'"),
    Row("a log format that is none", typed("run", "--log-format", "xml"), 2, "known are 'text'"),
    Row("a word too much", typed("run", "extra"), 2, "unknown here: extra"),
    Row("half a command", typed("token"), 2, "COMMAND is missing"),
    Row("half a command more", typed("token", "new"), 2, "NAME is missing"),
    Row("an option with a value too much", typed("status", "--json=5"), 2, "takes no value"),
    Row("an option without its value", typed("run", "--port"), 2, "has to follow"),
    Row("a shell that is none", typed("completion", "cmd"), 2, "known are 'bash'"),
    Row("autostart, maybe", typed("autostart", "maybe"), 2, "known are 'on', 'off'"),
    Row("a phone by pigeon", ask("pair", "--phone", "pigeon"), 2, "--phone: say"),
    Row("a share for a time that is none", typed("share", "new", "bob", "--for", "soon"), 2,
        "is no time"),
    Row("a share above all", typed("share", "new", "bob", "--level", "900"), 2, "percentage"),
    Row("pages into a folder that has others", lambda case: [
        "relay-page", str(case.taken_file().parent)], 2, "other files"),
    Row("pages into a file", lambda case: ["relay-page", str(case.taken_file())], 2,
        "another folder"),
    Row("meet: no such certificate", typed(
        "meet", "--certificate", "no.pem", "--key", "no.key", "--public-url", "https://x.example"),
        2, "no.pem"),
    Row("meet: a certificate alone", typed("meet", "--certificate", "no.pem"), 2, "together"),
    Row("meet: an address by http", typed("meet", "--public-url", "http://x"), 2,
        "https:// or wss://"),
    Row("meet: no such list", typed("meet", "--only", "no.txt"), 2, "no.txt"),
    Row("meet: a proxy that is none", typed("meet", "--proxy", "banana"), 2, "is no network"),
    Row("a trace into no folder", hub("--trace", "no/t.jsonl"), 2, "there is no folder"),
    # --- tried by somebody who had not read this table
    Row("brackets without end", configured("a = " + "[" * 5000 + "]" * 5000 + "\n"), 2,
        "too deeply", doctor=True),
    Row("a character that is none", configured('name = "a\x00b"\n'), 2, "no text has",
        doctor=True),
    Row("a log as configuration", configured("# text\n" * 200_000), 2, "far too large",
        doctor=True),
    Row("a word without quotes", configured("[link]\r\nlan = maybe\r\n"), 2, "line 2",
        doctor=True),
    Row("a port of 26 digits", configured(f"clients = {{port = {'9' * 26}}}\n"), 2,
        "at most 65535", doctor=True),
    Row("a level without end", configured("[bridges.osc]\nlevel = inf\n"), 2, "at most 1",
        doctor=True),
    Row("a level that is no number", configured("[bridges.osc]\nlevel = nan\n"), 2,
        "bridges.osc.level", doctor=True),
    Row("a name with https", configured('[link]\nnames = ["https://hub.example.org"]\n'), 2,
        "no name of a machine", doctor=True),
    Row("a name with a port", configured('[link]\nnames = ["hub.example.org:443"]\n'), 2,
        "no name of a machine", doctor=True),
    Row("two groups of a name", configured(
        '[[groups]]\nname = "all"\n[[groups]]\nname = "all"\n'), 2, "another group is called that",
        doctor=True),
    Row("a broker with mqtt", configured(
        '[bridges.mqtt]\nenabled = true\nbroker = "mqtt://127.0.0.1"\n'), 2, "no name of a machine",
        doctor=True),
    Row("a broker without a name", configured(
        '[bridges.mqtt]\nenabled = true\nbroker = ""\n'), 2, "it is empty", doctor=True),
    Row("https at the apps' port", hub("--port", "23456", "--https-port", "23456"), 2,
        "choose another port"),
    Row("a state of no name", hub("--state", ""), 2, "nothing is no path"),
    Row("a configuration of no name", hub("--config", ""), 2, "nothing is no path"),
    Row("a bundle of no name", typed("doctor", "--bundle", ""), 2, "nothing is no path"),
    Row("a toy with a name without end", hub("--simulate", "x" * 100_000), 2, "no toy called"),
    Row("two toys in two lines", hub("--simulate", "Lovense Hush\nLovense Edge"), 2,
        "no toy called"),
    Row("a toy that is no text", hub("--simulate", os.fsdecode(b"\xff\xfe")), 2, "no toy called"),
    Row("a folder as indexes", a_folder("indexes.json"), 2, "move it away", doctor=True),
    Row("a folder as key", a_folder("hub.key"), 2, "move it away", doctor=True),
    Row("a folder as certificate", a_folder("certificate.pem", https=True), 2, "certificate.pem",
        doctor=True),
    Row("a folder as tokens", a_folder("tokens.json"), 2, "move it away", doctor=True),
    Row("a folder as list of relays", a_folder("relays.json"), 2, "move it away", doctor=True),
    Row("a folder as the person's stop", a_folder("hold.json"), 2, "hold.json", doctor=True),
    Row("a device as key", a_device("hub.key"), 2, "move it away", doctor=True),
    Row("a disk image as key", with_file("hub.key", b"\0" * (9 << 20)), 2, "far too large",
        doctor=True),
    Row("tokens in a list", with_file("tokens.json", "[1, 2]"), 2, "an object is wanted",
        doctor=True),
    Row("accepted shares damaged", with_file("accepted.json", "{"), 2, "accept the shares again",
        doctor=True),
    Row("accepted shares of later", with_file("accepted.json", '{"version": 99}'), 2, "newer",
        doctor=True),
    Row("devices in UTF-16", with_file("devices.json", b"\xff\xfe\x00"), 2, "Save it as UTF-8",
        doctor=True),
    Row("switches damaged", with_file("switches.json", "{{{"), 2, "delete it", doctor=True),
    Row("pages damaged", with_file("origins.json", "{{{"), 2, "allow the pages again",
        doctor=True),
    Row("a meeting point at a port below 0", typed("meet", "--port", "-1"), 2, "is no port"),
    Row("a token for no time", typed("token", "new", "a", "--for", "0s"), 2, "unknown here"),
    Row("relay: brackets without end", relay_configured(
        "a = " + "[" * 5000 + "]" * 5000 + "\n"), 2, "too deeply", "relay", True),
    Row("relay: a phone's link", ask("pair", "https://192.168.1.2:12347/relay/#abc"), 2,
        "copy the whole link", "relay"),
    Row("relay: half a link with spaces", ask("pair", "  bpforward://x  "), 2,
        "copy the whole link", "relay"),
    Row("relay: a hub by its address alone", ask("run", "--hub", "192.168.1.2:12346"), 2,
        "looks like", "relay"),
    Row("relay: a state of no name", typed("run", "--state", ""), 2, "nothing is no path", "relay"),
    # --- more of the relay
    Row("relay: no such file", typed("run", "--config", "no.toml"), 2,
        "no configuration file no.toml", "relay"),
    Row("relay: a folder as file", lambda case: ["run", "--config", str(case.folder)], 2,
        "cannot be read", "relay"),
    Row("relay: state is a file", lambda case: [
        "run", "--state", str(case.taken_file()), "--simulate", "Lovense Edge", "--hub",
        "ws://127.0.0.1:1"], 2, "is a file, not a folder", "relay", True),
    Row("relay: broken TOML", relay_configured("x = \n"), 2, "line 1", "relay", True),
    Row("relay: a ceiling of another word", relay_configured(
        '[[ceiling]]\noutput = "Vibrat"\nlevel = 0.5\n'), 2, "did you mean Vibrate", "relay", True),
    Row("relay: an empty name", relay_configured('name = ""\n'), 2, "it is empty", "relay", True),
    Row("relay: a time below 0", relay_configured("max_run_s = -1\n"), 2, "at least 0", "relay",
        True),
    Row("relay: a name that is a number", relay_configured("name = 5\n"), 2, "text is wanted",
        "relay", True),
    Row("relay: no toy", relay_hub("--simulate", ""), 2, "wants names", "relay"),
    Row("relay: toys and a radio", relay_hub("--simulate", "Lovense Edge", "--bluetooth", "hci0"),
        2, "two relays", "relay"),
    Row("relay: a serial port of no protocol", relay_hub("--serial", "/dev/nowhere=banana"), 2,
        "is said as", "relay"),
    Row("relay: a key for no proxy", relay_hub("--esphome-key", "no.key"), 2, "--esphome", "relay"),
    Row("relay: a port of a hub that is none", ask("run", "--hub", "ws://h:99999"), 2,
        "between 1 and 65535", "relay"),
    Row("relay: a hub that is none", ask("run", "--hub", "nonsense"), 2, "looks like", "relay"),
    Row("relay: half a link", ask("pair", "bpforward://192.0.2.1:12346/#abc"), 2, "incomplete",
        "relay"),
    Row("relay: an empty link", ask("pair", ""), 2, "is empty", "relay"),
    Row("relay: no command", typed(), 2, "say what to do", "relay"),
    Row("relay: an unknown command", typed("rnu"), 2, "'rnu' is unknown", "relay"),
    Row("relay: no time to scan", typed("scan", "--seconds", "0"), 2, "too short", "relay"),
    Row("relay: hub.json of later", relay_with("hub.json", '{"version": 99}'), 2, "newer", "relay",
        True),
]  # fmt: skip


def _bytes_config(case: Case) -> list[str]:
    path = case.folder / "hub.toml"
    path.write_bytes(b"\xff\xfe")
    return ["--config", str(path), "--state", str(case.state)]


def _link() -> str:
    # A hub at a port of this machine where nobody listens.
    return PairingLink((HubPlace("127.0.0.1", 1),), b"s" * 32).text()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wrong`: why a person would not have known what to do; None if they would. `said`: by the
    program, and by the doctor."""

    said: str
    wrong: str | None


def judged(row: Row, case: Case, heard: Callable[[], tuple[str, str]]) -> Verdict:
    """Type it. `heard`: what came out since it was asked last, and what came out as errors."""
    words = row.words(case)
    program = forwarder if row.program == "forwarder" else relay
    code = _typed(program, words)
    out, err = heard()
    said = (err or out).strip()
    for wrong, why in (
        (code != row.code, f"ends with {code}, not {row.code}"),
        (re.search(row.cause, said) is None, f"does not say {row.cause!r}"),
        ("\n" in said, "more than a line"),
        (RAW.search(said) is not None, "words for programmers"),
        (STEP.search(said) is None, "no next step"),
    ):
        if wrong:
            return Verdict(said, why)
    if not row.doctor:
        return Verdict(said, None)
    named = [pair for pair in pairwise(words) if pair[0] in ("--config", "--state")]
    options = [word for pair in named for word in pair]
    if row.program == "relay":
        options += ["--simulate", "Lovense Edge"]
    code = _typed(program, ["doctor", *options])
    found, _ = heard()
    bad = [line for line in found.splitlines() if line.startswith("BAD")]
    if code != 1 or not any(re.search(row.cause, line) for line in bad):
        return Verdict(f"{said}\n{found}", "the doctor does not find it")
    if RAW.search(found):
        return Verdict(f"{said}\n{found}", "the doctor has words for programmers")
    return Verdict(f"{said}\n{found}", None)


def _typed(program: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return program(words)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 1


class Heard:
    """What is printed while it is entered, from call to call."""

    def __init__(self) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        self._stack = ExitStack()

    def __enter__(self) -> Heard:
        self._stack.enter_context(redirect_stdout(self._out))
        self._stack.enter_context(redirect_stderr(self._err))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self) -> tuple[str, str]:
        texts = self._out.getvalue(), self._err.getvalue()
        for stream in (self._out, self._err):
            stream.seek(0)
            stream.truncate()
        return texts


def main() -> int:
    """Try each row, and print how many are answered."""
    answered = 0
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            os.chdir(folder)
            with Heard() as heard:
                verdict = judged(row, Case(Path(folder), stack), heard)
        answered += verdict.wrong is None
        print(f"{row.name:45} {verdict.wrong or 'answered'}")
        os.chdir("/")
    print(f"{answered} of {len(ROWS)} are answered: {answered / len(ROWS):.1%}")
    return 0 if answered / len(ROWS) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
