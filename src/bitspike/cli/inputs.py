"""What one input of a network is, as the command line has it: an image, or a train with its levels."""

from __future__ import annotations

import re
from dataclasses import replace

from bitspike.errors import UserError
from bitspike.sample import Sample

__all__ = ["input_of"]


def input_of(text: str | None, levels: str | None = None) -> Sample | None:
    """``3x32x32`` is an image; ``16@2x48x48`` and all else a train of events, of levels 0 and 1 unless told.

    Raises:
        UserError: another text, no ``LO..HI``, or levels without an input.
    """
    told = re.fullmatch(r"(-?\d{1,4})\.\.(-?\d{1,4})", levels or "", flags=re.ASCII)
    if levels is not None and not told:
        raise UserError("--levels", levels, "want the lowest and the highest, for example 0..15 or -1..1")
    if text is None:
        if levels is not None:
            raise UserError("--levels", levels, "they are of --input; give that too")
        return None
    try:
        given = Sample.parse(text)
    except UserError as wrong:
        wanted = "want channels x height x width, for example 3x32x32, or steps before it, 16@2x48x48"
        raise UserError("--input", text, wanted) from wrong
    if told:
        return replace(given, lo=int(told[1]), hi=int(told[2]))
    return given if given.is_image else replace(given, lo=0, hi=1)
