"""What a protocol file can get wrong, and where its error points."""

from __future__ import annotations

import pytest

from forwarder.definitions.lines import locate
from forwarder.definitions.loader import load
from forwarder.definitions.schema import DefinitionError

GOOD = """\
protocol = "toy"
name = "A toy"
set = { dev = 1 }

[[match]]
[match.ble]
names = ["TOY-*"]
[match.services.0000ffe0-0000-1000-8000-00805f9b34fb]
tx = "0000ffe1-0000-1000-8000-00805f9b34fb"
rx = "0000ffe2-0000-1000-8000-00805f9b34fb"

[[init]]
write = "01"

[[feature]]
vibrate = [0, 20]
[[feature]]
battery = "read"

[[device]]
ids = ["TOY-2"]
name = "Second"
feature = [{ vibrate = [0, 10] },
           { rotate = [-5, 5] }]

[[output]]
on = "vibrate"
bytes = "aa {v}"

[[output]]
on = "rotate"
send = [{ bytes = "bb {abs(v)}" },
        { bytes = "cc {v<0}", key = "dir" }]

[[input]]
on = "battery"
read = "rx"
value = "r[0]"
"""


def test_the_file_that_the_others_are_made_of_loads() -> None:
    loaded = load(GOOD, "toy.toml", {})
    assert loaded.models["TOY-2"].definition.name == "Second"
    assert loaded.default is not None
    assert loaded.default.constants == {"dev": 1}


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('name = "A toy"', 'name = "A toy', 2, "Illegal character"),
        ('name = "A toy"', 'nmae = "A toy"', 2, "did you mean name"),
        ("vibrate = [0, 20]", "vibrate = [0, 20, 5]", 16, "a list of 2 entries"),
        ("vibrate = [0, 20]", "vibrate = [3, 20]", 16, r"a range is \[0, n\] or \[-n, n\]"),
        ("vibrate = [0, 20]", "vibrate = [0, 0]", 16, "a range is"),
        ("vibrate = [0, 20]", "hw_position_with_duration = [0, 9]", 16, "needs duration"),
        ("{ rotate = [-5, 5] }", "{ rotat = [-5, 5] }", 24, "unknown here"),
        ("{ rotate = [-5, 5] }", "{ index = 0, rotate = [-5, 5] }", 24, "have the index 0"),
        ("{ rotate = [-5, 5] }", "{ description = 'x' }", 24, "neither an output nor an input"),
        ('bytes = "aa {v}"', 'bytes = "aa {w}"', 28, "w is not known here"),
        ('bytes = "aa {v}"', 'bytes = "a {v}"', 28, "neither hex nor a hole"),
        ('bytes = "aa {v}"', 'bytes = "aa {v"', 28, "'{' without '}'"),
        ('bytes = "aa {v}"', 'bytes = "aa {v.x}"', 28, "Attribute is not allowed"),
        ('bytes = "aa {v}"', "", 26, "one of bytes, text, send and ticks"),
        ('bytes = "aa {v}"', 'bytes = "aa"\nwhen = "v >"', 29, "not an expression"),
        ('bytes = "aa {v}"', 'bytes = "aa"\ncodec = "rot13"', 29, "there is no codec rot13"),
        ('bytes = "aa {v}"', 'ticks = "metronome"', 28, "there is no ticker metronome"),
        ('bytes = "aa {v}"', 'bytes = "aa"\nto = "there"', 29, "expected an endpoint: tx, rx"),
        ('on = "vibrate"', 'on = "vibrat"', 26, "'vibrat' is not an output type"),
        ('key = "dir"', 'key = "f0"', 33, "'f0' is not a name for a key"),
        ('"cc {v<0}"', '"cc {sum(9,9)}"', 33, "there is no function sum"),
        ('value = "r[0]"', 'value = "v"', 38, "v is not known here"),
        ('read = "rx"', 'read = "rx"\nfrom = "rx"', 35, "either read, or from or subscribe"),
        ('read = "rx"', "from = 'rx'\nmatch = '(a+)+'", 38, "may not repeat a group"),
        ('read = "rx"', "from = 'rx'\nmatch = '(a'", 38, "not a regular expression"),
        ('write = "01"', 'write = "01"\nsleep_ms = 5', 12, "a step does one thing"),
        ('write = "01"', 'hook = "none"', 13, "there is no hook none"),
        ('ids = ["TOY-2"]', "ids = []", 21, "it is empty"),
        ('ids = ["TOY-2"]', 'ids = ["A", "A"]', 21, "'A' is listed twice"),
        ('names = ["TOY-*"]', 'names = ["T*Y"]', 7, "only stand at the end"),
        ('tx = "0000ffe1', 'tx = "ffe1', 8, "expected a UUID in lower case"),
    ],
)
def test_an_error_names_file_line_and_reason(old: str, new: str, line: int, reason: str) -> None:
    assert old in GOOD
    with pytest.raises(DefinitionError, match=reason) as caught:
        load(GOOD.replace(old, new, 1), "toy.toml", {})
    assert str(caught.value).startswith(f"toy.toml:{line}: "), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("protocol",), 1),
        (("set", "dev"), 3),
        (("match", 0, "ble", "names", 0), 7),
        (("match", 0, "services", "0000ffe0-0000-1000-8000-00805f9b34fb", "rx"), 10),
        (("feature", 1, "battery"), 18),
        (("device", 0, "feature", 1, "rotate", 1), 24),
        (("output", 1, "send", 1, "key"), 33),
        (("output", 1, "send", 7), 32),
        (("nothing",), 1),
    ],
)
def test_a_path_is_found_in_the_text(path: tuple[str | int, ...], line: int) -> None:
    assert locate(GOOD, path) == line


def test_strings_comments_and_brackets_inside_strings_do_not_mislead() -> None:
    text = "a = '''\nx = [\n'''  # { ] }\nb = \"\\\"[\"\n[c.'d.e']\nf = [1,\n  # ]\n  { g = 2 }]\n"
    assert [locate(text, p) for p in (("a",), ("b",), ("c", "d.e", "f", 1, "g"))] == [1, 4, 8]
