"""The backend `nir`: it writes a network as a NIR graph."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

from bitspike.backends.nir.export import to_nir
from bitspike.backends.protocol import Backend, Export, checked_file_name
from bitspike.errors import require
from bitspike.ir import FrozenGraph

__all__ = ["Nir"]


@dataclass(frozen=True)
class Nir(Backend):
    """NIR's own primitives in floats, with the integers as metadata (docs/nir-bits.md). Wants the extra ``nir``."""

    name: ClassVar[str] = "nir"
    about: ClassVar[str] = "NIR: its primitives in floats, with the integers as metadata"

    def export(self, net: FrozenGraph, name: str) -> Export:
        """``NAME.nir``. Facts: ``bytes``."""
        checked_file_name(name)
        nir = require("nir", "nir")
        made = io.BytesIO()
        nir.write(made, to_nir(nir, net))
        content = made.getvalue()
        return Export({f"{name}.nir": content}, {"bytes": len(content)})
