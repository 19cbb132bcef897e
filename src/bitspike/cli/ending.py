"""How the command ends: status 0; 2 with one line for bad input; 128 and its number with one line for a signal."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from bitspike.cli import threads
from bitspike.cli.alone import check_alone
from bitspike.cli.app import app
from bitspike.cli.verb import Interrupted
from bitspike.cli.words import going_on, usage, words
from bitspike.errors import UserError
from bitspike.stopping import SIGNALS, Stopped, handled

__all__ = ["main"]

# typer may carry a click of its own; either way this is its base of all usage errors
CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException" and issubclass(kind, Exception)
)


def main() -> None:
    """Runs the command; exits 0, 2 with one line for bad input, 130 or 143 with one line for a signal."""
    threads.share_cores()
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise Stopped(number)

    try:
        check_alone("".join(sys.argv[1:2]))
        with handled(stop):
            status = app(args=words(sys.argv[1:]), prog_name="bitspike", standalone_mode=False)
    except Interrupted as by:
        _stopped(by.stopped)
    except Stopped as by:
        _stopped(by)
    except UserError as wrong:
        _refuse(str(wrong))
    except CLICK_ERROR as wrong:
        verb = getattr(getattr(wrong, "ctx", None), "command", None)
        takes_edits = any("--set" in option.opts for option in getattr(verb, "params", ()))
        _refuse(usage(wrong.format_message(), takes_edits))  # type: ignore[attr-defined]
    except MemoryError as wrong:
        _refuse(f"memory: it does not hold this; {wrong or 'a smaller network or batch may do'}")
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        sys.exit(0)
    except Exception:
        if not came:
            raise
        _stopped(Stopped(came[0]))  # some library made another error of it
    if came:  # outside of the verb, typer makes a status of it
        _stopped(Stopped(came[0]))
    sys.exit(status if isinstance(status, int) else 0)


def _stopped(by: KeyboardInterrupt) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # one line is enough
    kept = (folder := getattr(by, "folder", None)) is not None and folder.is_dir()  # one without files was taken away
    told = going_on(sys.argv[1:]) if kept else ""
    print(f"bitspike: interrupted{told}", file=sys.stderr)
    sys.exit(128 + getattr(by, "number", signal.SIGINT))


def _refuse(line: str) -> None:
    print(f"bitspike: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(2)
