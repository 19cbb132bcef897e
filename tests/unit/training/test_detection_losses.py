"""The losses of both kinds of heads: what they are least for is, decoded, the boxes that were wanted."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bitspike.detection import Head
from bitspike.detection.decode import decode
from bitspike.training.tasks.anchors import anchors_loss
from bitspike.training.tasks.points import points_loss
from bitspike.training.tasks.targets import Targets, complete_iou, iou

CLASSES = ("a", "b", "c")
ANCHORS = (((10.0, 12.0), (14.0, 9.0)), ((30.0, 26.0), (50.0, 40.0)))
SIZE = (64, 96)
POINTS = Head("points", CLASSES, (8, 16))
WITH_ANCHORS = Head("anchors", CLASSES, (8, 16), ANCHORS)
WANTED = [([[4, 6, 16, 18], [40, 20, 72, 48]], [2, 0]), ([[50, 30, 60, 42]], [1])]


def targets(boxes: list[tuple[list[list[float]], list[int]]] = WANTED) -> Targets:  # type: ignore[assignment]
    return Targets.of(
        [(torch.tensor(b, dtype=torch.float32).reshape(-1, 4), torch.tensor(k, dtype=torch.int64)) for b, k in boxes]
    )


def loss_of(head: Head, maps: list[Tensor], wanted: Targets) -> Tensor:
    if head.kind == "points":
        return points_loss(maps, head.strides, wanted)
    return anchors_loss(maps, head.strides, head.anchors, wanted)


def fresh(head: Head, images: int) -> list[Tensor]:
    torch.manual_seed(0)
    return [(0.1 * torch.randn(images, *shape)).requires_grad_() for shape in head.shapes(SIZE)]


@cache
def learned(head: Head, steps: int = 150) -> list[Tensor]:
    """Maps that were free to become whatever loses least."""
    wanted = targets()
    maps = fresh(head, len(wanted.labels))
    if head.kind == "points":
        for each in maps:
            each.data[:, -4:] += 2
    optimizer = torch.optim.Adam(maps, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(head, maps, wanted).backward()
        optimizer.step()
    return [each.detach() for each in maps]


@pytest.mark.parametrize("head", [POINTS, WITH_ANCHORS], ids=lambda head: head.kind)
def test_what_loses_least_decodes_to_the_boxes_that_were_wanted(head: Head) -> None:
    found = decode([each.numpy() for each in learned(head)], head, lowest=0.5)
    assert [sorted(set(boxes.labels.tolist())) for boxes in found] == [sorted(labels) for _, labels in WANTED]
    for boxes, (sides, labels) in zip(found, WANTED, strict=True):
        assert boxes.scores is not None
        for side, label in zip(sides, labels, strict=True):
            own = boxes[boxes.labels == label]
            best = torch.from_numpy(own.xyxy[own.scores.argmax()])  # type: ignore[union-attr]
            assert float(iou(best, torch.tensor(side, dtype=torch.float32))) > 0.85


@pytest.mark.parametrize("head", [POINTS, WITH_ANCHORS], ids=lambda head: head.kind)
def test_a_box_in_another_place_or_of_another_class_loses_more(head: Head) -> None:
    maps = learned(head)
    least = float(loss_of(head, maps, targets()))
    moved = targets([([[4, 6, 16, 18], [48, 24, 80, 52]], [2, 0]), WANTED[1]])
    renamed = targets([(WANTED[0][0], [2, 1]), WANTED[1]])
    assert float(loss_of(head, maps, moved)) > least + 1
    assert float(loss_of(head, maps, renamed)) > least + 1


@pytest.mark.parametrize("head", [POINTS, WITH_ANCHORS], ids=lambda head: head.kind)
@pytest.mark.parametrize("boxes", [[([], []), ([], [])], [([], []), WANTED[1]]])
def test_images_without_boxes_lose_what_is_said_of_them_alone(
    head: Head, boxes: list[tuple[list[list[float]], list[int]]]
) -> None:
    maps = fresh(head, 2)
    loss = loss_of(head, maps, targets(boxes))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss > 0
    assert all(torch.isfinite(each.grad).all() for each in maps if each.grad is not None)
    distances = maps[0].grad[0, -4:] if head.kind == "points" else maps[0].grad[0, :4]  # type: ignore[index]
    assert not distances.any()  # of the image that has none


def test_the_padding_of_a_batch_changes_nothing() -> None:
    maps = [each.detach() for each in fresh(POINTS, 2)]
    wanted = targets()
    padded = Targets(*(torch.nn.functional.pad(each, pad) for each, pad in (
        (wanted.xyxy, (0, 0, 0, 3)), (wanted.labels, (0, 3)), (wanted.there, (0, 3)))))  # fmt: skip
    for head in (POINTS, WITH_ANCHORS):
        maps = [each.detach() for each in fresh(head, 2)]
        assert float(loss_of(head, maps, padded)) == pytest.approx(float(loss_of(head, maps, wanted)), rel=1e-6)


Corners = st.tuples(*(st.integers(0, 12),) * 4)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(Corners, Corners), min_size=1, max_size=5))
def test_iou_counts_the_pixels_that_both_have(pairs: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> None:
    def pixels(box: tuple[int, ...]) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}

    a, b = (torch.tensor([pair[side] for pair in pairs], dtype=torch.float32) for side in (0, 1))
    both = [(pixels(one), pixels(other)) for one, other in pairs]
    wanted = [len(one & other) / max(1, len(one | other)) for one, other in both]
    torch.testing.assert_close(iou(a, b), torch.tensor(wanted), atol=1e-5, rtol=0)
    complete = complete_iou(a, b)
    assert (complete <= iou(a, b) + 1e-6).all()
    assert torch.isfinite(complete).all()


def test_complete_iou_is_1_of_the_same_box_and_has_a_gradient_where_nothing_overlaps() -> None:
    box = torch.tensor([2.0, 3.0, 9.0, 12.0])
    assert float(complete_iou(box, box)) == pytest.approx(1, abs=1e-5)
    apart = torch.tensor([20.0, 20.0, 26.0, 29.0], requires_grad=True)
    complete_iou(apart, box).backward()
    assert apart.grad is not None
    assert (apart.grad[:2] < 0).all()
