"""Names are given once, found or refused by name, and given back."""

import pytest

from bitspike import UserError
from bitspike.registry import Registry


def colours() -> Registry[str]:
    made = Registry[str]("colour")
    made.register("red", "#f00")
    made.register("green", "#0f0")
    return made


def test_things_keep_their_order():
    assert list(colours().items()) == [("red", "#f00"), ("green", "#0f0")]
    assert colours().find("green") == colours()["green"] == "#0f0"
    assert "blue" not in colours()


def test_a_taken_name_is_refused():
    known = colours()
    with pytest.raises(UserError, match="colour: got 'red'; the name is taken"):
        known.register("red", "#e00")
    assert known["red"] == "#f00"


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(UserError, match=r"colour: got 'gren'; did you mean 'green'\? known: green, red"):
        colours().find("gren")


def test_what_is_added_for_a_while_goes_again():
    known = colours()
    with known.added("blue", "#00f") as blue:
        assert known.find("blue") == blue == "#00f"
    assert list(known) == ["red", "green"]
    with pytest.raises(UserError), known.added("red", "#e00"):
        pass
    assert known["red"] == "#f00"
