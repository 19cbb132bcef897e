"""Fewer bits after the point: narrower integers, nearly the same levels; the usual file where none are asked for."""

import numpy as np
import pytest
import torch
from torch import nn

from bitspike import UserError, recipes
from bitspike.backends import oracle
from bitspike.backends.verilog import to_verilog
from bitspike.ir import Affine, Fire
from bitspike.lowering import freeze
from bitspike.training import override
from bitspike.training.setup import make_model

SAMPLE = (1, 8, 8)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    made = make_model(override(recipes.recipe("digits-convnet"), ["channels=4,8,8", "bits=4/2/2"]))
    for _ in range(3):
        made.train()(torch.randint(0, 256, (64, *SAMPLE), dtype=torch.uint8))
    return made.eval()


@pytest.mark.parametrize("bits", [7, 8, 12])
def test_no_more_bits_than_are_wanted(model: nn.Module, bits: int) -> None:
    net, usual = freeze(model, SAMPLE, fraction_bits=bits), freeze(model, SAMPLE)
    affine = [node for node in net.graph.nodes if isinstance(node, Affine)]
    fires = [node for node in net.graph.nodes if isinstance(node, Fire)]
    assert affine
    assert all(max(node.fraction_bits, node.shift) <= bits for node in affine)
    assert all(node.dynamics.fraction_bits == bits for node in fires)
    assert to_verilog(net).widths["WORD"] < to_verilog(usual).widths["WORD"]


def test_more_bits_than_fit_change_nothing(model: nn.Module) -> None:
    usual, wide = freeze(model, SAMPLE), freeze(model, SAMPLE, fraction_bits=20)
    assert usual.graph == wide.graph
    assert all(np.array_equal(usual.tensors[name], wide.tensors[name]) for name in usual.tensors)


def test_few_levels_differ_at_ten_bits(model: nn.Module) -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, *SAMPLE), np.uint8)
    usual, narrow = (oracle.run(freeze(model, SAMPLE, fraction_bits=bits), images) for bits in (None, 10))
    fires = [node.name for node in freeze(model, SAMPLE).graph.neurons()]
    assert sum(int((usual[name] != narrow[name]).sum()) for name in fires) < 0.02 * sum(usual[n].size for n in fires)


def test_so_few_that_a_multiplier_is_lost_are_refused(model: nn.Module) -> None:
    with pytest.raises(UserError, match=r"so little is left'; want .* or more --fraction-bits"):
        freeze(model, SAMPLE, fraction_bits=4)


@pytest.mark.parametrize("bits", [0, 21])
def test_others_are_refused(model: nn.Module, bits: int) -> None:
    with pytest.raises(UserError, match=f"--fraction-bits: got {bits}; want 1 to 20"):
        freeze(model, SAMPLE, fraction_bits=bits)
