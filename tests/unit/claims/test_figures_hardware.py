"""The picture of one network at several bits: which points no other is better than, and that it is drawn."""

from claims.figures_hardware import against_hardware, best


def test_points_that_no_other_beats() -> None:
    points = [(3.0, 90.0), (1.0, 80.0), (2.0, 95.0), (2.0, 70.0), (4.0, 96.0)]
    assert best(points) == [(1.0, 80.0), (2.0, 95.0), (4.0, 96.0)]


def test_a_point_for_each_allocation() -> None:
    found = [{"about": f"{n}/1/1", "luts": 1000 * n, "cycles": 10_000 / n, "accuracy": 90 + n} for n in (1, 2, 4)]
    axes = against_hardware(found).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1/1/1", "2/1/1", "4/1/1"]
    assert len(axes.collections) == 3
