"""One page of HTML that shows runs beside each other, and needs nothing but itself: no network, no other file."""

from bitspike.reports.page.graph import drawn_graph
from bitspike.reports.page.html import page_html
from bitspike.reports.page.png import jpeg_uri, png_uri, unpacked

__all__ = ["drawn_graph", "jpeg_uri", "page_html", "png_uri", "unpacked"]
