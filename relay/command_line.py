"""What both programs' command lines share: errors in one line and in a person's words."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

USAGE = 2
_WORDS = (
    (re.compile(r"^argument (?:[A-Z]+: )?"), ""),
    (re.compile(r"invalid (?:float|int) value: (.*)$"), r"\1 is no number"),
    (re.compile(r"invalid \w+ value: (.*)$"), r"\1 is not what is wanted here"),
    (re.compile(r"invalid choice: (.*) \(choose from (.*)\)$"), r"\1 is unknown; known are \2"),
    (re.compile(r"^unrecognized arguments: (.*)$"), r"unknown here: \1"),
    (re.compile(r"^the following arguments are required: (.*)$"), r"\1 is missing"),
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        for pattern, words in _WORDS:
            message = pattern.sub(words, message)
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")
