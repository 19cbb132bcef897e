"""What is written in place reaches every later reader of the same tensor, or it is refused."""

import pytest
import torch
from compared import Own, Spiking, farthest, images, spikes_apart
from torch import nn
from torch.nn import functional as F

from bitspike.conversion import adopt
from bitspike.errors import UserError
from bitspike.frontend import inplace, read
from bitspike.lowering import lower


def flat(m, x):
    return m.wide(torch.flatten(x, 1))


def statement(do):
    """``do(m, x)`` in place, its result not assigned; then ``x`` is read."""

    def run(m, x):
        x = m.stem(x)
        do(m, x)
        return flat(m, F.relu(m.conv(x)))

    return run


def before_a_shortcut(do):
    """``do(m, x)`` in place on the main path; the shortcut carries ``x``."""

    def run(m, x):
        x = m.stem(x)
        y = m.conv(do(m, x))
        return flat(m, F.relu(y + x))

    return run


def iadd(m, x):
    x += m.other(x)
    return x


RELUS = {
    "module": lambda m, x: m.inplace(x),
    "method": lambda m, x: x.relu_(),
    "function": lambda m, x: F.relu(x, inplace=True),
    "by position": lambda m, x: F.relu(x, True),
    "torch.relu_": lambda m, x: torch.relu_(x),
    "F.relu_": lambda m, x: F.relu_(x),
    "by name": lambda m, x: m.inplace(input=x),
    "behind an identity": lambda m, x: m.inplace(m.keep(x)),
    "behind a dropout": lambda m, x: m.inplace(m.drop(x)),
    "behind a dropout function": lambda m, x: F.dropout(x, training=m.training).relu_(),
    "add_": lambda m, x: x.add_(m.other(x)),
    "iadd": iadd,
    "two": lambda m, x: x.add_(m.other(x)).relu_(),
    "itself": lambda m, x: x.add_(x),
}


@pytest.mark.parametrize("do", RELUS.values(), ids=RELUS)
@pytest.mark.parametrize("around", [statement, before_a_shortcut])
def test_later_readers_see_it(around, do):
    assert farthest(Own(around(do))) < 1e-5


def held_by_a_name(m, x):
    y = F.relu(m.stem(x))
    keep = y
    y += m.conv(y)
    return flat(m, y + keep)


def twice(m, x):
    x = m.inplace(m.stem(x))
    x = m.inplace(m.conv(x))
    return flat(m, m.inplace(m.other(x)))


def earlier_readers_saw_what_was_there(m, x):
    x = m.stem(x)
    y = m.conv(x)
    m.inplace(x)
    return flat(m, F.relu(y + x))


def the_images(m, x):
    x.relu_()
    return flat(m, F.relu(m.stem(x)))


def a_view_that_alone_is_read(m, x):
    x = torch.flatten(m.stem(x), 1)
    return m.wide(x.relu_())


def a_sum_of_two_views(m, x):
    x = F.relu(m.stem(x))
    a, b = x.flatten(1), m.conv(x).flatten(1)
    a = a + b
    a += b
    return m.wide(a)


RUNS = [
    held_by_a_name,
    twice,
    earlier_readers_saw_what_was_there,
    the_images,
    a_view_that_alone_is_read,
    a_sum_of_two_views,
]


@pytest.mark.parametrize("run", RUNS)
def test_names_and_orders(run):
    assert farthest(Own(run)) < 1e-5


def base_behind_a_view(m, x):
    x = m.stem(x)
    y = torch.flatten(x, 1)
    y.relu_()
    return flat(m, m.conv(x)) + m.wide(y)


def view_behind_its_base(m, x):
    x = m.stem(x)
    y = x.view(x.size(0), -1)
    m.inplace(x)
    return m.wide(y)


def perhaps_a_copy(m, x):
    x = m.stem(x)
    x.contiguous().relu_()
    return flat(m, F.relu(x))


@pytest.mark.parametrize("run", [base_behind_a_view, view_behind_its_base, perhaps_a_copy])
@pytest.mark.parametrize("reads", [read, lambda model: adopt(model, nn.ReLU), lambda model: lower(model, (2, 8, 8))])
def test_another_view_of_the_memory_is_refused(run, reads):
    with pytest.raises(UserError, match=r"^in place: got '(relu_|inplace).*(stem|flatten) made.*do it out of place"):
        reads(Own(run))


@pytest.mark.parametrize(
    ("run", "word"),
    [
        (lambda m, x: m.stem(x).mul_(2), "mul_"),
        (lambda m, x: m.stem(x).clamp_(min=0), "clamp_"),
        (lambda m, x: F.hardtanh(m.stem(x), inplace=True), "hardtanh"),
        (lambda m, x: m.stem(x).zero_(), "zero_"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused_in_place_too(run, word):
    with pytest.raises(UserError, match=f"operator: got '{word}'; has no op"):
        read(Own(run))


def test_a_product_in_place_is_refused():
    def run(m, x):
        x = m.stem(x)
        x *= 2
        return flat(m, x)

    with pytest.raises(UserError, match="operator: got 'imul'; has no op"):
        read(Own(run))


def spiking(join):
    def run(m, x):
        a = m.n0(m.stem(m.encoder(x)))
        b = m.n1(m.conv(a))
        b = join(m, a, b)
        return m.head(m.n2(m.other(b)))

    return run


def spiking_iadd(m, a, b):
    b += a
    return b


def spiking_alias(m, a, b):
    keep = b
    b += a
    return keep


def spiking_statement(m, a, b):
    b.add_(a)
    return b


def spiking_relu(m, a, b):
    m.inplace(m.keep(b))
    return b + a


JOINS = [lambda m, a, b: b + a, spiking_iadd, spiking_alias, spiking_statement, spiking_relu]


@pytest.mark.parametrize("join", JOINS, ids=["sum", "iadd", "alias", "statement", "relu"])
def test_integers_see_it(join):
    if join is spiking_relu:  # its output is a current, which no synapse reads
        with pytest.raises(UserError, match="a current"):
            spikes_apart(Spiking(spiking(join)))
        return
    assert spikes_apart(Spiking(spiking(join))) == 0


def test_the_comparisons_find_an_error(monkeypatch):
    monkeypatch.setattr(inplace.Names, "write", lambda *arguments: None)
    assert farthest(Own(before_a_shortcut(RELUS["module"]))) > 0.01
    assert spikes_apart(Spiking(spiking(spiking_statement))) > 0


def test_the_model_is_left_as_it_was():
    model = Own(twice).train()
    model.norm.eval()
    modes = [module.training for module in model.modules()]
    read(model)
    assert [module.training for module in model.modules()] == modes
    assert model(images().float()).shape == (32, 5)
