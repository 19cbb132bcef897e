"""The C library's neurons beside torch's: equal spikes, gradients within 1e-6, and none taken that it does not know."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from types import MappingProxyType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike import native
from bitspike.neurons import (
    ATan,
    IFNode,
    LIFNode,
    MicroStepSigmoid,
    MultiBitLIFNode,
    MultiLevelIFNode,
    ParametricLIFNode,
    PassThrough,
    QuantLIFNode,
    Rectangle,
    Sigmoid,
    SpikingNode,
    Staircase,
    StraightThrough,
    Surrogate,
    Triangle,
    fused,
)
from bitspike.neurons.integrate import DetachedIntegrate, Integrate
from bitspike.neurons.node import BaseNode

needs_library = pytest.mark.skipif(native.library() is None, reason="no C library")
LEVELS = [one.name for one in native.Level if one == 0 or (one <= native.detected() < native.Level.neon)]
SURROGATES: dict[str, Surrogate] = {
    "atan": ATan(1.5),
    "sigmoid": Sigmoid(),
    "triangle": Triangle(0.7),
    "rectangle": Rectangle(1.25),
    "straight-through": StraightThrough(),
    "pass-through": PassThrough(),
    "micro-steps": MicroStepSigmoid(),
    "micro-steps summed": MicroStepSigmoid(detach_reset=True),
}
Make = Callable[[int, float | None, Surrogate, bool], SpikingNode]


def detached(T: int, v_reset: float | None, gradient: Surrogate, detach: bool) -> SpikingNode:
    return SpikingNode(
        T=T,
        integrate=DetachedIntegrate(3.0),
        staircase=Staircase(0.6, -2, 3, shift=0.5, scale=0.3),
        surrogate_function=gradient,
        v_reset=v_reset,
        detach_reset=detach,
    )


def scaled(T: int, v_reset: float | None, gradient: Surrogate, detach: bool) -> SpikingNode:
    node = MultiBitLIFNode(T, 1, 2.0, 0.7, v_reset, gradient, detach)
    assert node.staircase.scale == 0.7  # one bit, and a spike that is not 1
    return node


def shifted(T: int, v_reset: float | None, gradient: Surrogate, detach: bool) -> SpikingNode:
    return SpikingNode(
        T=T,
        integrate=Integrate(0.9),
        staircase=Staircase(0.8, shift=0.5),
        surrogate_function=gradient,
        v_reset=v_reset,
        detach_reset=detach,
    )


NODES: dict[str, Make] = {
    "if": lambda T, v, s, d: IFNode(T, 0.8, v, s, d),
    "lif": lambda T, v, s, d: LIFNode(T, 2.0, True, 1.0, v, s, d),
    "lif tau 3": lambda T, v, s, d: LIFNode(T, 3.0, True, 0.7, v, s, d),
    "lif, input stays": lambda T, v, s, d: LIFNode(T, 3.0, False, 0.7, v, s, d),
    "plif": lambda T, v, s, d: ParametricLIFNode(T, 2.5, True, 1.0, v, s, d),
    "plif, input stays": lambda T, v, s, d: ParametricLIFNode(T, 2.5, False, 1.0, v, s, d),
    "multi-bit": lambda T, v, s, d: MultiBitLIFNode(T, 3, 3.0, 0.3, v, s, d),
    "one bit of its own value": scaled,
    "multi-level": lambda T, v, s, d: MultiLevelIFNode(T, 7, 0.7, s, d),
    "one bit, rounded": shifted,
    "signed, detached": detached,
    "quant-lif in floats": lambda T, v, s, d: QuantLIFNode(T, None, 2.0, 1.0, v, s, d),
}


def learned(node: SpikingNode, run: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> dict[str, Tensor]:
    """Spikes and all gradients of one call."""
    x = x.detach().requires_grad_()
    node.zero_grad()
    spikes = run(x)
    spikes.backward(grad)
    return {"spikes": spikes.detach(), "current": x.grad} | {n: p.grad for n, p in node.named_parameters()}  # type: ignore[dict-item]


def differences(
    node: SpikingNode,
    x: Tensor,
    grad: Tensor,
    twin: SpikingNode | None = None,
    bits: Mapping[str, float] = MappingProxyType({}),
) -> list[str]:
    """Where one call of the library is not what torch's steps are: any spike, a gradient by 1e-6 of the largest.

    Of random draws, whose slopes and sums are of any size, `last_bits` are allowed too.
    """
    ours = learned(node, partial(SpikingNode.forward, node), x, grad)
    theirs = learned(twin or node, partial(BaseNode.forward, twin or node), x, grad)
    found = [] if torch.equal(ours.pop("spikes"), theirs.pop("spikes")) else ["spikes"]
    for name, gradient in theirs.items():
        allowed = 1e-6 * max(1.0, float(gradient.abs().max()))
        if name.endswith("w"):  # torch adds it up in float32
            allowed = 1e-5 * max(1.0, float(grad.abs().sum()) ** 0.5)
        if not torch.allclose(ours[name], gradient, rtol=0, atol=allowed + bits.get(name, 0.0)):
            found.append(name)
    return found


def last_bits(node: SpikingNode, x: Tensor, grad: Tensor) -> dict[str, float]:
    """How far torch's own gradients in float32 are from those in double, and these from those of currents that are
    another bit larger; nothing where that makes other spikes."""
    wide = deepcopy(node).double()
    theirs = learned(node, partial(BaseNode.forward, node), x, grad)
    exact = learned(wide, partial(BaseNode.forward, wide), x.double(), grad.double())
    nudged = learned(wide, partial(BaseNode.forward, wide), x.double() * (1 + 2**-22), grad.double())
    if not all(torch.allclose(one["spikes"].float(), theirs["spikes"]) for one in (exact, nudged)):
        return {}
    own = {name: (exact[name] - theirs[name]).abs() + (nudged[name] - exact[name]).abs() for name in exact}
    return {name: float(off.max()) for name, off in own.items()}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@needs_library
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("gradient", SURROGATES.values(), ids=SURROGATES)
@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_every_neuron_and_gradient_equals_torch(monkeypatch, make, gradient, level):
    monkeypatch.setenv(native.VARIABLE, level)
    for v_reset in (0.0, None, 0.25):
        for detach in (False, True):
            node = make(4, v_reset, gradient, detach)
            for steps in (1, 4):
                x, grad = 1.5 * random(steps, 7, 163), random(4, 7, 163, seed=1)
                assert fused.steps(node, x) is not None
                assert differences(node, x, grad) == []


@needs_library
@given(
    make=st.sampled_from(list(NODES.values())),
    gradient=st.sampled_from(list(SURROGATES.values())),
    T=st.integers(1, 9),
    held=st.booleans(),
    shape=st.lists(st.integers(0, 9), min_size=0, max_size=4),
    v_reset=st.sampled_from([0.0, None, 0.25]),
    detach=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_shape_and_number_of_steps(make, gradient, T, held, shape, v_reset, detach, seed):
    node = make(T, v_reset, gradient, detach)
    x, grad = random(1 if held else T, *shape, seed=seed), random(T, *shape, seed=seed + 1)
    if x.numel():
        assert differences(node, x, grad, bits=last_bits(node, x, grad)) == []
    else:
        assert node(x).shape == grad.shape


@needs_library
def test_the_comparison_sees_a_wrong_threshold_and_a_wrong_slope():
    x, grad = random(4, 50), random(4, 50, seed=1)
    right = LIFNode(4, surrogate_function=ATan())
    assert differences(right, x, grad) == []
    assert differences(LIFNode(4, v_threshold=0.9, surrogate_function=ATan()), x, grad, twin=right) != []
    assert differences(LIFNode(4, surrogate_function=ATan(2.00001)), x, grad, twin=right) == ["current"]
    assert differences(ParametricLIFNode(4, 2.001), x, grad, twin=ParametricLIFNode(4, 2.0)) != []


@needs_library
@pytest.mark.parametrize("gradient", SURROGATES.values(), ids=SURROGATES)
def test_gradients_are_those_in_double(gradient):
    """Potentials here are exact in float32, so torch in double fires the same."""
    x = random(4, 5000).mul(8).round().div(8)
    grad = random(4, 5000, seed=1)
    node = LIFNode(4, tau=2.0, surrogate_function=gradient)
    double = x.double().requires_grad_()
    spikes = node(double)
    spikes.backward(grad.double())
    ours = learned(node, node, x, grad)
    assert torch.equal(ours["spikes"].double(), spikes)
    worst = float((ours["current"].double() - double.grad).abs().max())
    assert worst <= 1e-6 * max(1.0, float(double.grad.abs().max()))


@needs_library
def test_floats_are_the_same_with_any_number_of_threads_and_at_every_level(monkeypatch):
    """The learned leak too, whose gradient is a sum over the layer."""
    x, grad = random(5, 3, 70001), random(5, 3, 70001, seed=1)
    node = ParametricLIFNode(5, 2.5, surrogate_function=Sigmoid())
    seen, before = [], torch.get_num_threads()
    for level in LEVELS:
        for threads in (1, 2, 3):
            monkeypatch.setenv(native.VARIABLE, level)
            try:
                torch.set_num_threads(threads)
                seen.append(learned(node, node, x, grad))
            finally:
                torch.set_num_threads(before)
    assert all(torch.equal(one[name], seen[0][name]) for one in seen for name in one)


@needs_library
def test_channels_last_stays_channels_last():
    x = random(4 * 3, 8, 5, 6).to(memory_format=torch.channels_last).unflatten(0, (4, 3))
    grad = random(4, 3, 8, 5, 6, seed=1)
    node = LIFNode(4)
    assert node(x).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    for strided in (x, x.transpose(0, 1).contiguous().transpose(0, 1), x[..., ::2], x[:1].expand(4, 3, 8, 5, 6)):
        assert differences(node, strided, grad[..., : strided.shape[-1]]) == []


@needs_library
def test_torch_compile_keeps_it_in_one_graph(torch_compiles):
    node, x, grad = ParametricLIFNode(4, surrogate_function=ATan()), random(4, 30), random(4, 30, seed=1)
    called = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Tensor]:
        called.extend(str(one.target) for one in graph.graph.nodes if "bitspike" in str(one.target))
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)  # type: ignore[no-any-return]

    compiled = torch.compile(node, backend=backend, fullgraph=True)
    one, other = learned(node, compiled, x, grad), learned(node, node, x, grad)
    assert called == ["bitspike.neurons.default"] or called == ["bitspike.neurons"]
    assert all(torch.equal(one[name], other[name]) for name in other)
    torch._dynamo.reset()


@needs_library
def test_the_op_is_what_it_says_of_itself():
    kinds, numbers, _ = fused.described(ParametricLIFNode(3))  # type: ignore[misc]
    given = (random(3, 4).requires_grad_(), torch.tensor(0.4, requires_grad=True), None, None, kinds, numbers)
    torch.library.opcheck(torch.ops.bitspike.neurons.default, given)


@needs_library
def test_the_current_is_all_that_is_kept_for_backward():
    kept: list[Tensor] = []
    x = random(4, 100).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda one: one):  # type: ignore[func-returns-value]
        LIFNode(4)(x)
    assert [one.data_ptr() for one in kept] == [x.data_ptr()]


class Own(Sigmoid):
    """A gradient of one's own."""

    def derivative(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class Late(LIFNode):
    """A neuron of one's own, which fires later."""

    def fire(self, u: Tensor, t: int) -> Tensor:
        return super().fire(u - 0.5, t)


class Twice(nn.Identity):
    """A store of one's own."""

    def forward(self, v: Tensor) -> Tensor:
        return v * 2


def with_hook(node: LIFNode) -> LIFNode:
    node.integrate.register_forward_hook(lambda part, given, u: u + 1)
    return node


def with_patch(node: LIFNode) -> LIFNode:
    node.integrate.forward = lambda v, x: x  # type: ignore[method-assign]
    return node


def with_step(node: LIFNode) -> LIFNode:
    node.reset = lambda u, spikes: u  # type: ignore[method-assign]
    return node


def with_derivative(node: LIFNode) -> LIFNode:
    node.surrogate_function.derivative = torch.ones_like  # type: ignore[method-assign]
    return node


def with_store(node: LIFNode) -> LIFNode:
    node.store = Twice()
    return node


@pytest.mark.parametrize(
    "make",
    [
        lambda: LIFNode(4, surrogate_function=Own()),
        lambda: Late(4),
        lambda: with_hook(LIFNode(4)),
        lambda: with_patch(LIFNode(4)),
        lambda: with_step(LIFNode(4)),
        lambda: with_derivative(LIFNode(4, surrogate_function=Sigmoid())),
        lambda: with_store(LIFNode(4)),
    ],
    ids=["surrogate", "fire", "hook", "forward", "reset", "derivative", "store"],
)
def test_what_somebody_changed_runs_as_changed(make):
    node, x, grad = make(), random(4, 500), random(4, 500, seed=1)
    assert learned(node, node, x, grad).keys() == {"spikes", "current"}
    assert differences(node, x, grad) == []
    changed, plain = learned(node, node, x, grad), learned(LIFNode(4), LIFNode(4), x, grad)
    assert not all(torch.equal(changed[name], plain[name]) for name in plain)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_dtypes_run_in_torch(dtype):
    node = LIFNode(4, surrogate_function=Rectangle())
    assert fused.steps(node, random(4, 5).to(dtype)) is None
    assert node(random(4, 5).to(dtype)).dtype == dtype
    assert node(random(4, 5).to("meta")).shape == (4, 5)


def test_an_export_sees_torch():
    with torch.no_grad():
        program = torch.export.export(LIFNode(4), (random(4, 5),))
    assert "bitspike" not in str(program.graph)


def test_without_the_library_torch_runs(monkeypatch):
    x = random(4, 50)
    fast = LIFNode(4)(x)
    monkeypatch.setattr(native, "library", lambda: None)
    assert fused.steps(LIFNode(4), x) is None
    assert torch.equal(LIFNode(4)(x), fast)
