"""The backend `json`: it writes a network as one JSON document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from bitspike.backends.json.document import document
from bitspike.backends.protocol import Backend, Export, checked_file_name
from bitspike.ir import FrozenGraph

__all__ = ["Json"]


@dataclass(frozen=True)
class Json(Backend):
    """The integer graph with every constant, and in words what each op and each primitive computes."""

    name: ClassVar[str] = "json"
    about: ClassVar[str] = "the integers and the meaning of every op, as one JSON document"

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.json``. Facts: ``bytes``."""
        checked_file_name(name)
        content = json.dumps(document(net), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        return Export({f"{name}.json": content}, {"bytes": len(content)})
