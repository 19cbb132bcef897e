"""Models of a framework that stands in this file alone: loops, steps on the first axis, states; and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import UserError
from bitspike.frameworks import FRAMEWORKS, Framework, adopt, plain
from bitspike.layers import EventEncoder
from bitspike.neurons import ATan, LIFNode
from bitspike.quant import quantize_weights
from bitspike.sample import Sample

PIXELS = torch.randint(0, 256, (6, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
FLOATS = PIXELS.float() / 255


class Leak(nn.Module):
    """A neuron that keeps its potential, or is given it; with ``many`` it takes all steps at once."""

    __module__ = "toyspikes.neurons"

    def __init__(self, tau: float = 2.0, many: bool = False, given: bool = False) -> None:
        super().__init__()
        self.tau, self.many, self.given = tau, many, given
        self.v: Tensor | None = None

    def start(self) -> Tensor:
        return torch.zeros(0)

    def one(self, x: Tensor, v: Tensor | None) -> tuple[Tensor, Tensor]:
        u = x if v is None or not v.numel() else v - v / self.tau + x
        fired = (u >= 1).float()
        return fired, u - fired

    def forward(self, x: Tensor, v: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        if self.given:
            return self.one(x, v)
        sent = []
        for one in x if self.many else [x]:
            spikes, self.v = self.one(one, self.v)
            sent.append(spikes)
        return torch.stack(sent) if self.many else sent[0]


class Dense(nn.Linear):
    __module__ = "toyspikes.layers"


class Merged(nn.Sequential):
    __module__ = "toyspikes.layers"

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Odd(nn.Module):
    __module__ = "toyspikes.neurons"


class Many(Dense):
    __module__ = "toyspikes.layers"
    many = True


class QuantLinear(nn.Linear):
    __module__ = "brevitas.nn.quant_linear"


class OwnLeak(Leak):
    """A class of the user's over the framework's."""

    __module__ = "users"


TOY = Framework(
    "toyspikes",
    neurons={"Leak": lambda node, T: LIFNode(T, node.tau, False, v_reset=None, surrogate_function=ATan())},
    layers={"Dense": plain(nn.Linear), "Many": plain(nn.Linear)},
    merged=("Merged",),
    refused={"Odd": "want Leak"},
    many_steps=lambda module: getattr(module, "many", False),
    tupled=lambda node: node.given,
)


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    with FRAMEWORKS.added("toyspikes", TOY):
        yield


def dense(*sizes: int, kind: type[nn.Linear] = nn.Linear) -> nn.Linear:
    torch.manual_seed(sum(sizes))
    made = kind(*sizes)
    nn.init.uniform_(made.weight, -0.4, 0.9)
    return made


class Loop(nn.Module):
    """The loop in the forward, and the states passed by hand."""

    def __init__(self, steps: int = 5) -> None:
        super().__init__()
        self.steps = steps
        self.fc1, self.lif1, self.fc2, self.lif2 = dense(16, 8), Leak(given=True), dense(8, 3), Leak(3.0, given=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        v1, v2, spikes, potentials = self.lif1.start(), self.lif2.start(), [], []
        for step in range(self.steps):
            s1, v1 = self.lif1(self.current(x, step), v1)
            s2, v2 = self.lif2(self.fc2(s1), v2)
            spikes.append(s2)
            potentials.append(v2)
        return torch.stack(spikes), torch.stack(potentials)

    def current(self, x: Tensor, step: int) -> Tensor:
        return self.fc1(x.flatten(1))


class Kept(nn.Module):
    """The loop in the forward, states kept by the neurons, and a sum of what they send."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.net = how, nn.Sequential(nn.Flatten(), dense(16, 8), Leak(), dense(8, 3), Leak())

    def forward(self, x: Tensor) -> Tensor:
        total = 0.0
        for _ in range(4):
            total = total + self.net(x)
        return total / 4 if self.how == "mean" else total


class AtOnce(nn.Module):
    """All steps on the first axis."""

    def __init__(self) -> None:
        super().__init__()
        parts = (Merged(dense(16, 8), nn.BatchNorm1d(8)), Leak(many=True), Many(8, 8), Leak(many=True))
        self.flat, self.net = nn.Flatten(), nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        seq = self.flat(x).unsqueeze(0).repeat(3, 1, 1)
        return self.net(seq).mean(0)


def test_a_loop_with_states_by_hand() -> None:
    theirs = Loop()
    ours = adopt(theirs)
    assert torch.equal(ours(PIXELS), theirs(FLOATS)[0])
    assert 0.05 < ours(PIXELS).mean() < 0.95
    theirs.lif2.tau = 1.5  # the comparison can fail
    assert not torch.equal(ours(PIXELS), theirs(FLOATS)[0])


def test_what_was_taken_in_is_a_copy() -> None:
    theirs = Loop()
    ours = adopt(theirs)
    with torch.no_grad():
        ours.fc1[0].weight.zero_()
    assert theirs.fc1.weight.any()


@pytest.mark.parametrize("how", ["mean", "sum"])
def test_a_loop_with_states_that_neurons_keep(how: str) -> None:
    theirs = Kept(how)
    ours = adopt(theirs)
    answer = ours(PIXELS).mean(0) if how == "mean" else ours(PIXELS).sum(0)
    torch.testing.assert_close(answer, theirs(FLOATS))


def test_one_step_whose_user_loops() -> None:
    theirs = Kept("sum").net
    ours = adopt(theirs, T=6)
    assert torch.equal(ours(PIXELS), torch.stack([theirs(FLOATS) for _ in range(6)]))


def test_all_steps_at_once() -> None:
    theirs = AtOnce().eval()
    ours = adopt(theirs)
    torch.testing.assert_close(ours(PIXELS).mean(0), theirs(FLOATS))
    assert ours(PIXELS).shape == (3, 6, 8)


class OwnSteps(Loop):
    def current(self, x: Tensor, step: int) -> Tensor:
        return self.fc1(x[step])


def test_a_train_that_is_read_step_by_step() -> None:
    theirs = OwnSteps()
    codes = torch.randint(0, 4, (6, 5, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    ours = adopt(theirs, encoder=EventEncoder(Sample((16,), 5, 0, 3)))
    assert torch.equal(ours(codes), theirs(codes.float().transpose(0, 1))[0])
    with pytest.raises(UserError, match="encoder"):
        adopt(theirs)
    with pytest.raises(UserError, match="one number of steps"):
        adopt(theirs, encoder=EventEncoder(Sample((16,), 6, 0, 3)))


def test_from_there_to_integers() -> None:
    ours = bitspike.adopt(Loop())
    assert bitspike.cost(ours, sample=(1, 4, 4)).total.macs == 16 * 8 + 8 * 3
    quantize_weights(ours, 4)
    loss = ours(PIXELS).mean()
    loss.backward()
    assert ours.fc1[0].parametrizations.weight.original.grad.any()
    frozen = bitspike.freeze(ours, sample=(1, 4, 4))
    assert bitspike.compile(frozen.net)(PIXELS.numpy()).shape == (6, 3)


class Unlike(Loop):
    def current(self, x: Tensor, step: int) -> Tensor:
        return self.fc1(x.flatten(1)) if step != 2 else self.fc1(2 * x.flatten(1))


class Mixed(Loop):
    def forward(self, x: Tensor) -> Tensor:
        v, s, sent = self.lif1.start(), self.fc1(x.flatten(1)), []
        for _ in range(3):
            before, v = self.lif1(s, v)
            s = before
            sent.append(before)
        return torch.stack(sent)


class Potential(Loop):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[1]


class Forgets(Loop):
    def forward(self, x: Tensor) -> Tensor:
        sent = []
        for _ in range(3):
            spikes, _ = self.lif1(self.fc1(x.flatten(1)), self.lif1.start())
            sent.append(spikes)
        return torch.stack(sent)


class Keeps(Loop):
    """A leak of its own, at the input."""

    def __init__(self) -> None:
        super().__init__()
        self.trace = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.trace = self.trace * 0.5 + self.fc1(x.flatten(1))
        return self.lif1(self.trace, self.lif1.start())[0]


class SomeSteps(Loop):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0][1:].sum(0)


class Counted(Loop):
    def forward(self, x: Tensor) -> Tensor:
        self.steps = x.shape[0]
        return super().forward(x)[0]


def test_a_forward_that_was_traced_keeps_no_stand_ins() -> None:
    model = Keeps()
    with pytest.raises(UserError, match="trace"):
        adopt(model, 3)
    assert model.trace == 0.0
    assert model(FLOATS).shape == (6, 8)


def flat(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *parts)


@pytest.mark.parametrize(
    ("model", "T", "says"),
    [
        (Unlike(), None, "reads there something else"),
        (Mixed(), None, "read at step 1"),
        (Potential(), None, "its potential is read"),
        (Forgets(), None, "another state at step 1"),
        (SomeSteps(), None, "answer"),
        (Keeps(), 3, "its forward keeps what it computed"),
        (nn.Sequential(Merged(dense(4, 3), Leak(many=True))), 3, "want layers of one step and no neurons"),
        (nn.Sequential(Merged(Many(4, 3)), Leak(many=True)), 3, "want layers of one step and no neurons"),
        (Counted(), None, "cannot be traced"),
        (Loop(), 4, "one number of steps"),
        (flat(dense(16, 3), Leak()), None, "T="),
        (flat(dense(16, 3), Odd()), 3, "Odd of toyspikes is not taken in; want Leak"),
        (flat(dense(16, 3), OwnLeak()), 3, "it may change what Leak computes"),
        (flat(dense(16, 3), Leak(), nn.Softmax(1)), 3, "Softmax"),
        (flat(dense(16, 3), Leak(), nn.ReLU()), 3, "ReLU between spiking neurons"),
        (flat(dense(16, 3)), 3, "want a model of"),
        (flat(dense(16, 3, kind=QuantLinear), Leak()), 3, "QuantLinear of brevitas is not taken in"),
        (flat(dense(16, 3), Leak(), Leak(many=True)), 3, "step mode"),
        (nn.Sequential(Many(16, 3), nn.Conv1d(3, 3, 1), Leak(many=True)), 3, "Conv1d of toyspikes"),
    ],
)
def test_what_is_no_network_of_like_steps_is_refused(model: nn.Module, T: int | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        adopt(model, T)


def test_the_packages_are_not_imported() -> None:
    code = "import sys, bitspike.frameworks; print([m for m in ('snntorch', 'spikingjelly') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
