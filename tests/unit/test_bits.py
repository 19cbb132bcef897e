"""Widths and bit plans: alphabets counted one by one, and plan files from a hostile hand."""

import json
from contextlib import suppress
from itertools import pairwise
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitspike.bits import BitPlan, Bits, alphabet_width, signed_range, unsigned_range
from bitspike.errors import UserError

tops = {"w": 16, "s": 16, "t": 4096, "u": 32}
widths = {key: st.integers(1, top) for key, top in tops.items()}
any_bits = st.builds(Bits, widths["w"], widths["s"], widths["t"], st.none() | widths["u"])
any_layer = st.fixed_dictionaries({}, optional=widths)
any_plan = st.builds(BitPlan, any_bits, st.dictionaries(st.text(), any_layer, max_size=4))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2/2/1"),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["default", "layers", "w", "x"]), inner),
)


def test_alphabet_width_by_counting():
    for levels in range(2, 2**9):
        assert alphabet_width(-1, levels - 2) == ceil(log2(levels)), levels
    assert alphabet_width(3, 3) == 1


@given(st.integers(), st.integers())
def test_alphabet_width_is_the_least_that_suffices(lo, hi):
    lo, hi = sorted([lo, hi])
    width = alphabet_width(lo, hi)
    assert hi - lo + 1 <= 2**width
    assert width == 1 or hi - lo + 1 > 2 ** (width - 1)


def test_an_empty_alphabet_is_refused():
    with pytest.raises(UserError, match=r"range: got \(1, 0\)"):
        alphabet_width(1, 0)


@pytest.mark.parametrize("bits", range(1, 17))
def test_ranges_fill_their_width(bits):
    assert alphabet_width(*unsigned_range(bits)) == bits
    lo, hi = signed_range(bits)
    assert lo == -hi
    assert hi == (1 if bits == 1 else 2 ** (bits - 1) - 1)
    assert bits == 1 or alphabet_width(lo, hi) == bits


@given(any_bits)
def test_bits_read_back_what_they_print(bits):
    assert Bits.parse(str(bits)) == bits
    assert Bits.parse(f" {bits}\n") == bits
    assert bits.budget == bits.w * bits.s * bits.t


@pytest.mark.parametrize("text", ["0/2/1", "2/2/0", "17/1/1", "1/17/1", "1/1/4097", "1/1/1/33", "1/1/1/0"])
def test_a_width_out_of_range_is_named(text):
    with pytest.raises(UserError, match=rf"^bits: got '{text}'; bits \w is \d+: .* whole numbers from 1 to \d+"):
        Bits.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "2", "2/2", "2/2/x", "2/2/1/1/1", "-2/2/1", "2.0/2/1", "2/2/1/", "2//1", "1_0/2/1", "٢/2/1"],
)
def test_what_is_not_bits_is_refused(text):
    with pytest.raises(UserError, match=r"^bits: got .* want weight/spike/steps"):
        Bits.parse(text)


def test_a_number_too_long_to_read_is_refused():
    with pytest.raises(UserError, match="want weight/spike/steps"):
        Bits.parse("9" * 5000 + "/2/1")


@given(st.text())
def test_any_text_is_bits_or_refused(text):
    with suppress(UserError):
        assert isinstance(Bits.parse(text), Bits)


@pytest.mark.parametrize("width", [True, 2.0, "2", None, 0, -1])
def test_a_width_is_a_whole_number(width):
    with pytest.raises(UserError, match="bits w"):
        Bits(width, 2, 1)


def test_later_entries_win_and_leave_the_rest():
    plan = BitPlan(Bits(2, 2, 1), {"stage1.*": {"w": 4, "u": 8}, "stage1.0": {"w": 8}})
    assert plan["stage1.0"] == Bits(8, 2, 1, 8)
    assert plan["stage1.1"] == Bits(4, 2, 1, 8)
    assert plan["stem"] == Bits(2, 2, 1)


def test_a_name_that_looks_like_a_glob_means_itself_too():
    assert BitPlan(Bits(2, 2, 1), {"conv[0]": {"w": 4}})["conv[0]"].w == 4


def test_an_entry_for_no_layer_is_refused():
    plan = BitPlan(Bits(2, 2, 1), {"stem": {"w": 8}, "stage9.*": {"w": 4}})
    plan.check_names(["stem", "stage9.0"], ["neuron"])
    with pytest.raises(UserError, match=r"plan layer: got 'stage9.\*'; w is for weights; did you mean 'stage1.0'\?"):
        plan.check_names(["stem", "stage1.0"], ["neuron"])


def test_a_width_that_the_layer_does_not_have_is_refused():
    BitPlan(Bits(2, 2, 1), {"*": {"w": 8, "s": 4}}).check_names(["stem"], ["neuron"])
    with pytest.raises(UserError, match="plan layer: got 'stem'; s is for neurons; known: neuron"):
        BitPlan(Bits(2, 2, 1), {"stem": {"s": 4}}).check_names(["stem"], ["neuron"])
    with pytest.raises(UserError, match="plan layer: got 'neuron'; w is for weights; known: stem"):
        BitPlan(Bits(2, 2, 1), {"neuron": {"w": 4}}).check_names(["stem"], ["neuron"])


@given(any_plan)
def test_a_plan_reads_back_what_it_writes(plan):
    assert BitPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ('{"default": "2/2/1"', "not JSON"),
        ("[" * 200_000, "not JSON"),
        ("\xff\xfe", "not JSON"),
        ('{"default": "2/2/1", "layers": {"a": {"w": ' + "9" * 5000 + "}}}", "not JSON"),
        ("[]", "plan: got 'list'"),
        ('{"layers": {}}', "plan: got 'dict'"),
        ('{"default": 2}', "plan: got 'dict'"),
        ('{"default": "2/2"}', "bits: got '2/2'"),
        ('{"default": "2/2/1", "layer": {}}', "plan key: got 'layer'; did you mean 'layers'"),
        ('{"default": "2/2/1", "layers": []}', r"plan layers: got \[\]"),
        ('{"default": "2/2/1", "layers": {"a": 4}}', "plan layer a: got 4"),
        ('{"default": "2/2/1", "layers": {"a": {"b": 4}}}', "plan layer a: got 'b'"),
        ('{"default": "2/2/1", "layers": {"a": {"w": 0}}}', "plan layer a, bits w: got 0"),
        ('{"default": "2/2/1", "layers": {"a": {"w": 2.5}}}', "plan layer a, bits w: got 2.5"),
        ('{"default": "2/2/1", "layers": {"a": {"w": NaN}}}', "plan layer a, bits w: got nan"),
        ('{"default": "2/2/1", "layers": {"a": {"t": true}}}', "plan layer a, bits t: got True"),
    ],
)
def test_a_malformed_plan_file_is_one_clear_line(tmp_path, text, says):
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=says):
        BitPlan.load(file)


def test_a_plan_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"read: .* No such file"):
        BitPlan.load(tmp_path / "none.json")
    with pytest.raises(UserError, match=r"read: .* Is a directory"):
        BitPlan.load(tmp_path)


@given(any_json)
def test_any_json_is_a_plan_or_refused(raw):
    with suppress(UserError):
        assert isinstance(BitPlan.from_dict(raw), BitPlan)


@given(st.lists(any_bits, min_size=2))
def test_bits_are_values(many):
    for one, other in pairwise(many):
        assert (one == other) == (str(one) == str(other))
        assert one != other or hash(one) == hash(other)
