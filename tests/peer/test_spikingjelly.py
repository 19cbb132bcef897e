"""Our neurons against SpikingJelly 2.0's: the same spikes, and gradients within 1e-6, over many configurations.

Half of the currents lie on a coarse grid, so that potentials meet the threshold exactly and ties are compared too.
"""

from pathlib import Path
from random import Random

import pytest
import torch
from torch import Tensor, nn

from bitspike.neurons import ATan, IFNode, LIFNode, ParametricLIFNode, Sigmoid

pytestmark = pytest.mark.peer
REASON = "spikingjelly is not installed here: `make test-peers` makes an environment that has it"
peer = pytest.importorskip("spikingjelly.activation_based.neuron", reason=REASON, exc_type=ImportError)
peer_surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate", reason=REASON, exc_type=ImportError)
peer_functional = pytest.importorskip("spikingjelly.activation_based.functional", reason=REASON, exc_type=ImportError)

KINDS = {
    "if": (IFNode, peer.IFNode),
    "lif": (LIFNode, peer.LIFNode),
    "plif": (ParametricLIFNode, peer.ParametricLIFNode),
}
SURROGATES = [(ATan, peer_surrogate.ATan), (Sigmoid, peer_surrogate.Sigmoid)]


def twins(kind: str, T: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """The same neuron from both, its constants drawn by ``seed``."""
    draw = Random(seed)
    alpha = draw.choice([0.5, 1.0, 2.0, 4.0])
    v_threshold = draw.choice([1.0, 0.5, 0.3, draw.uniform(0.1, 2.0)])
    options = {
        "v_threshold": v_threshold,
        "v_reset": draw.choice([None, None, 0.0, 0.0, -0.5, draw.uniform(-1.0, v_threshold - 0.05)]),
        "detach_reset": draw.random() < 0.5,
    }
    if kind != "if":
        tau = draw.choice([2.0, 4.0, 1.25, draw.uniform(1.05, 10.0)])
        options |= {"tau" if kind == "lif" else "init_tau": tau, "decay_input": draw.random() < 0.5}
    (our_surrogate, their_surrogate), (ours, theirs) = draw.choice(SURROGATES), KINDS[kind]
    return (
        ours(T, **options, surrogate_function=our_surrogate(alpha)),
        theirs(**options, surrogate_function=their_surrogate(alpha), step_mode="m"),
    )


def currents(T: int, seed: int, dtype: torch.dtype) -> Tensor:
    x = 3 * torch.randn(T, 64, 9, generator=torch.Generator().manual_seed(seed))
    return (x if seed % 2 else (x * 2).round() / 2).to(dtype)


def run(node: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Spikes, the gradient of their weighted sum with respect to the current, and to the parameters."""
    x = x.clone().requires_grad_()
    spikes = node(x)
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(1)).to(x.dtype)
    to_current, *to_parameters = torch.autograd.grad((spikes * weights).mean(1).sum(), [x, *node.parameters()])
    return spikes.detach(), to_current, to_parameters


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("kind", KINDS)
def test_spikes_are_equal_and_gradients_within_1e_6(kind, seed):
    T = 1 + seed % 8
    ours, theirs = twins(kind, T, seed)
    for dtype in (torch.float32, torch.float64):
        x = currents(T, seed, dtype)
        ours.to(dtype)
        peer_functional.reset_net(theirs.to(dtype))
        spikes, to_current, to_parameters = run(ours, x)
        their_spikes, their_gradient, their_parameters = run(theirs, x)
        assert torch.equal(spikes, their_spikes)
        torch.testing.assert_close(to_current, their_gradient, rtol=0, atol=1e-6)
        torch.testing.assert_close(to_parameters, their_parameters, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", KINDS)
def test_spikes_are_equal_in_bfloat16(kind, seed):
    ours, theirs = twins(kind, 4, seed)
    x = currents(4, seed, torch.bfloat16)
    assert torch.equal(ours.to(x.dtype)(x), theirs.to(x.dtype)(x))


@pytest.mark.parametrize("kind", KINDS)
def test_the_comparison_sees_another_neuron(kind):
    x = currents(4, 0, torch.float32)
    for a, b in [(0, 1), (2, 3)]:
        ours, theirs = twins(kind, 4, a)[0], twins(kind, 4, b)[1]
        spikes, gradient, _ = run(ours, x)
        their_spikes, their_gradient, _ = run(theirs, x)
        assert not torch.equal(spikes, their_spikes)
        assert (gradient - their_gradient).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_most_configurations_fire_and_rest(kind):
    rates = [run(twins(kind, 8, seed)[0], currents(8, seed, torch.float32))[0].mean().item() for seed in range(60)]
    assert sum(0.02 < rate < 0.9 for rate in rates) >= 45


@pytest.mark.parametrize("net", ["convnet", "resnet8-thin"])
@pytest.mark.parametrize("T", [1, 3])
@pytest.mark.parametrize("order", ["channels first", "channels last"])
def test_whole_networks_of_the_benchmark_are_equal(net, T, order, monkeypatch):
    """In float32. In bfloat16 ours keep their potentials in float32 (ADR-0018), which SpikingJelly's do not."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    benchmark = pytest.importorskip("train_step")
    torch.manual_seed(T)
    made = benchmark.contenders(net, T, False, 2, "cpu", order)
    ours, theirs = made["bitspike_repeated"], made["spikingjelly"]
    assert benchmark.equal_logits(ours, theirs)
    assert not benchmark.equal_logits(ours, made["ann"])
    for contender in (ours, theirs):
        contender.step()
    gradients = [[p.grad for p in contender.model.parameters()] for contender in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
