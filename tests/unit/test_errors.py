"""How bitspike says no: one line, that also survives a worker process."""

import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.errors import UserError, closest, require


def test_the_line_names_the_thing_the_value_and_what_would_do():
    assert str(UserError("--epochs", -1, "want 1 or more")) == "--epochs: got -1; want 1 or more"


@given(st.text(), st.text() | st.binary() | st.lists(st.text()), st.text())
def test_one_line_whatever_the_parts_contain(thing, seen, would_do):
    assert len(str(UserError(thing, seen, would_do)).splitlines()) == 1


def test_a_huge_value_is_cut():
    assert len(str(UserError("plan", "x" * 10**6, "want a plan"))) < 1000


def test_it_pickles():
    wrong = pickle.loads(pickle.dumps(UserError("bits", "2/2", "want three numbers")))
    assert isinstance(wrong, UserError)
    assert (wrong.thing, wrong.seen, wrong.would_do) == ("bits", "2/2", "want three numbers")
    assert str(wrong) == "bits: got '2/2'; want three numbers"


@pytest.mark.parametrize(
    ("thing", "seen"), [("x" * 10_000, 1), ("n", "y" * 10_000), ("n", 10**5000)], ids=["thing", "seen", "number"]
)
def test_a_line_stays_short_whatever_is_in_it(thing, seen):
    assert len(str(UserError(thing, seen, "want less"))) < 700


def test_closest_suggests_a_near_word_only():
    assert closest("epoch", ["lr", "epochs"]) == "did you mean 'epochs'? known: epochs, lr"
    assert closest("zzz", ["lr", "epochs"]) == "known: epochs, lr"
    assert closest("lr", []) == "known: "


def test_require_imports_what_is_there():
    assert require("json", "data").__name__ == "json"


def test_require_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)  # import of it fails, installed or not
    with pytest.raises(UserError, match=r"import: got 'tonic'; install it with: pip install 'bitspike\[data\]'"):
        require("tonic", "data")


def test_a_folder_that_happens_to_have_the_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "no_such_library").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"import: got 'no_such_library'; install it with: .*\[hf\]"):
        require("no_such_library", "hf")
