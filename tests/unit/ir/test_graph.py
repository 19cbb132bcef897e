"""A graph is verified when it is made: names, order, arity, shapes and steps."""

import pytest

from bitspike.errors import UserError
from bitspike.ir import Add, Conv, Edge, Fire, Graph, Input, Linear, Readout, Reshape

image = Input(name="image", inputs=(), edge=Edge(shape=(3, 4, 4), T=1, lo=-128, hi=127, scale=1 / 64))
conv = Conv(name="conv", inputs=("image",), out_channels=2, weight_bits=2, kernel_size=(3, 3))
fire = Fire(name="fire", inputs=("conv",), T=2, lo=0, hi=3)
flat = Reshape(name="flat", inputs=("fire",), shape=(8,))
head = Linear(name="head", inputs=("flat",), out_channels=10, weight_bits=8)
answer = Readout(name="answer", inputs=("head",))
whole = (image, conv, fire, flat, head, answer)


def test_edges_are_inferred_in_order():
    graph = Graph("net", whole)
    assert list(graph.edges) == ["image", "conv", "fire", "flat", "head", "answer"]
    assert graph.edges["fire"] == Edge(shape=(2, 2, 2), T=2, lo=0, hi=3)
    assert graph.edges["answer"] == Edge(shape=(10,), T=1)
    assert list(graph.synapses()) == [conv, head]
    assert list(graph.neurons()) == [fire]
    assert graph.input_edge(head) == graph.edges["flat"]
    assert graph["conv"] is conv


def test_graphs_are_values():
    assert Graph("net", whole) == Graph("net", whole)
    assert hash(Graph("net", whole)) == hash(Graph("net", whole))
    assert Graph("net", whole) != Graph("net", whole[:-1])
    with pytest.raises(TypeError):
        Graph("net", whole).edges["conv"] = image.edge


def test_an_op_that_is_not_there():
    with pytest.raises(KeyError, match="nothing"):
        Graph("net", whole)["nothing"]


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ((conv,), "conv conv: got 'image'; its input is not an earlier op"),
        ((conv, image), "conv conv: got 'image'; its input is not an earlier op"),
        ((image, Add(name="a", inputs=("image", "a"))), "add a: got 'a'; its input is not an earlier op"),
        ((image, conv, conv), "op: got 'conv'; the name is taken"),
        ((image, Conv(**{**vars(conv), "inputs": ()})), r"conv conv: got \(\); wants 1 inputs"),
        ((image, Add(name="a", inputs=("image",))), r"add a: got \('image',\); wants 2 inputs"),
        ((image, Input(name="b", inputs=("image",), edge=image.edge)), "input b: .* wants 0 inputs"),
        ((*whole, Fire(name="late", inputs=("fire",), T=3, lo=0, hi=1)), "fire late: got '2 steps'; wants T=3"),
        ((*whole, Add(name="a", inputs=("fire", "head"))), "add a: .* one shape and T"),
    ],
)
def test_what_is_no_graph(nodes, says):
    with pytest.raises(UserError, match=says):
        Graph("net", nodes)
