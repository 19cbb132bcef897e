"""Recordings of event cameras: one type of events, and a reader for each format of file."""

from bitspike.datasets.events.event import EVENT, Events
from bitspike.datasets.events.read import FORMATS, format_of, read_events

__all__ = ["EVENT", "FORMATS", "Events", "format_of", "read_events"]
