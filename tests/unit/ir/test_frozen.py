"""A frozen graph is checked when it is made: every refusal, and what is just within each limit."""

from dataclasses import replace

import numpy as np
import pytest

from bitspike.bits import signed_range
from bitspike.errors import UserError
from bitspike.ir import (
    Add,
    Affine,
    Conv,
    Dynamics,
    Edge,
    Fire,
    FrozenGraph,
    Graph,
    Input,
    Linear,
    MaxPool,
    Readout,
    Reshape,
    Store,
    SumPool,
)
from bitspike.ir.limits import MOST_STEPS

live = Dynamics(fraction_bits=0, leak_multiplier=1, leak_shift=0, v_reset=0)
kept = replace(live, store=Store(multiplier=1, shift=4, step=16, step_shift=0))
image = Input(name="image", inputs=(), edge=Edge(shape=(1, 2, 2), T=1, lo=-128, hi=127))
fire = Fire(name="fire", inputs=("image",), T=2, lo=0, hi=3, dynamics=live)
flat = Reshape(name="flat", inputs=("fire",), shape=(4,))
head = Linear(name="head", inputs=("flat",), out_channels=3, weight_bits=4)
scaled = Affine(name="scaled", inputs=("head",), fraction_bits=2)
answer = Readout(name="answer", inputs=("scaled",))
nodes = (image, fire, flat, head, scaled, answer)
tensors = {
    "head.weight": np.ones((3, 4), dtype=np.int64),
    "scaled.multiplier": np.ones(3, dtype=np.int64),
    "scaled.offset": np.zeros(3, dtype=np.int64),
}


def frozen(*changed, wanted=tensors, also=(), **changed_tensors):
    """The network above, with ops changed by name, ops put in before the answer, and tensors changed (``op__part``)."""
    by_name = {node.name: node for node in changed}
    made = [by_name.get(node.name, node) for node in nodes]
    values = {name.replace("__", "."): value for name, value in changed_tensors.items()}
    return FrozenGraph(Graph("net", (*made[:-1], *also, made[-1])), wanted | values)


def straight(*between, shape=(1, 1, 1), lo=0, **values):
    """Image, some ops, and an answer that reads the last of them, which is called ``op``."""
    first = replace(image, edge=Edge(shape=shape, T=1, lo=lo, hi=lo + 255))
    size = Graph("part", (first, *between)).edges["op"].size
    last = (Reshape(name="end", inputs=("op",), shape=(size,)), replace(answer, inputs=("end",)))
    values = {name.replace("__", "."): np.array(value) for name, value in values.items()}
    return FrozenGraph(Graph("net", (first, *between, *last)), values)


def test_ranges_of_every_edge_and_membrane():
    net = frozen()
    assert net.ranges == {
        "image": (-128, 127),
        "fire": (0, 3),
        "flat": (0, 3),
        "head": (0, 12),
        "scaled": (0, 12),
        "answer": (0, 24),
    }
    assert net.membranes == {"fire": (-256, 127)}  # what is below 0 is carried on; it fires from 1 on


def test_a_stored_membrane_has_the_range_of_its_codes():
    """-128 and below is carried on; in 4 bits of levels of 16 that is -112 at least."""
    net = frozen(replace(fire, membrane_bits=4, dynamics=kept))
    assert net.membranes == {"fire": (-240, 127)}
    assert frozen(replace(fire, T=9, membrane_bits=4, dynamics=kept)).membranes == {"fire": (-240, 127)}
    assert frozen(replace(fire, T=9)).membranes == {"fire": (-9 * 128, 127)}


def test_tensors_are_copies_that_cannot_be_written():
    mine = np.ones((3, 4), dtype=np.int8)
    net = frozen(head__weight=mine)
    mine[:] = 5
    assert net.tensors["head.weight"].dtype == np.int8
    assert (net.tensors["head.weight"] == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        net.tensors["head.weight"][0, 0] = 2
    with pytest.raises(TypeError):
        net.tensors["head.weight"] = mine


WITHOUT = [name for name in tensors if name != "scaled.offset"]
wide = Affine(name="wide", inputs=("image",), fraction_bits=0)
widened = {"wide__multiplier": [1 << 54], "wide__offset": [0]}  # 0..255 becomes almost 2^62
window = {"kernel_size": (1, 1), "stride": (1, 1)}


def stored(name, **fields):
    """A neuron that sends nothing, forgets everything, and stores what it reads."""
    none = Dynamics(fraction_bits=0, leak_multiplier=0, leak_shift=0, v_reset=0, store=replace(kept.store, **fields))
    return Fire(name=name, inputs=("wide",), T=2, lo=0, hi=0, membrane_bits=2, dynamics=none)


REFUSED = {
    # tensors
    "missing": (
        lambda: frozen(wanted={name: tensors[name] for name in WITHOUT}),
        "tensor: got 'scaled.offset'; it is mi",
    ),
    "unknown": (lambda: frozen(fire__weight=np.ones(1)), "tensor: got 'fire.weight'; no op of the graph has it"),
    "shape": (
        lambda: frozen(head__weight=np.ones((4, 3), dtype=np.int64)),
        r"tensor head.weight: .*\(4, 3\).*\(3, 4\)",
    ),
    "axes": (
        lambda: frozen(scaled__offset=np.zeros((3, 1), dtype=np.int64)),
        r"tensor scaled.offset: .*\(3, 1\).*\(3,\)",
    ),
    "floats": (lambda: frozen(head__weight=np.full((3, 4), 0.5)), "tensor head.weight: got .*float64"),
    "uint64": (lambda: frozen(scaled__offset=np.zeros(3, dtype=np.uint64)), "tensor scaled.offset: got .*uint64"),
    # ends
    "no op": (
        lambda: FrozenGraph(Graph("net", ()), {}),
        "graph: got 'no op'; want one input, first, and its readouts, one or more, last",
    ),
    "no readout": (lambda: FrozenGraph(Graph("net", (image,)), {}), "graph: got 'input input'; want one input"),
    "readout before the end": (
        lambda: FrozenGraph(Graph("net", (*nodes, replace(image, name="late"))), tensors),
        "graph: .* input'",
    ),
    "two inputs": (lambda: frozen(also=(replace(image, name="other"),)), "graph: got 'input readout'; want one input"),
    "input later": (
        lambda: FrozenGraph(Graph("net", (replace(image, name="a"), image, *nodes[1:])), tensors),
        "graph: got 'input readout'; want one input, first",
    ),
    "input of four axes": (
        lambda: frozen(replace(image, edge=Edge(shape=(1, 1, 2, 2), T=1, lo=0, hi=255))),
        r"input image: got \(\(1, 1, 2, 2\), 0, 255\); want 1 to 3 axes, and 2 to 256 levels",
    ),
    "input of many steps": (
        lambda: FrozenGraph(
            Graph(
                "net",
                (
                    replace(image, edge=Edge(shape=(4,), T=MOST_STEPS + 1, lo=0, hi=1)),
                    replace(answer, inputs=("image",)),
                ),
            ),
            {},
        ),
        f"input image: got {MOST_STEPS + 1}; want T to {MOST_STEPS}",
    ),
    "image of floats": (
        lambda: frozen(replace(image, edge=Edge(shape=(1, 2, 2), T=1))),
        "input image: .*no meaning in integers",
    ),
    "image of 257 levels": (
        lambda: frozen(replace(image, edge=Edge(shape=(1, 2, 2), T=1, lo=-1, hi=255))),
        "input image: .*256 levels",
    ),
    "image of one level": (
        lambda: frozen(replace(image, edge=Edge(shape=(1, 2, 2), T=1, lo=1, hi=1))),
        "input image: .*256 levels",
    ),
    "outputs and something behind them": (
        lambda: FrozenGraph(
            Graph("net", (image, fire, replace(answer, inputs=("fire",)), replace(fire, name="f"))), {}
        ),
        "graph: got 'input fire'; want one input, first, and its readouts",
    ),
    "steps of all": (
        lambda: frozen(also=[replace(fire, name=f"f{index}", T=1024) for index in range(64)]),
        "graph: got '65538 steps'; want at most 65536",
    ),
    "name": (lambda: FrozenGraph(Graph("net\n", nodes), tensors), "graph name: got .*; want printable"),
    "dataset": (lambda: FrozenGraph(Graph("net", nodes), tensors, "\x1b[2J"), "graph dataset: got .*; want printable"),
    # ops
    "code above": (lambda: frozen(head__weight=np.full((3, 4), 8)), "tensor head.weight: got .*8.*; .*codes of 4 bits"),
    "code below": (lambda: frozen(head__weight=np.full((3, 4), -8)), "tensor head.weight: .*codes of 4 bits"),
    "code far below": (lambda: frozen(head__weight=np.full((3, 4), -(2**63))), "tensor head.weight: .*codes of 4 bits"),
    "zero of one bit": (
        lambda: frozen(replace(head, weight_bits=1), head__weight=np.zeros((3, 4), dtype=np.int64)),
        "tensor head.weight: got .*; .*codes of 1 bit",
    ),
    "two of one bit": (
        lambda: frozen(replace(head, weight_bits=1), head__weight=np.full((3, 4), 2)),
        "tensor head.weight: got .*; .*codes of 1 bit",
    ),
    "float weights": (lambda: frozen(replace(head, weight_bits=16)), "linear head: got '16 weight bits'; want fewer"),
    "bias": (lambda: frozen(replace(head, bias=True)), "linear head: got 'a bias'; .* affine"),
    "no fraction bits": (
        lambda: frozen(replace(scaled, fraction_bits=None)),
        "affine scaled: got None; want its fraction",
    ),
    "no dynamics": (lambda: frozen(replace(fire, dynamics=None)), "fire fire: got None; want the integers"),
    "bits without a store": (
        lambda: frozen(replace(fire, membrane_bits=4)),
        "fire fire: got 'membrane_bits=4'; want a store in its dynamics$",
    ),
    "a store without bits": (
        lambda: frozen(replace(fire, dynamics=kept)),
        "fire fire: got 'membrane_bits=None'; want the membrane_bits of its store$",
    ),
    "steps": (lambda: frozen(replace(fire, T=4097)), r"fire fire: got \(4097, 0, 3\); want T to 4096"),
    "level above": (lambda: frozen(replace(fire, hi=65537)), r"fire fire: got \(2, 0, 65537\); .* \+-65536"),
    "level below": (lambda: frozen(replace(fire, lo=-65537)), r"fire fire: got \(2, -65537, 3\); .* \+-65536"),
    # sizes
    "image size": (
        lambda: straight(
            replace(flat, name="op", inputs=("image",), shape=(2**30 + 2**15,)), shape=(1, 2**15, 2**15 + 1)
        ),
        "input image: got 1073774592; an edge, and what windows see of it, may have 1073741824",
    ),
    "size over steps": (
        lambda: straight(replace(fire, name="op", T=3), shape=(1, 2**14, 2**15)),
        "fire op: got 1610612736; an edge, and what windows see of it, may have",
    ),
    "padded conv": (
        lambda: straight(
            Conv(
                **vars(replace(head, name="op", inputs=("image",), out_channels=1)),
                kernel_size=(1, 1),
                padding=(2**15, 2**15),
                stride=(2**15, 2**15),
            ),
            op__weight=[[[[1]]]],
        ),
        "conv op: got 4295098369; an edge, and what windows see of it, may have",
    ),
    "padded sum": (
        lambda: straight(
            SumPool(name="op", inputs=("image",), kernel_size=(2**15, 1), stride=(2**15, 1), padding=(2**15 - 1, 0)),
            shape=(1, 1, 2**15),
        ),
        "sumpool op: got 2147450880; an edge, and what windows see of it, may have",
    ),
    "padded maximum": (
        lambda: straight(
            MaxPool(name="op", inputs=("image",), kernel_size=(1, 2**15), stride=(1, 2**15), padding=(0, 2**15 - 1)),
            shape=(1, 2**15, 1),
        ),
        "maxpool op: got 2147450880; an edge, and what windows see of it, may have",
    ),
    "axes of an edge": (
        lambda: straight(replace(flat, name="op", inputs=("image",), shape=(1, 1, 1, 1))),
        r"reshape op: got '4 axes'; want \(C, H, W\) or fewer",
    ),
    # what could overflow
    "image overflows": (
        lambda: straight(replace(flat, name="op", inputs=("image",), shape=(1,)), lo=2**62 - 255),
        "input im",
    ),
    "conv overflows": (
        lambda: straight(
            wide,
            Conv(name="op", inputs=("wide",), out_channels=1, weight_bits=8, kernel_size=(1, 1)),
            op__weight=[[[[64]]]],
            **widened,
        ),
        "conv op: got .*; a value could overflow 64 bits",
    ),
    "linear overflows": (
        lambda: straight(
            wide,
            replace(flat, inputs=("wide",), shape=(1,)),
            replace(head, name="op", out_channels=1, weight_bits=8),
            op__weight=[[-64]],
            **widened,
        ),
        "linear op: got .*; a value could overflow 64 bits",
    ),
    "product overflows": (
        lambda: straight(replace(wide, name="op"), op__multiplier=[2**53], op__offset=[-(2**63)], lo=1024),
        "affine op: got .* overflow 64 bits",
    ),
    "affine overflows": (
        lambda: straight(replace(wide, name="op"), op__multiplier=[2**54], op__offset=[2**61]),
        "affine op: got .* a value could overflow 64 bits",
    ),
    "add overflows": (
        lambda: straight(wide, Add(name="op", inputs=("wide", "wide")), **widened),
        "add op: got .*; a value could overflow 64 bits",
    ),
    "sum pool overflows": (
        lambda: straight(
            wide, SumPool(name="op", inputs=("wide",), kernel_size=(1, 2), stride=(1, 2)), shape=(1, 1, 2), **widened
        ),
        "sumpool op: got .*; a value could overflow 64 bits",
    ),
    "membrane overflows": (
        lambda: straight(wide, Fire(name="op", inputs=("wide",), T=2, lo=0, hi=0, dynamics=live), **widened),
        "fire op: got .*; the membrane could overflow 64 bits",
    ),
    "leak overflows": (
        lambda: straight(
            wide,
            Fire(name="op", inputs=("wide",), T=2, lo=0, hi=0, dynamics=replace(live, leak_multiplier=3, leak_shift=2)),
            **widened,
        ),
        "fire op: got .*; the leak could overflow 64 bits",
    ),
    "store overflows": (
        lambda: straight(
            wide,
            stored("op", multiplier=1 << 30, shift=0),
            wide__multiplier=[1 << 25],
            wide__offset=[0],
        ),
        "fire op: got .*; the store could overflow 64 bits",
    ),
    "half of a store overflows": (
        lambda: straight(
            wide,
            stored("op", multiplier=1, shift=60),
            wide__multiplier=[1 << 52],
            wide__offset=[3 << 60],
        ),
        "fire op: got .*; the store could overflow 64 bits",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_frozen_graph(what):
    make, says = REFUSED[what]
    with pytest.raises(UserError, match=f"^{says}") as refused:
        make()
    assert "\n" not in str(refused.value)


def test_logits_that_overflow_are_refused_where_they_are_summed():
    spikes = replace(fire, T=4, lo=-65536, hi=65536)
    wide_logits = {"scaled__multiplier": np.full(3, 2**43), "head__weight": np.ones((3, 4), dtype=np.int64)}
    with pytest.raises(UserError, match=r"^readout answer: got .*; a value could overflow 64 bits"):
        frozen(spikes, **wide_logits)
    frozen(replace(spikes, T=1), **wide_logits)


def test_what_is_just_within_the_limits():
    frozen(replace(fire, T=1024, lo=-65536, hi=65536))
    frozen(also=[replace(fire, name=f"f{index}", T=1022 + 2 * (index > 0)) for index in range(64)])
    straight(replace(flat, name="op", inputs=("image",), shape=(2**30,)), shape=(1, 2**15, 2**15))
    straight(replace(flat, name="op", inputs=("image",), shape=(1,)), lo=2**62 - 256)
    near = {"wide__multiplier": [(1 << 24) + (1 << 16)], "wide__offset": [0]}  # 255 times that is 2^32 - 2^16
    straight(wide, stored("op", multiplier=1 << 30, shift=0), **near)
    straight(wide, stored("op", multiplier=1, shift=60), wide__multiplier=[1 << 53], wide__offset=[0])
    straight(replace(wide, name="op"), **{name.replace("wide", "op"): value for name, value in widened.items()})


@pytest.mark.parametrize("bits", range(1, 16))
def test_codes_of_every_width_and_one_more(bits):
    lowest, highest = signed_range(bits)
    weight = np.array([[lowest, highest] * 2] * 3)
    net = frozen(replace(head, weight_bits=bits), head__weight=weight)
    assert net.ranges["head"] == (6 * lowest, 6 * highest)
    for beyond in (lowest - 1, highest + 1):
        with pytest.raises(UserError, match=f"tensor head.weight: .*{beyond}.*codes of {bits} bits"):
            frozen(replace(head, weight_bits=bits), head__weight=np.where(weight == lowest, beyond, weight))


@pytest.mark.parametrize("name", ["v_reset", "v_init"])
@pytest.mark.parametrize("value", [1 << 62, -(1 << 70)])
def test_a_potential_to_start_from_that_no_integer_of_64_bits_is(name, value):
    integers = {"fraction_bits": 4, "leak_multiplier": 0, "leak_shift": 0, "v_reset": 0, name: value}
    with pytest.raises(UserError, match=f"{name}: got {value}"):
        Dynamics(**integers)


def test_several_readouts_are_several_outputs() -> None:
    net = frozen(also=(replace(answer, name="other", over="last", scale=0.5),))
    assert [node.name for node in net.readouts] == ["other", "answer"]
    assert (net.classifies, frozen().classifies) == (False, True)
    assert frozen().readout.name == "answer"
    with pytest.raises(UserError, match="network net: got '2 outputs, other, answer'; want a network of one"):
        net.readout  # noqa: B018
    with pytest.raises(UserError, match="want a network of one output here"):
        net.logit_scale  # noqa: B018
