"""What one process does, where torchrun or accelerate launch may have started several."""

from __future__ import annotations

import os

from bitspike.errors import UserError

__all__ = ["check_alone"]


def check_alone(what: str) -> None:
    """Refuses to do ``what`` as one process of several, which would all do the same; but ``train`` is for several.

    Raises:
        UserError: there are several.
    """
    if what != "train" and "RANK" in os.environ and (several := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise UserError("WORLD_SIZE", several, f"several processes train one run; start bitspike {what} as one")
