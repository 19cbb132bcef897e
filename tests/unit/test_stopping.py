"""When a signal is answered: at once, but not in the middle of an import."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from pathlib import Path

import pytest

from bitspike import stopping
from bitspike.stopping import SIGNALS, Stopped, handled

MODULE = """
import signal, time
signal.raise_signal({number})
time.sleep(0.06)  # past the time after which it comes again
whole = True
"""


def stop(number: int, frame: object) -> None:
    raise Stopped(number)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    (tmp_path / "loaded_under_a_signal.py").write_text(MODULE.format(number=request.param))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "loaded_under_a_signal", raising=False)
    return "loaded_under_a_signal"


def wait() -> None:
    """For a signal. (One that comes between the last bytecode and ``signal.pause`` would be slept over for ever.)"""
    for _ in range(1000):
        time.sleep(0.01)
    pytest.fail("the signal was not answered")


@pytest.mark.parametrize(("module", "number"), [(int(n), n) for n in SIGNALS], indirect=["module"])
def test_a_signal_waits_for_the_end_of_an_import(module: str, number: int) -> None:
    before = [signal.getsignal(one) for one in (*SIGNALS, signal.SIGALRM)]

    def load() -> None:
        importlib.import_module(module)
        assert sys.modules[module].whole
        wait()  # until it comes again

    with pytest.raises(Stopped) as stopped, handled(stop):
        load()
    assert stopped.value.number == number
    assert [signal.getsignal(one) for one in (*SIGNALS, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("module", [int(signal.SIGTERM)], indirect=True)
def test_one_that_waits_is_not_lost_on_a_handler_inside(module: str) -> None:
    def load() -> None:
        importlib.import_module(module)
        with handled(stop):
            wait()

    with pytest.raises(Stopped) as stopped, handled(stop):
        load()
    assert stopped.value.number == signal.SIGTERM
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("module", [int(signal.SIGTERM)], indirect=True)
def test_one_that_comes_again_as_a_handler_inside_is_put_is_not_lost(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = signal.signal
    monkeypatch.setattr(stopping, "AGAIN", 0.025)  # twice during the import, and not as it ends

    def put_as_it_comes(number: int, handler: object) -> object:
        earlier = put(number, handler)
        if number == signal.SIGALRM and callable(handler):
            monkeypatch.setattr(signal, "signal", put)  # this once
            signal.raise_signal(signal.SIGALRM)
        return earlier

    def load() -> None:
        importlib.import_module(module)
        signal.setitimer(signal.ITIMER_REAL, 0)  # it comes by our hand
        monkeypatch.setattr(signal, "signal", put_as_it_comes)
        with handled(stop):
            pytest.fail("the signal was not answered")

    with pytest.raises(Stopped), handled(stop):
        load()


@pytest.mark.parametrize("module", [int(signal.SIGTERM)], indirect=True)
def test_one_that_waits_at_the_end_is_not_lost(module: str) -> None:
    with pytest.raises(Stopped), handled(stop):
        importlib.import_module(module)


def test_elsewhere_it_is_answered_at_once() -> None:
    def ask() -> None:
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the signal was not answered")

    with pytest.raises(Stopped), handled(stop):
        ask()


@pytest.mark.parametrize("module", [int(signal.SIGTERM)], indirect=True)
def test_a_script_that_is_itself_imported_is_stopped_at_once(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(
        "import signal\nfrom bitspike.stopping import Stopped, handled\n"
        "def stop(number, frame):\n    raise Stopped(number)\n"
        "came = False\n"
        "try:\n    with handled(stop):\n        signal.raise_signal(signal.SIGTERM)\n        late = True\n"
        "except Stopped:\n    came = True\n"
    )
    loaded = importlib.import_module(module)
    assert loaded.came
    assert not hasattr(loaded, "late")
