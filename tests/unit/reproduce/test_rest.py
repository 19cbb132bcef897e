"""The rows that stand on the papers' own numbers, and those that need training."""

import shlex
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from bitspike.recipes import RECIPES, recipe
from bitspike.reproduce import TABLES, Row, accuracies
from bitspike.reproduce import reproduce as recompute
from bitspike.reproduce.table import waiting
from bitspike.reproduce.trained import best_for, widths
from bitspike.training.overrides import override

reproduce = cache(recompute)


def misprints(*names):
    return {row.row for name in names for row in reproduce(name) if row.status == "misprint"}


TEXT = {"equal": 13, "misprint": 3, "differs": 1, "within 13 %": 1, "needs training": 2}


def test_the_text_of_paper_001():
    rows = {row.row: row for row in reproduce("001/text")}
    assert Counter(row.status for row in rows.values()) == TEXT
    assert misprints("001/text") == {
        "less size than Ternary Spike's ResNet20, CIFAR-100",
        "ResNet20 at 1/1/1 over Ternary Spike, CIFAR-100",
        "ResNet20 at 1/1/1 over Multi-bit Spike, CIFAR-100",
    }
    assert rows["less size than Ternary Spike's ResNet20, CIFAR-100"].ours == pytest.approx(87.12, abs=0.005)
    of_budget = 100 * (1 - 3.25 / 34.55)
    assert of_budget == pytest.approx(90.59, abs=0.005)  # what the printed number is of
    for over, left in (("Ternary Spike", 74.02), ("Multi-bit Spike", 76.51)):
        row = rows[f"ResNet20 at 1/1/1 over {over}, CIFAR-100"]
        assert row.published + left == pytest.approx(79.90, abs=1e-9)


def test_reductions_of_paper_002():
    rows = reproduce("002/reductions")
    assert len(rows) == 27
    for row in rows:
        assert row.ours == pytest.approx(row.published, abs=0.013)
        from_print = float(row.note.split()[-1])
        assert from_print == pytest.approx(row.published, abs=0.0056)  # of the footprints as printed


def test_differences_and_texts_of_paper_003():
    assert misprints("003/table3", "003/table4", "003/text") == {
        "ImageNet VGG-16: over others, best", "ImageNet ResNet-34: over others, T = 16", "DSR, PreAct-ResNet18",
        "SpikeZIP-PR over SEW, T = 4", "fewer steps, ResNet34 on ImageNet",
    }  # fmt: skip
    rows = {row.row: row for name in ("003/table4", "003/text") for row in reproduce(name)}
    assert rows["MS-ResNet, ResNet34"].ours == 21.796672  # M
    assert rows["fewer steps, ResNet34 on ImageNet"].ours == 31.25
    assert rows["GPU hours, SEW over SpikeZIP (Figure 4)"].ours == pytest.approx(43.58, abs=0.005)


def test_the_rest_of_paper_004():
    assert misprints("004/table1", "004/table2") == {"Sparse-ResNet18 over RecDis-SNN, CIFAR-10"}
    curve = {row.row: row for row in reproduce("004/figure5")}
    assert {row.status for row in curve.values()} == {"equal"}
    assert curve["v = 1"].ours == 1.25
    sum_0 = next(row for row in reproduce("004/relations") if "sum_0" in row.row)
    assert sum_0.ours == pytest.approx(18.6, abs=0.05)


@pytest.mark.parametrize(
    ("printed", "ours", "note", "status"),
    [
        ("91.37", 91.374, "", "equal"),
        ("91.37", 91.374, "misprint: of another table", "misprint"),
        ("100.0", 99.6, "rounded", "within 0.4 %"),
        ("100", 100.0001, "rounded", "equal"),
        ("100.00", 110, "", "within 10 %"),
        ("100", 60, "", "differs"),
        ("0", 5, "", "differs"),
        ("-0.25", -0.23, "", "within 8 %"),
        ("0.00", 0.0, "", "equal"),
    ],
)
def test_statuses(printed, ours, note, status):
    assert Row(row="x", printed=printed, ours=ours, unit="%", counting="exact", note=note).status == status


@pytest.mark.parametrize(("bound", "ours", "status"), [
    ("below", 4.99, "holds"), ("below", 5.0, "differs"), ("above", 5.01, "holds"), ("above", 4.99, "differs"),
])  # fmt: skip
def test_statuses_of_bounds(bound, ours, status):
    assert Row(row="x", printed="5", ours=ours, unit="%", counting="exact", bound=bound).status == status


def test_a_wrong_number_of_ours_is_not_equal():
    for name in ("001/text", "003/text", "004/figure5"):
        for row in reproduce(name):
            if row.status == "equal":
                assert replace(row, ours=row.ours * 1.5 + 0.6).status != "equal", row.row


SLOW = ("000/table1", "000/table2", "001/table1", "001/table2", "001/squeezing")


def test_every_command_that_trains_is_one():
    """Its recipe is there, and its edits fit; those of the tables that take long to count are made by `accuracies`."""
    more = (accuracies.of_000(1), accuracies.of_000(2), accuracies.of_001("1"), accuracies.of_001("2"))
    quick = [reproduce(name) for name in TABLES if name not in SLOW]
    rows = [row for made in (*quick, *more) for row in made if row.trains]
    assert len(rows) > 200
    for command in dict.fromkeys(row.trains for row in rows):
        program, verb, name, *words = shlex.split(command)
        assert (program, verb, name in RECIPES) == ("bitspike", "convert" if "spikezip" in name else "train", True)
        assert words[::2] == ["--set"] * (len(words) // 2)
        override(recipe(name), words[1::2])
    for row in rows:
        assert f"`{row.trains}`" in row.why
        if row.unit in ("% right", "% of mAP"):
            assert row.so_far.startswith(
                ("best so far: ", "nothing on this data yet; nearest: ", "nothing of the kind")
            )
            assert row.so_far in row.why


def test_the_best_result_is_of_the_recipe_or_its_nearest():
    near = best_for("bitspike train qsnn-resnet19-cifar10 --set bits=1/1/2/8")
    assert (near.recipe, near.bits) == ("qsnn-resnet8-thin-cifar10", "1/1/2/8")
    own = best_for("bitspike train adaptive-resnet20-thin-cifar10 --set methods.learned-bits.target=2/3/1")
    assert (own.recipe, own.bits) == ("adaptive-resnet20-thin-cifar10", "2/3/1 learned")
    twin = best_for("bitspike train adaptive-resnet20-thin-cifar10 --set bits=2/3/1")
    assert twin.bits == "2/3/1"
    assert f"{own.value:.2f} % right ({own.recipe} at 2/3/1 learned, cifar10" in str(own)
    assert best_for("bitspike train sew-resnet34-imagenet") is None
    boxes = best_for("bitspike convert spikezip-yolov3-voc")
    assert boxes is None or boxes.measure == "mAP@0.5"
    assert waiting("x", "70.13", "bitspike train sew-resnet34-imagenet").why.endswith(
        "nothing of the kind is trained yet"
    )
    assert widths("bitspike train x --set bits=4/4/2 --set methods.learned-bits.target=2/4/1") == "2/4/1 learned"
