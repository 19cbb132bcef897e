"""Rules of what comes in, images or trains: the input, and its release over the first steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bitspike.frontend import Images
from bitspike.ir import Affine, Edge, Input, Node, Release
from bitspike.layers import Encoder, EventEncoder
from bitspike.layers import Release as ReleaseLayer
from bitspike.lowering.freezer import Freezer
from bitspike.lowering.rules.rule import RULES, Maker, Place, Reads, Rule
from bitspike.lowering.values import Integers, Kind
from bitspike.sample import Sample


def _images(module: Images, at: Place) -> Node:
    """Images that no encoder has read, unquantized."""
    return Input(name=at.name, inputs=(), edge=at.edge.unquantized())


def _encoder(m: Encoder, at: Place) -> Node:
    sample = Sample(at.edge.shape, at.edge.T, at.edge.lo or 0, at.edge.hi or 0)
    if not sample.is_image:
        raise at.refuse("encoder", str(sample), "reads 8-bit images; want a bitspike.layers.EventEncoder")
    if m.levels is not None and at.edge.shape[0] != len(m.levels.multiplier) != 1:
        raise at.refuse("encoder", f"{at.edge.shape[0]} channels", f"has mean and std of {len(m.levels.multiplier)}")
    edge = Edge(shape=at.edge.shape, T=1, lo=m.lo, hi=m.hi, scale=m.scale)
    return Input(name=at.name, inputs=(), edge=edge)


def _event_encoder(m: EventEncoder, at: Place) -> Node:
    edge = Edge(shape=m.sample.shape, T=m.sample.T, lo=m.sample.lo, hi=m.sample.hi)
    if edge != at.edge:
        given = f"{Sample(at.edge.shape, at.edge.T)} of levels {at.edge.lo}..{at.edge.hi}"
        raise at.refuse("encoder", given, f"was made for {m.sample} of levels {edge.lo}..{edge.hi}")
    return Input(name=at.name, inputs=(), edge=replace(edge, scale=m.scale))


def _freeze_input(freezer: Freezer, node: Input) -> Integers:
    edge = freezer.edge(node)
    if edge.lo is None or edge.hi is None or edge.scale is None:
        raise node.refuse("unquantized images", "wants an Encoder as the first layer")
    encoder: Any = freezer.modules[node.name]
    reach, levels = max(edge.hi, -edge.lo), getattr(encoder, "levels", None)  # normalised images alone have them
    if levels is None or levels.plain:
        freezer.emit(node)
        return Integers(node.name, edge.scale, reach)
    freezer.emit(replace(node, edge=replace(edge, lo=0, hi=255, scale=1 / 255)))
    name, channels = f"{node.name}.levels", edge.shape[0]
    freezer.tensors[f"{name}.multiplier"] = np.resize(np.array(levels.multiplier, dtype=np.int64), channels)
    freezer.tensors[f"{name}.offset"] = np.resize(np.array(levels.offset, dtype=np.int64), channels)
    freezer.emit(Affine(name=name, inputs=(), fraction_bits=0), node.name)
    return Integers(name, edge.scale, reach)


def _release(m: ReleaseLayer, at: Place) -> Node:
    return Release(name=at.name, inputs=at.inputs, T=m.T, steps=m.steps, parts=m.parts)


def _announce(freezer: Freezer, node: Release) -> None:
    freezer.release = freezer.release or node


def _freeze_release(freezer: Freezer, node: Release, read: Integers) -> Integers:
    freezer.emit(node, read.name)
    return Integers(node.name, read.scale / node.parts, read.reach * node.steps)


_BEHIND = "put it behind an Encoder"
RULES.register(
    "input",
    Rule(
        Input,
        {
            Images: Maker(_images, Reads.IMAGES),
            Encoder: Maker(_encoder, Reads.IMAGES),
            EventEncoder: Maker(_event_encoder, Reads.IMAGES),
        },
        _freeze_input,
        sends=Kind.SPIKES,
        linear=True,
    ),
)
RULES.register(
    "release",
    Rule(
        Release,
        {ReleaseLayer: Maker(_release, Reads.STEPS, _BEHIND)},
        _freeze_release,
        reads=Kind.CURRENT,
        sends=Kind.SPIKES,
        announce=_announce,
    ),
)
