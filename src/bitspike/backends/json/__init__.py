"""A network as one JSON document, with every integer and what each op means: for readers that know nothing of us."""

from bitspike.backends.json.backend import Json
from bitspike.backends.json.document import FORMAT, document

__all__ = ["FORMAT", "Json", "document"]
