"""The multi-level neuron of paper 004: micro-steps, staircase, gradient, barrier."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike import BitPlan, Bits, UserError
from bitspike.models import build_model
from bitspike.neurons import (
    IFNode,
    MultiLevelIFNode,
    PassThrough,
    Sigmoid,
    TiedIntegrate,
    barrier,
    describe,
    make_node,
    neuron_settings,
)

THRESHOLDS = [0.5, 1.0, 2.0]


def micro_steps(currents: Tensor, N: int, v_threshold: float, detach_reset: bool = False, alpha: float = 5.0) -> Tensor:
    """The definition: charged N times, then N times compared, each spike discharging one threshold; differentiable.

    Each comparison has the sigmoid's derivative, and so has the discharge unless it is detached.
    """
    v, sent = torch.zeros_like(currents[0]), []
    for x in currents:
        for _ in range(N):
            v = v + x
        spikes = []
        for _ in range(N):
            soft = torch.sigmoid(alpha * (v - v_threshold))
            g = (v >= v_threshold).to(v.dtype) + (soft - soft.detach())
            v = v - v_threshold * (g.detach() if detach_reset else g)
            spikes.append(g)
        sent.append(sum(spikes) * (1 / N))
    return torch.stack(sent)


@given(
    st.integers(1, 8),
    st.integers(1, 4),
    st.sampled_from(THRESHOLDS),
    st.lists(st.integers(-24, 40), min_size=1, max_size=20),
)
def test_the_closed_form_is_the_micro_steps(N, T, v_threshold, sixteenths):
    currents = torch.tensor(sixteenths, dtype=torch.float64).repeat(T, 1) / 16
    currents = currents * torch.arange(1, T + 1)[:, None]  # another current at every step
    assert torch.equal(MultiLevelIFNode(T, N, v_threshold)(currents), micro_steps(currents, N, v_threshold))


@pytest.mark.parametrize("N", range(1, 9))
@pytest.mark.parametrize("T", [1, 2, 3])
@pytest.mark.parametrize("v_threshold", THRESHOLDS)
@pytest.mark.parametrize("detach_reset", [False, True])
def test_its_gradient_is_the_micro_steps(N, T, v_threshold, detach_reset):
    torch.manual_seed(N)
    x = torch.randn(T, 50, dtype=torch.float64) + 0.5
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(T, 50, dtype=torch.float64)
    (MultiLevelIFNode(T, N, v_threshold, detach_reset=detach_reset)(ours) * weights).sum().backward()
    (micro_steps(theirs, N, v_threshold, detach_reset) * weights).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("N", [2, 4, 8])
def test_detached_the_slope_of_a_nearly_silent_neuron_grows_with_the_levels(N):
    slopes = {}
    for detach_reset in (False, True):
        x = torch.tensor([[0.999 / N]], dtype=torch.float64).requires_grad_()
        MultiLevelIFNode(1, N, detach_reset=detach_reset)(x).sum().backward()
        slopes[detach_reset] = float(x.grad)
    assert slopes[True] == pytest.approx(N * 1.25, rel=1e-3)
    assert 0.5 < slopes[False] < 1.6


def test_the_comparison_of_gradients_finds_a_planted_error():
    x = torch.linspace(-1, 2, 31, dtype=torch.float64)[None].requires_grad_()
    MultiLevelIFNode(1, 4, surrogate_function=Sigmoid(5.0))(x).sum().backward()
    wrong = x.grad.clone()
    x.grad = None
    micro_steps(x, 4, 1.0).sum().backward()
    assert not torch.allclose(wrong, x.grad)


@pytest.mark.parametrize("N", range(1, 9))
@pytest.mark.parametrize("T", range(1, 5))
@pytest.mark.parametrize("v_threshold", THRESHOLDS)
def test_a_constant_current_is_decoded_to_exactly_one_of_n_times_t_plus_one_levels(N, T, v_threshold):
    """Fig. 2: level k from ``k/(N T)`` of the threshold on, saturated at the threshold."""
    steps = 16 * N * T
    k = torch.arange(-steps, 2 * steps + 1)
    x = (k.double() + 0.5) * v_threshold / steps  # sixteen points on each stair, none on its edge
    decoded = MultiLevelIFNode(T, N, v_threshold)(x[None]).double().mean(0) * N * T
    assert torch.equal(decoded.round().long(), torch.div(k, 16, rounding_mode="floor").clamp(0, N * T))
    assert len(decoded.round().unique()) == N * T + 1


@given(st.integers(1, 5), st.lists(st.integers(-32, 48), min_size=1, max_size=20))
def test_one_level_is_the_soft_reset_integrate_and_fire_neuron(T, sixteenths):
    x = torch.tensor(sixteenths)[None] / 16
    assert torch.equal(MultiLevelIFNode(T, 1)(x), IFNode(T, v_reset=None)(x))


@pytest.mark.parametrize("N", range(1, 9))
def test_at_one_step_a_barrier_clips_the_sum_of_two_spikes(N):
    a, r = torch.meshgrid(torch.arange(N + 1), torch.arange(N + 1), indexing="ij")
    total = ((a + r) / N)[None].requires_grad_()
    sent = barrier(MultiLevelIFNode(1, N))(total)
    assert torch.equal((sent * N).round().long()[0], (a + r).clamp(0, N))
    sent.sum().backward()
    assert torch.equal(total.grad, torch.ones_like(total))  # Eq. 10, also where it clips


def spikes(levels: Tensor, N: int, dtype: torch.dtype) -> Tensor:
    """What neurons of ``N`` levels send: ``z/N``, rounded as they round it."""
    return levels.to(dtype) * (1 / N)


def in_integers(sums: Tensor, unit: int, N: int) -> Tensor:
    """The barrier's levels ``[T, ...]`` of sums ``[T, ...]`` in 1/unit of a level."""
    v, sent = torch.zeros_like(sums[0]), []
    for x in sums:
        z = torch.div(v + x, unit, rounding_mode="floor").clamp(0, N)
        v = v + x - unit * z
        sent.append(z)
    return torch.stack(sent)


def levels_of(node: torch.nn.Module, x: Tensor, N: int) -> Tensor:
    return (node(x).double() * N).round().long()


@pytest.mark.parametrize("N", range(1, 33))
@pytest.mark.parametrize("T", [1, 2, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_over_its_steps_a_barrier_sends_the_levels_of_the_integers(N, T, dtype):
    """All pairs of levels at the first two steps, then any."""
    torch.manual_seed(N)
    pairs = torch.cartesian_prod(*[torch.arange(2 * N + 1)] * min(T, 2)).reshape(-1, min(T, 2)).T
    later = torch.randint(0, 2 * N + 1, (T - len(pairs), pairs.shape[1]))
    total = torch.cat([pairs, later])
    a = torch.minimum((torch.rand(total.shape) * (N + 1)).long().clamp(max=N), total).clamp(min=total - N)
    x = spikes(a, N, dtype) + spikes(total - a, N, dtype)
    assert torch.equal(levels_of(barrier(MultiLevelIFNode(T, N)), x, N), in_integers(total, 1, N))


@given(st.integers(1, 32), st.integers(1, 32), st.integers(1, 32), st.integers(1, 8), st.integers(0, 2**31))
def test_behind_spikes_of_other_levels_too(N, before, beside, T, seed):
    """A plan by layer gives the neurons before the sum, those beside them and the barrier levels of their own."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randint(0, before + 1, (T, 200), generator=generator)
    r = torch.randint(0, beside + 1, (T, 200), generator=generator)
    x = spikes(a, before, torch.float32) + spikes(r, beside, torch.float32)
    wanted = in_integers(N * (a * beside + r * before), before * beside, N)
    assert torch.equal(levels_of(barrier(MultiLevelIFNode(T, N)), x, N), wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("N", [1, 2, 3, 5, 7, 9, 15])
def test_in_half_the_width_too(N, dtype):
    torch.manual_seed(N)
    a, r = torch.randint(0, N + 1, (2, 4, 2000))
    x = spikes(a, N, dtype) + spikes(r, N, dtype)
    assert torch.equal(levels_of(barrier(MultiLevelIFNode(4, N)), x, N), in_integers(a + r, 1, N))


@pytest.mark.parametrize("sevenths", range(1, 29))
def test_a_threshold_that_is_no_whole_number_is_tied_where_it_is_reached(sevenths):
    """Sums in sevenths, a threshold of as many: its multiples fire, whatever their quotient by it rounds to."""
    node = barrier(MultiLevelIFNode(3, 7, v_threshold=sevenths / 7))
    total = torch.randint(0, 15, (3, 3000), generator=torch.Generator().manual_seed(sevenths))
    x = (total.float() / 7) / 7  # charged N = 7 times
    assert torch.equal(levels_of(node, x, 7), in_integers(total, sevenths, 7))


@pytest.mark.parametrize("N", [3, 5, 7])
def test_a_binary_barrier_behind_graded_spikes(N):
    a, r = torch.randint(0, N + 1, (2, 6, 3000), generator=torch.Generator().manual_seed(N))
    x = spikes(a, N, torch.float32) + spikes(r, N, torch.float32)
    assert torch.equal(levels_of(barrier(IFNode(6, v_reset=None)), x, 1), in_integers(a + r, N, 1))


@pytest.mark.parametrize("N", [1, 2, 4, 8, 16, 32])
def test_powers_of_two_are_what_they_were_bit_for_bit(N):
    """Spikes and gradients: their sums are exact, so that nothing is moved."""
    a, r = torch.randint(0, N + 1, (2, 8, 2000), generator=torch.Generator().manual_seed(N))
    results = []
    for node in (barrier(MultiLevelIFNode(8, N)), MultiLevelIFNode(8, N, surrogate_function=PassThrough())):
        x = (spikes(a, N, torch.float32) + spikes(r, N, torch.float32)).requires_grad_()
        sent = node(x)
        (sent * torch.arange(8)[:, None]).sum().backward()
        results.append((sent, x.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("N", [3, 7])
def test_the_gradient_of_a_barrier_is_one_where_it_snaps_too(N):
    a, r = torch.randint(0, N + 1, (2, 4, 500), generator=torch.Generator().manual_seed(N))
    gradients = []
    for dtype in (torch.float32, torch.float64):
        x = (spikes(a, N, dtype) + spikes(r, N, dtype)).requires_grad_()
        (barrier(MultiLevelIFNode(4, N))(x) * torch.arange(1, 5)[:, None]).sum().backward()
        gradients.append(x.grad.double())
    assert torch.allclose(*gradients, atol=1e-5)
    assert torch.allclose(gradients[0][-1], torch.full((500,), 4.0, dtype=torch.float64))


def test_without_it_levels_are_wrong():
    a, r = torch.randint(0, 8, (2, 4, 4000), generator=torch.Generator().manual_seed(0))
    x = spikes(a, 7, torch.float32) + spikes(r, 7, torch.float32)
    sent = levels_of(MultiLevelIFNode(4, 7), x, 7)
    assert 0 < (sent != in_integers(a + r, 1, 7)).float().mean() < 0.05


@pytest.mark.parametrize("N", [0, -1, True, 2.0])
def test_a_number_of_levels_that_is_none_is_refused(N):
    with pytest.raises(UserError, match="N: got"):
        MultiLevelIFNode(1, N)


@pytest.mark.parametrize(("levels", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4), (None, 3)])
def test_levels_and_spike_bits_agree(levels, bits):
    node = make_node(neuron_settings(kind="multi-level", levels=levels), Bits(16, bits, 1))
    assert (node.staircase.lo, node.staircase.hi) == (0, levels or 2**bits - 1)
    assert node.staircase.scale == 1 / node.staircase.hi
    assert (node.staircase.v_threshold, node.v_reset) == (1.0, None)


@pytest.mark.parametrize(("levels", "bits"), [(4, 2), (1, 2), (0, 1), (8, 3)])
def test_levels_of_another_width_are_refused(levels, bits):
    with pytest.raises(UserError, match=r"neuron.levels: got"):
        make_node(neuron_settings(kind="multi-level", levels=levels), Bits(16, bits, 1))


def test_no_other_neuron_reads_levels():
    with pytest.raises(UserError, match=r"^neuron\.levels: got 1; neuron\.kind=lif does not read it"):
        make_node(neuron_settings(kind="lif", levels=1), Bits(16, 1, 1))


def residual(name: str, plan: BitPlan) -> torch.nn.Module:
    neuron = neuron_settings(kind="multi-level", levels=4)
    return build_model(name, plan, sample=(3, 8, 8), num_classes=5, channels=(2, 2, 2, 2), neuron=neuron)


def test_a_barrier_stays_one_when_a_layer_gets_bits_of_its_own():
    plan = BitPlan(Bits(16, 3, 1), {"blocks.1.barrier": {"t": 1, "u": 8}})
    model = residual("sparse-resnet18", plan)
    assert [type(block.barrier.integrate) for block in model.blocks] == [TiedIntegrate] * 8
    surrogates = [type(block.barrier.surrogate_function) for block in model.blocks]
    assert surrogates == [PassThrough] * 8
    assert model.blocks[1].barrier.membrane_bits == 8


@pytest.mark.parametrize("N", [1, 2, 4, 8])
def test_a_stair_begins_at_its_threshold(N):
    """A tie fires: dyadic ones, so that nothing rounds."""
    x = torch.arange(N + 1) / N
    assert torch.equal(MultiLevelIFNode(1, N)(x[None])[0], x)


def test_the_ablation_differs_in_the_barriers_gradient_alone():
    torch.manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    models = []
    for name in ("sparse-resnet18", "sparse-resnet18-without-ste"):
        torch.manual_seed(1)
        models.append(residual(name, BitPlan(Bits(16, 3, 1))))
    sent = [model(images) for model in models]
    assert torch.equal(*sent)
    for out in sent:
        out.square().sum().backward()
    norms = [model.stem[0].weight.grad.norm() for model in models]
    assert norms[0] != norms[1]
    assert min(norms) > 0


def test_where_a_barrier_is_silent_the_surrogate_passes_little_and_where_it_fires_more_than_all():
    """The sums it reads are whole levels: on a threshold, where the sigmoid is steepest, or a whole one away."""
    total = torch.tensor([0.0, 0.25, 0.5])[None].requires_grad_()  # levels 0, 1 and 2 of N = 4
    MultiLevelIFNode(1, 4)(total).sum().backward()
    top, below = 5 / 4, 5 * torch.sigmoid(torch.tensor(5.0)).item() * torch.sigmoid(torch.tensor(-5.0)).item()
    above = below  # a whole level past the threshold is as far as one before it
    by_hand = [
        1 - (1 - below) ** 4,
        1 - (1 - top) * (1 - below) ** 3,
        1 - (1 - above) * (1 - top) * (1 - below) ** 2,
    ]
    assert total.grad[0].tolist() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("N", [3, 4])
def test_a_barrier_is_described_as_the_neuron_that_it_was(N):
    assert describe(barrier(MultiLevelIFNode(2, N))) == describe(MultiLevelIFNode(2, N))
