"""Times and bounds of game pads: each with its unit and its reason."""

from __future__ import annotations

# --- radio ---------------------------------------------------------------------------------------

# How often (s) it is looked which pads there are.
LOOK_S = 1.0
# How long an effect lasts (ms), and how often (s) it is begun anew: less than the active lease of
# 0.9 s, and two renewals may be late.
EFFECT_MS = 800
RENEW_S = 0.25
