"""The neuromorphic intermediate representation (NIR): a network in floats for others, its integers beside them."""

from bitspike.backends.nir.backend import Nir
from bitspike.backends.nir.read import from_nir

__all__ = ["Nir", "from_nir"]
