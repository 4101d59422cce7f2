"""What holds for every test: how long an example of Hypothesis takes is no property of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.load_profile("here")
