"""What single samples showed of a trained network: ``samples.json``, from which `bitspike report` draws its page.

Which classes were taken for which and what that looked like, the spikes of one sample, where membranes and weights lie,
and boxes in the first images. All of it is small, and comes from the evaluation that ends a training.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitspike.detection import Boxes
from bitspike.detection.decode import in_probability
from bitspike.errors import require
from bitspike.ir import Graph
from bitspike.lowering.measure import channel_scales
from bitspike.neurons import BaseNode
from bitspike.neurons.node import ComposedNode
from bitspike.quant import weight_quantizer
from bitspike.quant.attach import synapses
from bitspike.training.evaluate import Accuracy
from bitspike.training.tasks import Detect, Detected, Seen, Task

__all__ = ["MEMBRANE_SAMPLES", "packed", "samples_of"]

MOST_CLASSES = 100
"""A larger table of confusions is neither kept nor seen."""
WRONG, SIDE = 16, 32
"""Samples that were taken for another class, at most, and the pixels of their longer side."""
MEMBRANE_SAMPLES, MEMBRANE_VALUES = 8, 20_000
"""Samples whose membranes are looked at, and values of a step, at most."""
BINS, MOST_CODES = 48, 32
STEPS, CELLS, ROWS = 256, 24_000, (4, 40)
"""Of a train of spikes: steps, characters of all layers, and neurons of a layer, from and to."""
BOXED, SURE, BOXED_SIDE, QUALITY = 3, 0.3, 320, 80
"""Images whose boxes are kept, how sure a box is at least, and the pixels of their longer side and their quality."""


@torch.no_grad()
def samples_of(task: Task, model: nn.Module, graph: Graph, part: Any, seen: Seen | None = None) -> dict[str, Any]:
    """The content of ``samples.json``.

    Args:
        task: of the run.
        model: the trained network; it is left in the mode it had.
        graph: its structural graph.
        part: test samples, or the first of them.
        seen: what evaluating ``part`` gave; without it there are no confusions and no boxes.
    """
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        first = _codes(part, list(range(min(MEMBRANE_SAMPLES, len(part)))))
        found: dict[str, Any] = {
            "samples": len(part),
            "classes": list(task.classes),
            "weights": _weights(model),
            "membranes": _membranes(model, first.to(device)),
            "trains": _trains(model, graph, first[:1].to(device), task),
        }
    finally:
        model.train(was_training)
    if isinstance(seen, Accuracy) and seen.said is not None:
        found |= _confusion(seen.said, part, task)
    if isinstance(seen, Detected) and isinstance(task, Detect):
        found["boxes"] = _boxes(task, graph, part, seen.found)
    return found


def packed(codes: NDArray[np.uint8]) -> dict[str, Any]:
    """Bytes as JSON holds them: shape, and base64 of what zlib made of them."""
    return {"shape": list(codes.shape), "zlib": base64.b64encode(zlib.compress(codes.tobytes(), 9)).decode()}


def _codes(part: Any, indices: list[int]) -> Tensor:
    """Codes of those samples, read where they are in files."""
    codes: Tensor = part.images[torch.tensor(indices, dtype=torch.int64)]
    return codes


def _confusion(said: Tensor, part: Any, task: Task) -> dict[str, Any]:
    """How often each class (row) was taken for each (column), and some samples that were taken for another."""
    labels, count = part.labels, len(task.classes)
    if count > MOST_CLASSES:
        return {}
    table = torch.bincount(labels.flatten() * count + said.flatten(), minlength=count * count)
    found: dict[str, Any] = {"confusion": table.view(count, count).tolist()}
    if labels.ndim > 1 or len(task.sample.shape) != 3:
        return found  # no picture shows a class of a step, or a signal
    wrong = (said != labels).nonzero().flatten().tolist()
    chosen = [wrong[at] for at in np.unique(np.linspace(0, len(wrong) - 1, min(WRONG, len(wrong))).astype(int))]
    pictures = [picture(codes.numpy(), task) for codes in _codes(part, chosen)] if chosen else []
    found["wrong"] = [
        {"index": index, "label": int(labels[index]), "said": int(said[index]), "pixels": packed(pixels)}
        for index, pixels in zip(chosen, pictures, strict=True)
    ]
    return found


def picture(codes: NDArray[np.uint8], task: Task) -> NDArray[np.uint8]:
    """A sample as a small picture ``uint8 [C, H, W]``; the steps of a train are added up, and its brightest is 255."""
    if codes.ndim == 4:
        levels = np.abs(codes.astype(np.int64) + task.sample.lo).sum(0)
        codes = (255 * levels / max(1, levels.max())).astype(np.uint8)
    return smaller(codes, SIDE)


def smaller(codes: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Means of squares of pixels ``[C, H, W]``, so many that the longer side is about ``side``."""
    by = -(-max(codes.shape[1:]) // side)
    rows, columns = (max(1, length // by) * by for length in codes.shape[1:])
    if by == 1 or min(codes.shape[1:]) < by:
        return codes
    cut = codes[:, :rows, :columns].reshape(len(codes), rows // by, by, columns // by, by)
    return cut.mean((2, 4)).round().astype(np.uint8)


def _histogram(values: NDArray[Any], least: float, most: float) -> dict[str, Any]:
    """Counts between the ends, and how many lie beyond either."""
    counts, _ = np.histogram(values, BINS, (least, most))
    beyond = {"below": int((values < least).sum()), "above": int((values > most).sum())}
    return {"lo": least, "hi": most, "counts": counts.tolist(), **beyond}


def _weights(model: nn.Module) -> dict[str, Any]:
    """Weights of each layer: how many have each integer, or, of floats, where they lie."""
    found: dict[str, Any] = {}
    for name, layer in synapses(model).items():
        quantizer = weight_quantizer(layer)
        if quantizer is None:
            values = layer.weight.detach().float().cpu().numpy()
            most = float(np.abs(values).max()) or 1.0
            found[name] = _histogram(values, -most, most)
            continue
        own: Any = layer.parametrizations
        every = quantizer.codes(own.weight.original).round().long().cpu()
        codes, counts = every.unique(return_counts=True)
        if len(codes) <= MOST_CODES:
            found[name] = {"codes": codes.tolist(), "counts": counts.tolist()}
        else:
            found[name] = _histogram(every.numpy(), float(codes[0]), float(codes[-1])) | {"integers": True}
    return found


def _membranes(model: nn.Module, codes: Tensor) -> dict[str, Any]:
    """Potentials of each layer before it fires, in units of its threshold, over all steps; and beyond what it fires.

    A neuron that charges by no part of its own (`BaseNode.integrate`) shows none.
    """
    nodes = {name: module for name, module in model.named_modules() if isinstance(module, BaseNode)}
    kept: dict[str, list[NDArray[Any]]] = {name: [] for name in nodes}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            values = output.flatten()
            by = -(-values.numel() // MEMBRANE_VALUES)
            kept[name].append(values[::by].float().cpu().numpy())

        return hook

    hooks = [node.integrate.register_forward_hook(keep(name)) for name, node in nodes.items()]
    try:
        model(codes)
    finally:
        for each in hooks:
            each.remove()
    found = {}
    for name, parts in kept.items():
        if parts:
            node = nodes[name]
            fires = node.staircase
            values = np.concatenate(parts) / float(fires.v_threshold)
            least, most = (float(end) for end in np.quantile(values, (0.002, 0.998)))
            found[name] = _histogram(values, min(least, 0.0), max(most, 1.25))
            if isinstance(node, ComposedNode) and node.scale is not None:  # others fire by more than their potential
                found[name]["fires"] = [1 - fires.shift, *[-fires.shift] * (fires.lo < 0)]
    return found


def _trains(model: nn.Module, graph: Graph, codes: Tensor, task: Task) -> dict[str, Any] | None:
    """The spikes of one sample, of some neurons of each layer of several steps; ``None`` where none has several."""
    trained = [node.name for node in graph.neurons() if graph.edges[node.name].T > 1]
    if not trained:
        return None
    sent: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    hooks = [
        modules[name].register_forward_hook(lambda _, __, out, name=name: sent.update({name: out[:, 0]}))
        for name in trained
    ]
    try:
        model(codes)
    finally:
        for each in hooks:
            each.remove()
    if not sent:
        return None
    cells = CELLS // max(1, sum(min(STEPS, len(out)) for out in sent.values()))
    rows = min(max(cells, ROWS[0]), ROWS[1])
    layers = [_layer_train(name, _level(out, channel_scales(graph, name)), rows) for name, out in sent.items()]
    found: dict[str, Any] = {"sample": 0, "layers": layers}
    sample, own = task.sample, codes[0].cpu().numpy()
    if sample.T > 1 and len(sample.shape) == 3:
        frames = np.abs(own[:16].astype(np.int64) + sample.lo)
        frames = (255 * frames / max(1, frames.max())).astype(np.uint8)
        found["frames"] = [packed(smaller(frame, SIDE)) for frame in frames]
    elif len(sample.shape) == 3:
        found["frames"] = [packed(picture(own, task))]
    return found


def _level(sent: Tensor, scales: Tensor | None) -> NDArray[np.int64]:
    """Levels ``[T, neurons]``; where their value is not known, signs."""
    if scales is None:
        return sent.sign().flatten(1).to(torch.int64).cpu().numpy()
    each = scales.to(sent.device, torch.float32).view(1, -1, *(1 for _ in sent.shape[2:]))
    return (sent.float() / each).round().flatten(1).to(torch.int64).cpu().numpy()


def _layer_train(name: str, levels: NDArray[np.int64], rows: int) -> dict[str, Any]:
    """Some of the neurons that fired, a character a step: ``.`` is silence, ``1`` to ``9``, below 0 ``a`` to ``i``."""
    fired = np.flatnonzero(levels.any(0))
    shown = fired[np.unique(np.linspace(0, len(fired) - 1, min(rows, len(fired))).astype(int))] if len(fired) else fired
    cut = levels[:STEPS, shown].clip(-9, 9)
    signs = np.array(list("ihgfedcba.123456789"))
    return {
        "name": name,
        "neurons": int(levels.shape[1]),
        "fired": len(fired),
        "T": int(levels.shape[0]),
        "spikes": [int(count) for count in (levels[:STEPS] != 0).sum(1)],
        "rows": ["".join(row) for row in signs[cut.T + 9]],
        "neuron": shown.tolist(),
    }


def _boxes(task: Detect, graph: Graph, part: Any, found: tuple[Boxes, ...]) -> dict[str, Any]:
    """The first images as networks read them, and in their pixels the boxes that are wanted and those found."""
    head = task.head([graph.edges[node.name].shape for node in graph.readouts()])
    rows = []
    for index, boxes in enumerate(found[:BOXED]):
        fitted, codes = part.fitted[index], _codes(part, [index])[0].numpy()
        boxes = in_probability(boxes, head)
        sure = boxes[boxes.scores >= SURE] if boxes.scores is not None else boxes
        rows.append(
            {
                "index": index,
                "size": list(codes.shape[1:]),
                "jpeg": _jpeg(codes),
                "wanted": _plain(fitted.inside(part.boxes[index])),
                "found": _plain(fitted.inside(sure)),
            }
        )
    return {"lowest": SURE, "images": rows}


def _jpeg(codes: NDArray[np.uint8]) -> str:
    """An image ``[3, H, W]`` in base64; a data set of boxes was read by Pillow, so that it is there."""
    image, out = require("PIL.Image", "data").fromarray(codes.transpose(1, 2, 0)), io.BytesIO()
    image.thumbnail((BOXED_SIDE, BOXED_SIDE))
    image.save(out, "JPEG", quality=QUALITY)
    return base64.b64encode(out.getvalue()).decode()


def _plain(boxes: Boxes) -> list[Mapping[str, Any]]:
    scores = [None] * len(boxes) if boxes.scores is None else [round(float(score), 3) for score in boxes.scores]
    return [
        {"xyxy": [round(float(edge), 1) for edge in sides], "label": int(label), "score": score}
        for sides, label, score in zip(boxes.xyxy, boxes.labels, scores, strict=True)
    ]
