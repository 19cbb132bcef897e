"""What is refused before anything of its size is computed or allocated."""

from __future__ import annotations

__all__ = ["MOST_ELEMENTS", "MOST_LEVEL", "MOST_STEPS", "MOST_STEPS_OF_ALL"]

MOST_ELEMENTS, MOST_STEPS, MOST_LEVEL = 2**30, 1024, 2**16
MOST_STEPS_OF_ALL = 2**16
"""Steps of all layers of neurons together: their membranes are proven step by step."""
