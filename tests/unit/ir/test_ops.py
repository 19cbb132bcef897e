"""Every op: the edge that it infers, what it refuses, and shapes equal to those of PyTorch's own layers."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from bitspike.errors import UserError
from bitspike.ir import (
    Add,
    Affine,
    Concat,
    Conv,
    Edge,
    Fire,
    Input,
    Linear,
    MatMul,
    MaxPool,
    Permute,
    Readout,
    Relu,
    Reshape,
    Slice,
    SpikingMaxPool,
    SumPool,
    SumTime,
    Times,
    TokenLinear,
    Upsample,
)
from bitspike.ir.ops import Node

spikes = Edge(shape=(4, 6, 8), T=3, lo=0, hi=3, scale=0.5)
signed = Edge(shape=(4, 6, 8), T=3, lo=-1, hi=1, scale=0.5)
currents = Edge(shape=(4, 6, 8), T=3)
flat = Edge(shape=(5,), T=3, lo=0, hi=1, scale=1.0)
one = {"name": "op", "inputs": ("x",)}
two = {"name": "op", "inputs": ("x", "y")}
conv = {**one, "out_channels": 6, "weight_bits": 4, "kernel_size": (3, 3)}
pool = {**one, "kernel_size": (2, 2), "stride": (2, 2)}
sides = st.tuples(st.integers(1, 9), st.integers(1, 9))
small = st.tuples(st.integers(1, 3), st.integers(1, 3))


@pytest.mark.parametrize(
    ("op", "edges", "result"),
    [
        (Input(name="x", inputs=(), edge=spikes), [], spikes),
        (Conv(**conv), [spikes], Edge(shape=(6, 4, 6), T=3)),
        (Conv(**conv, padding=(1, 0), stride=(2, 1), groups=2), [spikes], Edge(shape=(6, 3, 6), T=3)),
        (Linear(**one, out_channels=7, weight_bits=1), [flat], Edge(shape=(7,), T=3)),
        (Linear(**one, out_channels=7, weight_bits=1), [spikes], Edge(shape=(7, 6, 8), T=3)),
        (TokenLinear(**one, out_channels=7, weight_bits=1), [spikes], Edge(shape=(4, 6, 7), T=3)),
        (
            MatMul(**two, inner=8),
            [spikes, Edge(shape=(4, 8, 2), T=1, lo=-2, hi=1, scale=0.25)],
            Edge(shape=(4, 6, 2), T=3, lo=-48, hi=24, scale=0.125),
        ),
        (MatMul(**two, inner=8), [spikes, Edge(shape=(4, 8, 2), T=3)], Edge(shape=(4, 6, 2), T=3)),
        (Permute(**one, axes=(2, 0, 1)), [signed], Edge(shape=(8, 4, 6), T=3, lo=-1, hi=1, scale=0.5)),
        (Times(**one, factor=0.125), [signed], Edge(shape=(4, 6, 8), T=3, lo=-1, hi=1, scale=0.0625)),
        (Times(**one, factor=0.125), [currents], currents),
        (Affine(**one), [spikes], currents),
        (Relu(**one), [spikes], currents),
        (Fire(**one, T=3, lo=0, hi=7, scale=0.25), [currents], Edge(shape=(4, 6, 8), T=3, lo=0, hi=7, scale=0.25)),
        (Fire(**one, T=5, lo=-1, hi=1), [Edge(shape=(2,), T=1)], Edge(shape=(2,), T=5, lo=-1, hi=1)),
        (Add(name="op", inputs=("x", "y")), [spikes, signed], Edge(shape=(4, 6, 8), T=3, lo=-1, hi=4, scale=0.5)),
        (Add(name="op", inputs=("x", "y")), [spikes, currents], currents),
        (Add(name="op", inputs=("x", "y")), [currents, Edge(shape=(4, 6, 8), T=1)], currents),
        (SumPool(**pool), [spikes], Edge(shape=(4, 3, 4), T=3, lo=0, hi=12, scale=0.125)),
        (SumPool(**pool), [signed], Edge(shape=(4, 3, 4), T=3, lo=-4, hi=4, scale=0.125)),
        (SumPool(**pool), [currents], Edge(shape=(4, 3, 4), T=3)),
        (SumTime(**one), [spikes], Edge(shape=(4, 6, 8), T=1, lo=0, hi=9, scale=0.5 / 3)),
        (SumTime(**one), [signed], Edge(shape=(4, 6, 8), T=1, lo=-3, hi=3, scale=0.5 / 3)),
        (SumTime(**one), [Edge(shape=(2,), T=4, lo=1, hi=2)], Edge(shape=(2,), T=1, lo=4, hi=8)),
        (SumTime(**one), [currents], Edge(shape=(4, 6, 8), T=1)),
        (MaxPool(**pool), [signed], Edge(shape=(4, 3, 4), T=3, lo=-1, hi=1, scale=0.5)),
        (SpikingMaxPool(**pool), [signed], Edge(shape=(4, 3, 4), T=3, lo=-1, hi=1, scale=0.5)),
        (SpikingMaxPool(**pool), [currents], Edge(shape=(4, 3, 4), T=3)),
        (Reshape(**one, shape=(2, 96)), [signed], Edge(shape=(2, 96), T=3, lo=-1, hi=1, scale=0.5)),
        (Concat(**two), [spikes, signed], Edge(shape=(8, 6, 8), T=3, lo=-1, hi=3, scale=0.5)),
        (
            Concat(name="op", inputs=("x", "y", "z")),
            [spikes, Edge(shape=(1, 6, 8), T=1, lo=-2, hi=1, scale=0.25), signed],
            Edge(shape=(9, 6, 8), T=3, lo=-2, hi=3),
        ),
        (Concat(**two), [spikes, currents], Edge(shape=(8, 6, 8), T=3)),
        (Concat(**two), [flat, flat], Edge(shape=(10,), T=3, lo=0, hi=1, scale=1.0)),
        (Slice(**one, start=1, stop=3), [signed], Edge(shape=(2, 6, 8), T=3, lo=-1, hi=1, scale=0.5)),
        (Slice(**one, start=4, stop=5), [flat], Edge(shape=(1,), T=3, lo=0, hi=1, scale=1.0)),
        (Upsample(**one, factor=(2, 3)), [signed], Edge(shape=(4, 12, 24), T=3, lo=-1, hi=1, scale=0.5)),
        (Upsample(**one, factor=(1, 3)), [Edge(shape=(4, 6), T=1)], Edge(shape=(4, 18), T=1)),
        (Readout(**one), [flat], Edge(shape=(5,), T=1)),
        (Readout(**one), [signed], Edge(shape=(4, 6, 8), T=1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Node) else "",
)
def test_the_edge_that_comes_out(op, edges, result):
    assert op.arity in (None, len(edges))
    assert op.infer(*edges) == result


def test_sums_of_different_steps_are_not_on_one_grid():
    half = Edge(shape=(2,), T=1, lo=0, hi=1, scale=0.5)
    whole = Edge(shape=(2,), T=1, lo=0, hi=1, scale=1.0)
    unknown = Edge(shape=(2,), T=1, lo=0, hi=1)
    add = Add(name="op", inputs=("x", "y"))
    assert add.infer(half, whole) == add.infer(unknown, unknown) == half.unquantized()


@pytest.mark.parametrize(
    ("op", "edges", "says"),
    [
        (Conv(**conv), [flat], r"conv op: got \(5,\); wants an input of shape \(C, H, W\)"),
        (Conv(**conv, groups=3), [spikes], "conv op: got 4; .* divide into 3 groups"),
        (Conv(**{**conv, "kernel_size": (3, 9)}), [spikes], r"conv op: .* 3x9 window is larger .* padded by \(0, 0\)"),
        (Conv(**conv, dilation=(3, 1)), [spikes], "conv op: .* 7x3 window is larger"),
        (MatMul(**two, inner=6), [spikes, Edge(shape=(4, 8, 6), T=3)], r"matmul op: .* wants \(\.\., M, 6\)"),
        (MatMul(**two, inner=8), [spikes, Edge(shape=(3, 8, 6), T=3)], "matmul op: .* of as many heads"),
        (MatMul(**two, inner=8), [spikes, Edge(shape=(4, 8, 6), T=2)], "matmul op: .* of one T"),
        (MatMul(**two, inner=8), [spikes, Edge(shape=(8, 6), T=3)], "matmul op: .* of one T"),
        (MatMul(**two, inner=5), [flat, flat], "matmul op: .* of one T"),
        (Concat(**two), [spikes, flat], "concat op: .* differ in their channels alone"),
        (Concat(**two), [spikes, Edge(shape=(4, 6, 8), T=2)], "concat op: .* of one T"),
        (Slice(**one, start=1, stop=5), [spikes], "slice op: .* a range of the 4 channels"),
        (Upsample(**one, factor=(2, 2)), [flat], r"upsample op: .* of shape \(C, H, W\)"),
        (Upsample(**one, factor=(2, 2)), [Edge(shape=(4, 6), T=1)], "upsample op: .* wants one row of a signal"),
        (Permute(**one, axes=(1, 0)), [spikes], "permute op: .* wants the 3 axes"),
        (Fire(**one, T=2, lo=0, hi=1), [currents], "fire op: got '3 steps'; wants T=2"),
        (Add(name="op", inputs=("x", "y")), [spikes, flat], "add op: .* one shape and T"),
        (Add(name="op", inputs=("x", "y")), [spikes, Edge(shape=(4, 6, 8), T=2)], "add op: .* one shape and T"),
        (SumPool(**pool), [flat], "sumpool op: .* wants an input of shape"),
        (MaxPool(**{**pool, "kernel_size": (7, 2)}), [spikes], "maxpool op: .* 7x2 window is larger"),
        (Reshape(**one, shape=(2, 95)), [spikes], "reshape op: .* wants 192 elements"),
    ],
)
def test_inputs_that_do_not_fit(op, edges, says):
    with pytest.raises(UserError, match=says):
        op.infer(*edges)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Conv, {**conv, "out_channels": 0}),
        (Conv, {**conv, "weight_bits": 0}),
        (Conv, {**conv, "weight_bits": 17}),
        (Conv, {**conv, "kernel_size": (0, 3)}),
        (Conv, {**conv, "stride": (1, 0)}),
        (Conv, {**conv, "padding": (-1, 0)}),
        (Conv, {**conv, "dilation": (0, 1)}),
        (Conv, {**conv, "groups": 0}),
        (Linear, {**one, "out_channels": 0, "weight_bits": 1}),
        (SumPool, {**pool, "kernel_size": (0, 2)}),
        (MaxPool, {**pool, "stride": (0, 2)}),
        (SpikingMaxPool, {**pool, "padding": (2, 0)}),
    ],
)
def test_constants_that_make_no_op(kind, fields):
    with pytest.raises(UserError, match=f"{kind.__name__.lower()} op: got"):
        kind(**fields)


@given(
    side=sides,
    groups=st.integers(1, 3),
    per_group=small,
    kernel=small,
    stride=small,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=small,
)
def test_convolution_by_brute_force(side, groups, per_group, kernel, stride, padding, dilation):
    """Shape of PyTorch's layer; multiplications and fan-out from walking over every output and tap."""
    channels, out_channels = (groups * count for count in per_group)
    assume(all(s + 2 * p > d * (k - 1) for s, p, d, k in zip(side, padding, dilation, kernel, strict=True)))
    edge = Edge(shape=(channels, *side), T=1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = nn.Conv2d(channels, out_channels, kernel, bias=False, device="meta", **options)
    op = Conv(**one, out_channels=out_channels, weight_bits=1, kernel_size=kernel, **options)
    result = layer(torch.empty(2, *edge.shape, device="meta"))
    assert op.infer(edge).shape == result.shape[1:]
    assert op.weight_count(edge) == layer.weight.numel()

    macs, fed = 0, torch.zeros(edge.shape, dtype=torch.int64)
    for o in range(out_channels):
        group = o // per_group[1]
        for i in range(result.shape[2]):
            for j in range(result.shape[3]):
                for a in range(kernel[0]):
                    for b in range(kernel[1]):
                        macs += per_group[0]
                        y = i * stride[0] - padding[0] + a * dilation[0]
                        x = j * stride[1] - padding[1] + b * dilation[1]
                        if 0 <= y < side[0] and 0 <= x < side[1]:
                            fed[group * per_group[0] : (group + 1) * per_group[0], y, x] += 1
    assert op.macs(edge) == macs
    assert torch.equal(torch.from_numpy(op.fan_out(edge)).expand(edge.shape), fed)


@given(st.integers(1, 50), st.integers(1, 50))
def test_linear_by_its_weight(features, out_channels):
    edge, op = Edge(shape=(features,), T=1), Linear(**one, out_channels=out_channels, weight_bits=1)
    weight = nn.Linear(features, out_channels, device="meta").weight
    assert op.weight_count(edge) == op.macs(edge) == weight.numel()
    assert op.fan_out(edge).tolist() == [out_channels]


@given(sides, small, small, st.data())
def test_pools_have_the_shape_of_pytorch(side, kernel, stride, data):
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    assume(all(s + 2 * p >= k for s, p, k in zip(side, padding, kernel, strict=True)))
    edge = Edge(shape=(2, *side), T=1)
    for op, layer in ((SumPool, nn.AvgPool2d), (MaxPool, nn.MaxPool2d), (SpikingMaxPool, nn.MaxPool2d)):
        shape = op(**one, kernel_size=kernel, stride=stride, padding=padding).infer(edge).shape
        assert shape == layer(kernel, stride, padding)(torch.empty(1, *edge.shape)).shape[1:]
