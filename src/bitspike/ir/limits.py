"""What is refused before anything of its size is computed or allocated."""

from __future__ import annotations

__all__ = [
    "AXES",
    "MOST_AXES",
    "MOST_ELEMENTS",
    "MOST_FRACTION_BITS",
    "MOST_LEVEL",
    "MOST_MEMBRANE_BITS",
    "MOST_STEP",
    "MOST_STEPS",
    "MOST_STEPS_OF_ALL",
    "MOST_STORE_SHIFT",
    "MOST_TRACED",
]

MOST_AXES, AXES = 3, "want (C, H, W) or fewer"
"""Axes of one step of an edge, and what is said of more."""
MOST_ELEMENTS, MOST_STEPS, MOST_LEVEL = 2**30, 4096, 2**16
MOST_STEPS_OF_ALL = 2**16
"""Steps of all layers of neurons together: their membranes are proven step by step."""
MOST_FRACTION_BITS = 30
MOST_MEMBRANE_BITS = 16
MOST_TRACED = 1 << 28
"""As much as ``MOST_STEPS`` steps of ``MOST_LEVEL`` can send."""
MOST_STORE_SHIFT, MOST_STEP = 60, 1 << 46
"""The widest code times the largest step, and half of what is shifted out, stay within int64."""
