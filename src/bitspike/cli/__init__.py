"""The command: parse, call, print. Bad input is one line on stderr and exit status 2."""

from bitspike.cli.ending import main

__all__ = ["main"]
