"""A network as memory images: every tensor at its true width, and golden vectors of every edge, for one's own RTL."""

from bitspike.backends.mem.backend import Mem

__all__ = ["Mem"]
