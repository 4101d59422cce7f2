"""All words of the pages stand in one file per language: complete, used, and nowhere else."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from forwarder.web.pages import remote_files
from tests.needs import needs

ROOT = Path(__file__).parents[2]
WEB = ROOT / "forwarder" / "web"
LANGUAGES = ("en", "de")
INDEXES = tuple(sorted(WEB.glob("*/index.html")))
# The phone's modules below its page speak with the hub, in English.
SPEAKING = (
    *sorted(WEB.glob("dashboard/*.js")),
    *(WEB / "remote" / f"{name}.js" for name in ("page", "controls", "texts", "player")),
    *(WEB / "relay" / f"{name}.js" for name in ("page", "ui", "guests", "texts")),
    *sorted(WEB.glob("play/*.js")),
)
# Names of keys, of kinds in the protocol, of headers and of programs: the same in every language.
NAMES = frozenset((
    "Buttplug Forwarder", "Authorization: Bearer TOKEN",
    "Lovense Hush", "Lovense Nora", "Lovense Max", "Kiiroo Onyx 2",
    "Dashboard", "Bluetooth", "Browser", "Authorization", "Bearer",
    "Location", "Content-Type", "NotSupportedError", "Escape", "Home", "End", "PageUp", "PageDown",
    "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Vibrate", "Rotate", "Oscillate",
    "Constrict", "Temperature", "Led", "Spray", "Position", "HwPositionWithDuration",
))  # fmt: skip


@cache
def spoken(language: str) -> dict[str, Any]:
    node = needs("node", "nodejs")
    text = (WEB / "shared" / f"{language}.js").read_text(encoding="utf-8")
    done = subprocess.run(
        [node, "--input-type=module", "-e", f"{text}\nconsole.log(JSON.stringify({{words, hub}}))"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def words(language: str) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = spoken(language)["words"]
    return found


def values(said: str | list[str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", said if isinstance(said, str) else " ".join(said)))


class _Page(HTMLParser):
    """Texts of a page, attributes that people read, and the keys it names."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.keys: set[str] = set()
        self._quiet = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("noscript", "title", "h1"):
            self._quiet += 1
        for name, value in attrs:
            if name.startswith("data-w"):
                self.keys.add(value or "")
            elif name in ("aria-label", "title", "placeholder", "alt") and value:
                self.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("noscript", "title", "h1"):
            self._quiet -= 1

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._quiet:
            self.texts.append(data.strip())


def page(path: Path) -> _Page:
    parsed = _Page()
    parsed.feed(path.read_text(encoding="utf-8"))
    return parsed


@cache
def code(path: Path) -> str:
    """Without comments."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^\s*//.*$|(?<=[\s;,{}()])//[^\n'`]*$", "", text, flags=re.M)


def literals(path: Path) -> Iterator[str]:
    """What stands in quotes; of a template its fixed parts."""
    for single, template in re.findall(r"'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`", code(path)):
        yield from (
            re.split(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", template) if template else [single]
        )


def named() -> tuple[set[str], set[str]]:
    """Keys that the pages name, and beginnings of keys that they complete."""
    keys = {key for path in INDEXES for key in page(path).keys}
    beginnings: set[str] = set()
    for path in sorted(WEB.glob("*/*.js")):
        text = code(path)
        keys |= set(re.findall(r"'([a-z][\w-]*(?:\.[\w-]+)*)'", text))
        beginnings |= set(re.findall(r"`([a-z][\w.-]*\.)\$\{", text))
    return keys, beginnings


def test_all_languages_have_the_same_keys_and_say_the_same_values() -> None:
    english = words("en")
    for language in LANGUAGES[1:]:
        other = words(language)
        assert list(other) == list(english), "in the same order, so that they can be read together"
        for key, said in english.items():
            assert type(other[key]) is type(said), key
            assert values(other[key]) == values(said), key
            assert other[key], key


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_stands_twice(language: str) -> None:
    """The later one would win without a word."""
    text = (WEB / "shared" / f"{language}.js").read_text(encoding="utf-8")
    said = text.split("export const words")[1].split("\n};")[0]
    keys = re.findall(r"^  '([^']+)':", said, re.MULTILINE)
    assert len(keys) > 200
    assert sorted(keys) == sorted(set(keys))


def test_every_key_that_a_page_names_is_there() -> None:
    english = words("en")
    for path in INDEXES:
        assert page(path).keys <= english.keys(), path.parent.name
    for path in sorted(WEB.glob("*/*.js")):
        # t('key'…), and t(one ? 'key' : 'key'…)
        for call in re.findall(r"\bt\(([^()`]*(?:\([^()]*\)[^()`]*)*?)[,)]", code(path)):
            for key in re.findall(r"(?<![=!]= )'([\w.-]+)'", call):
                assert key in english, f"{path.parent.name}/{path.name}: {key}"


def test_every_word_is_said_somewhere() -> None:
    keys, beginnings = named()
    ends = re.compile(r"\.text$|\.\d$")
    unused = [
        key
        for key in words("en")
        if key not in keys
        and ends.sub("", key) not in keys
        and not any(key.startswith(beginning) for beginning in beginnings)
        and not any(key == f"{one}.of" for one in keys)
    ]
    assert unused == []


@pytest.mark.parametrize("path", INDEXES, ids=lambda path: path.parent.name)
def test_no_words_stand_in_a_page(path: Path) -> None:
    texts = [text for text in page(path).texts if re.search(r"[A-Za-z]{2}", text)]
    assert [text for text in texts if not text.startswith("https://")] == []


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_words_stand_in_code(path: Path) -> None:
    found = []
    for text in literals(path):
        stripped = text.strip()
        sentence = re.search(r"[A-Za-z]{2,}[,.:…]? [A-Za-z]{2,}", stripped)
        if stripped.startswith("<") or stripped in NAMES:
            continue
        if re.match(r"[A-Z][a-z]", stripped) or (sentence and re.search(r"[.…!?]$", stripped)):
            found.append(stripped)
    assert found == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_is_translated_of_the_hub_is_what_it_says(language: str) -> None:
    sources = [
        *ROOT.glob("forwarder/**/*.py"),
        *ROOT.glob("relay/**/*.py"),
        *WEB.glob("relay/*.js"),
    ]
    # Adjacent strings are one; so are those of f-strings.
    joined = "\n".join(
        re.sub(r"\"\s*\n\s*f?\"", "", path.read_text(encoding="utf-8")) for path in sources
    )
    for said in spoken(language)["hub"]:
        for part in re.split(r"\{\w+\}", said):
            assert part.strip(": ") in joined, said


# What the dashboard's Help says, by the functions that say it; mDNS is asked by a relay alone.
_FINDINGS = ("forwarder/checks/running.py", "relay/checks/machine.py")
_OF_RELAYS = ("mDNS",)


def findings() -> list[str]:
    """Each sentence of a finding that stands in the code as one, with X for what is filled in."""
    found = []
    for name in _FINDINGS:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id not in ("good", "note", "bad", "trouble"):
                continue
            said = node.args[0]
            parts = said.values if isinstance(said, ast.JoinedStr) else [said]
            texts = [str(one.value) if isinstance(one, ast.Constant) else "X" for one in parts]
            if all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts):
                found.append("".join(texts))
    return [one for one in found if not one.startswith(_OF_RELAYS)]


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_help_says_is_said_in_every_language(language: str) -> None:
    known = [
        re.compile("(?s)" + ".+?".join(map(re.escape, re.split(r"\{\w+\}", said))))
        for said in spoken(language)["hub"]
    ]
    said = findings()
    assert len(said) > 30
    assert [one for one in said if not any(each.fullmatch(one) for each in known)] == []


# Where a button shows another key than its longer name is made of; and sentences that end so.
_SHOWN = {"stop-one": "stop"}
_NO_BUTTONS = ("remote",)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longer_name_of_a_button_has_in_it_what_the_button_shows(language: str) -> None:
    """Whoever speaks to the page says what they see (WCAG 2.5.3)."""
    words = spoken(language)["words"]
    checked = 0
    for key, name in words.items():
        base = key.removesuffix(".of")
        shown = words.get(_SHOWN.get(base, base))
        if base == key or shown is None or base in _NO_BUTTONS:
            continue
        checked += 1
        said, seen = (" ".join(re.findall(r"\w+", text.lower())) for text in (name, shown))
        assert f" {seen} " in f" {said} ", key
    assert checked > 15


def test_what_every_page_imports_is_served_with_it() -> None:
    files = remote_files()
    for name in ("words.js", "en.js", "de.js"):
        assert (WEB / "shared" / name).is_file()
        assert name in files
        assert not (WEB / "relay" / name).is_file()
        assert not (WEB / "dashboard" / name).is_file()


def test_the_language_is_the_browsers_or_what_a_person_chose_and_sentences_are_filled(
    tmp_path: Path,
) -> None:
    node = needs("node", "nodejs")
    for name in ("words.js", "en.js", "de.js"):
        (tmp_path / name).write_bytes((WEB / "shared" / name).read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = """
      Object.defineProperty(globalThis, 'navigator', { value: { languages: ['fr', 'de-AT'] } });
      const { best, heard, language, t } = await import(process.argv[1]);
      console.log(JSON.stringify([
        language, best(['pt-BR']), best(['de'], 'en'), best(['de'], 'xx'),
        t('count.devices', { n: 1 }), t('count.devices', { n: 2 }),
        t('toast.gone', { name: '{x} $&' }),
        t('nothing'), heard('Attic: it is away'), heard('Nobody translated this.'),
        heard('It may be running: A.B is away. Switch it off by hand.'), heard(null),
      ]));
    """
    done = subprocess.run(
        [node, "--input-type=module", "-e", script, (tmp_path / "words.js").as_uri()],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "de", "en", "en", "de", "1 Gerät", "2 Geräte", "{x} $& ist weg.", "nothing",
        "Attic: nicht da", "Nobody translated this.",
        "Es läuft vielleicht: A.B ist nicht da. Schalte es von Hand aus.", None,
    ]  # fmt: skip
