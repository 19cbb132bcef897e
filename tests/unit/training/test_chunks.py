"""Long trains in chunks: the same spikes, and the same gradients or those that are cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bitspike.errors import UserError
from bitspike.layers import EventEncoder, OverTime, Recurrent, SqueezeTime
from bitspike.lowering import lower
from bitspike.neurons import LIFNode, MultiBitLIFNode
from bitspike.sample import Sample
from bitspike.training.chunks import ChunksConfig, InChunks

D = 4


class Net(nn.Module):
    """Two layers of neurons whose numbers are small multiples of powers of two: sums of them do not round."""

    def __init__(self, T: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.encoder = EventEncoder(Sample((D,), T, -1, 1))
        self.layers = nn.Sequential(
            OverTime(nn.Linear(D, 6, bias=False)),
            Recurrent(nn.Linear(6, 6, bias=False), LIFNode(T=T, tau=2.0, decay_input=False)),
            OverTime(nn.Linear(6, 5, bias=False)),
            MultiBitLIFNode(T=T, spike_bits=2),
            OverTime(nn.Linear(5, 3, bias=False)),
        )
        for parameter in self.parameters():
            parameter.data = torch.randint(-3, 7, parameter.shape, generator=generator) / 4

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.encoder(codes))
        return logits


def codes_of(T: int, seed: int = 0) -> Tensor:
    return torch.randint(3, (8, T, D), generator=torch.Generator().manual_seed(seed)).byte()


def chunked(model: Net, steps: int, gradients: str = "whole") -> InChunks:
    config = ChunksConfig.model_validate({"steps": steps, "gradients": gradients})
    return InChunks(model, lower(model, model.encoder.sample), config)


def gradients_of(model: nn.Module, net: Net, codes: Tensor, of: int | None = None) -> list[Tensor]:
    net.zero_grad()
    logits = model(codes)
    (logits if of is None else logits[of]).square().sum().backward()
    return [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(1, 14), st.integers(0, 99), st.sampled_from(["whole", "cut"]))
def test_logits_are_those_of_the_whole_train(T: int, steps: int, seed: int, gradients: str) -> None:
    net, codes = Net(T, seed), codes_of(T, seed)
    assert torch.equal(chunked(net, steps, gradients)(codes), net(codes))


def test_the_networks_of_these_tests_have_spikes_and_memory() -> None:
    """Or nothing would be compared."""
    net, codes = Net(8), codes_of(8)
    whole = net(codes)
    assert int((whole != 0).sum()) > 0
    by_itself = torch.cat([Net(4)(part) for part in codes.split(4, 1)])
    assert not torch.equal(whole, by_itself)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 10), st.integers(1, 11), st.integers(0, 99))
def test_whole_gradients_are_those_without_chunks(T: int, steps: int, seed: int) -> None:
    net, codes = Net(T, seed), codes_of(T, seed)
    ours, wanted = gradients_of(chunked(net, steps), net, codes), gradients_of(net, net, codes)
    assert len(ours) == len(wanted) == 4
    for own, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))


def test_cut_gradients_do_not_go_back_from_chunk_to_chunk() -> None:
    """Those of the last step are what a network says that starts from the state behind the earlier chunk."""
    T, steps = 6, 3
    net, codes = Net(T), codes_of(T)
    cut = gradients_of(chunked(net, steps, "cut"), net, codes, of=T - 1)
    whole = gradients_of(net, net, codes, of=T - 1)
    assert not all(torch.allclose(own, other) for own, other in zip(cut, whole, strict=True))
    within = gradients_of(chunked(net, steps, "cut"), net, codes, of=steps - 1)
    first = gradients_of(net, net, codes, of=steps - 1)
    for own, other in zip(within, first, strict=True):  # in the first chunk there is nothing to cut
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-3)
    net.zero_grad()
    first_neuron, second_neuron = net.layers[1], net.layers[3]
    state = [first_neuron.initial_state(torch.zeros(8, 6)), second_neuron.initial_state(torch.zeros(8, 5))]
    for t, levels in enumerate(net.encoder(codes)):
        if t == steps:
            state = [tuple(part.detach() for part in parts) for parts in state]
        spikes, state[0] = first_neuron.step(net.layers[0][0](levels), state[0], t)
        spikes, state[1] = second_neuron.step(net.layers[2][0](spikes), state[1], t)
    net.layers[4][0](spikes).square().sum().backward()
    for own, parameter in zip(cut, net.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad, rtol=1e-4, atol=1e-3)


def test_of_a_chunk_only_its_levels_and_the_state_at_its_start_are_kept_for_the_backward_pass() -> None:
    def kept(model: nn.Module, codes: Tensor) -> int:
        """Bytes of the tensors that a forward pass leaves for the backward one."""
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: (sizes.append(x.nbytes), x)[1], lambda x: x):
            model(codes)
        return sum(sizes)

    net, codes = Net(100), codes_of(100)
    state = 4 * 8 * (6 + 6 + 5)  # spikes and potentials of the loop, potentials of the other layer, 8 trains of floats
    at_starts, whole = kept(chunked(net, 10), codes), kept(net, codes)
    assert whole > 100 * state
    levels = 4 * codes.numel()  # which the encoder said
    assert 9 * state <= at_starts < levels + 12 * state


def test_a_lost_state_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail."""
    from bitspike.training import chunks

    net, codes = Net(8), codes_of(8)
    steps = chunks._steps

    def forgetful(module: nn.Module, start: int, states: list[tuple[Tensor, ...]], place: int, x: Tensor) -> Tensor:
        states[place] = ()
        return steps(module, start, states, place, x)

    monkeypatch.setattr(chunks, "_steps", forgetful)
    assert not torch.equal(chunked(net, 4)(codes), net(codes))


def test_the_model_is_as_it_was() -> None:
    net, codes = Net(8), codes_of(8)
    before = net(codes)
    gradients_of(chunked(net, 3), net, codes)
    assert not any("forward" in vars(module) for module in net.modules())
    assert torch.equal(net(codes), before)
    assert {*dict(chunked(net, 3).named_parameters())} == {f"model.{name}" for name, _ in net.named_parameters()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda net: net.layers.insert(1, OverTime(nn.BatchNorm1d(6))), "batch norm layers.1.0.*chunks=null"),
        (lambda net: net.layers.append(SqueezeTime()), "sum_time is no op of a step alone"),
        (lambda net: setattr(net, "encoder", EventEncoder(Sample((D,), 1, -1, 1))), "no train"),
    ],
)
def test_what_is_another_network_in_chunks_is_refused(change: object, words: str) -> None:
    net = Net(4)
    change(net)  # type: ignore[operator]
    with pytest.raises(UserError, match=words):
        chunked(net, 2)
