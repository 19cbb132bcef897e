"""Models that users write: what lowers, and what is refused by name and place."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bitspike.errors import UserError
from bitspike.ir import Edge
from bitspike.layers import Encoder, OverTime, SqueezeTime, mean_over_time, merge_time, split_time
from bitspike.lowering import lower
from bitspike.neurons import LIFNode

SHAPE = (3, 8, 8)


class Own(nn.Module):
    """Layers to play with, in a forward that a test brings."""

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.conv = nn.Conv2d(3, 3, 3, padding="same")
        self.act = nn.ReLU()
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.up = nn.ConvTranspose2d(3, 3, 2)
        self.encoder = Encoder()
        self.over_time = OverTime(nn.Conv2d(3, 3, 1))
        self.neuron = LIFNode(4)
        self.squeeze = SqueezeTime()
        self.input = nn.Identity()
        self.readout = nn.Linear(192, 5)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x, labels=None, features=False):
        if labels is not None or features:  # arguments that keep their defaults are no obstacle
            raise AssertionError
        return self.run(self, x)


def lowered(run):
    model = Own(run).eval()
    graph = lower(model, SHAPE)
    assert model(torch.zeros(2, *SHAPE)).shape[-1:] == graph.edges[graph.nodes[-1].name].shape  # what lowers also runs
    return {node.name: (type(node).__name__, *node.inputs) for node in graph.nodes}


def test_a_plain_sequential_network():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(4, 10),
    )
    graph = lower(model, SHAPE, "plain")
    kinds = ["Input", "Conv", "Affine", "Relu", "MaxPool", "SumPool", "Reshape", "Linear", "Readout"]
    assert [type(node).__name__ for node in graph.nodes] == kinds
    assert list(graph.edges) == ["input", "0", "1", "2", "3", "4", "6", "7", "readout"]
    assert graph.edges["input"] == Edge(shape=SHAPE, T=1)
    assert graph.edges["readout"] == Edge(shape=(10,), T=1)
    assert graph["0"].bias


def test_a_single_layer_is_a_model():
    assert [type(node).__name__ for node in lower(nn.Conv2d(3, 4, 3), SHAPE).nodes] == ["Input", "Conv", "Readout"]


def test_functions_and_operators():
    def run(m, x):
        y = F.relu(m.conv(x)) + x
        y += x
        y = torch.relu(torch.add(y, x).add(x)).relu()
        return m.readout(torch.flatten(y, 1))

    assert lowered(run) == {
        "input_2": ("Input",),  # modules have the names input and readout
        "conv": ("Conv", "input_2"),
        "relu": ("Relu", "conv"),
        "add": ("Add", "relu", "input_2"),
        "add_2": ("Add", "add", "input_2"),
        "add_3": ("Add", "add_2", "input_2"),
        "add_4": ("Add", "add_3", "input_2"),
        "relu_2": ("Relu", "add_4"),
        "relu_3": ("Relu", "relu_2"),
        "flatten": ("Reshape", "relu_3"),
        "readout": ("Linear", "flatten"),
        "readout_2": ("Readout", "readout"),
    }


def test_a_spiking_forward():
    def run(m, x):
        spikes = m.neuron(m.over_time(m.encoder(x)))
        currents = split_time(F.relu(merge_time(spikes)), spikes)
        return mean_over_time(m.readout(torch.flatten(currents, 2)))

    assert list(lowered(run)) == ["encoder", "over_time.0", "neuron", "relu", "flatten", "readout", "readout_2"]


def test_a_squeezing_forward():
    def run(m, x):
        held = m.squeeze(m.neuron(m.over_time(m.encoder(x))))
        return mean_over_time(m.readout(torch.flatten(m.squeeze(held), 2)))

    ops = lowered(run)
    assert (ops["squeeze"], ops["squeeze_2"]) == (("SumTime", "neuron"), ("SumTime", "squeeze"))


def test_layers_without_state_may_run_again():
    names = list(lowered(lambda m, x: m.readout(m.act(m.conv(m.act(x))).flatten(1))))
    assert names == ["input_2", "act", "conv", "act_2", "flatten", "readout", "readout_2"]


@pytest.mark.parametrize(
    ("flatten", "shape"),
    [
        (nn.Flatten(), (192,)),
        (nn.Flatten(-3), (192,)),
        (nn.Flatten(1, 2), (24, 8)),
        (nn.Flatten(2, -1), (3, 64)),
        (lambda x: x.flatten(start_dim=1, end_dim=-1), (192,)),
        (lambda x: torch.flatten(x, -2), (3, 64)),
    ],
)
def test_flatten_as_pytorch_does(flatten, shape):
    model = Own(lambda m, x: flatten(x))
    model.flatten = flatten if isinstance(flatten, nn.Module) else nn.Identity()
    assert lower(model, SHAPE).edges["flatten" if isinstance(flatten, nn.Module) else "flatten_2"].shape == shape
    assert flatten(torch.zeros(2, *SHAPE)).shape[1:] == shape


@pytest.mark.parametrize(
    ("kernel", "dilation"), [((1, 1), (1, 1)), ((3, 3), (1, 2)), ((4, 3), (2, 1))], ids=["1x1", "3x3", "4x3"]
)
def test_same_and_valid_padding_are_numbers(kernel, dilation):
    for padding in ("same", "valid"):
        conv = nn.Conv2d(3, 4, kernel, padding=padding, dilation=dilation)
        assert lower(conv, SHAPE).edges[""].shape == conv(torch.zeros(1, *SHAPE)).shape[1:]


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (
            lambda m, x: torch.matmul(x, x.flatten(2)),
            "matmul stage.matmul: ~ as many axes, two or three behind the batch",
        ),
        (lambda m, x: x.flatten(1) @ x.flatten(1), "matmul stage.matmul: ~ as many axes, two or three behind"),
        (
            lambda m, x: x.transpose(0, 1),
            "transpose stage.transpose: got (0, 1); it reads [N, ...]; want the first 1 left",
        ),
        (lambda m, x: x.permute(1, 0, 2, 3), "permute stage.permute: got (1, 0, 2, 3); it reads [N, ...]"),
        (lambda m, x: x.softmax(-1), "operator: got 'softmax'; has no op ~ want products without softmax"),
        (
            lambda m, x: torch.einsum("nchw,nchw->nc", x, x),
            "operator: got 'einsum'; ~ want transpose or permute, and a @ b",
        ),
        (lambda m, x: F.layer_norm(x, (8,)), "operator: got 'layer_norm'; has no op ~ want an nn.BatchNorm1d"),
        (lambda m, x: F.scaled_dot_product_attention(x, x, x), "operator: ~ want products without softmax"),
        (lambda m, x: x * -2, "operator: got 'mul with other'; want a factor that is a number above 0"),
        (lambda m, x: F.interpolate(x, scale_factor=1.5), "upsample stage.upsample: got ~ want a whole factor"),
        (lambda m, x: x.amax((2, 3)), "operator: got 'amax'; has no op in the graph (in the forward of stage)"),
        (lambda m, x: x.mean(1), "operator: got 'mean with dim'; want the mean over rows and columns: dim=(2, 3)"),
        (lambda m, x: x.mean(), "operator: got 'mean'; want the mean over rows and columns: dim=(2, 3)"),
        (lambda m, x: x * x, "operator: got 'mul'; wants options that are numbers"),
        (lambda m, x: x.view(-1), "operator: got 'view'; is not certain to keep the batch ~ write torch.flatten(x, 1)"),
        (lambda m, x: x.reshape(x.shape[1], -1), "operator: got 'reshape'; is not certain ~ write torch.flatten(x, 1)"),
        (lambda m, x: m.up(x), "layer: got 'stage.up'; ConvTranspose2d has no op"),
        (lambda m, x: x + torch.ones(1), "input of add: got '_tensor_constant0'; ~ (in the forward of stage)"),
        (lambda m, x: x + m.weight, "input of add: got 'stage.weight'; want a layer's output"),
        (lambda m, x: x + 1, "input of add: got 1; want a layer's output (in the forward of stage)"),
        (lambda m, x: torch.add(x, x, alpha=2), "operator: got 'add with alpha'; want a plain sum"),
        (lambda m, x: m.conv(input=3), "input of stage.conv: got 3; want a layer's output"),
        (lambda m, x: m.conv(image=x), "operator: got 'stage.conv'; missing a required argument: 'input'"),
        (lambda m, x: m.conv(m.conv(x)), "layer: got 'stage.conv'; called a second time"),
        (lambda m, x: m.neuron(m.neuron(m.encoder(x))), "layer: got 'stage.neuron'; called a second time"),
        (lambda m, x: x if x.sum() > 0 else -x, "forward: got 'stage'; cannot be traced: ~ control flow"),
        (lambda m, x: [m.conv(part) for part in x], "forward: got 'stage'; cannot be traced: ~ iterated"),
        (lambda m, x: m.nothing(x), "forward: got 'stage'; cannot be traced: AttributeError: ~ 'nothing'"),
        (lambda m, x: nn.Conv2d(3, 4, 3)(x), "forward: got 'stage'; cannot be traced: ~ not installed as a submodule"),
        (lambda m, x: (x, x), "model output: got 'one tensor twice'; want each tensor of the answer once"),
        (lambda m, x: {"logits": x}, "model output: got ~dict'; want one tensor of logits"),
        (lambda m, x: None, "model output: got 'NoneType'"),
        (lambda m, x: m.neuron(x), "neuron stage.neuron: got '[N, ...]'; wants [T, N, ...]: give images to ~Encoder"),
        (lambda m, x: m.squeeze(x), "layer stage.squeeze: got '[N, ...]'; wants [T, N, ...]: put it behind neurons"),
        (lambda m, x: m.conv(m.encoder(x)), "layer stage.conv: got '[T, N, ...]'; ~ put it into a ~OverTime"),
        (lambda m, x: mean_over_time(m.conv(x)), "input of mean_over_time: got '[N, ...]'; want [T, N, ...]"),
        (lambda m, x: x.flatten(), "flatten stage.flatten: got (0, -1); it reads [N, ...]"),
        (lambda m, x: m.encoder(x).flatten(1), "flatten stage.flatten: got (1, -1); it reads [T, N, ...]"),
        (lambda m, x: m.norm(x), "batch norm stage.norm: got '3 channels'; wants 4"),
        (lambda m, x: m.readout(x), "linear stage.readout: got '8 features'; wants 192"),
        (lambda m, x: m.pool(x.flatten(1)), "adaptive pool stage.pool: got (192,); wants an input of shape"),
        (lambda m, x: m.pool(x) + x, "add stage.add: got ((3, 1, 1), 1, (3, 8, 8), 1); wants two inputs of one shape"),
    ],
)
def test_what_has_no_op_is_named_with_its_place(run, says):
    model = nn.Sequential()
    model.add_module("stage", Own(run))
    pattern = ".*".join(re.escape(part.strip()) for part in says.split("~"))
    with pytest.raises(UserError, match=f"^{pattern}"):
        lower(model, SHAPE)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (nn.Conv2d(3, 4, 4, padding="same"), "conv 0: got .*'same'"),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), "conv 0: got .*'reflect'"),
        (nn.Conv2d(1, 4, 3), "conv 0: got '3 channels'; wants 1"),
        (nn.Conv2d(3, 4, 9), r"conv 0: got \(3, 8, 8\); its 9x9 window is larger"),
        (nn.MaxPool2d(2, ceil_mode=True), "max pool 0: .* want plain windows"),
        (nn.MaxPool2d(2, dilation=2), "max pool 0: .* want plain windows"),
        (nn.MaxPool2d(2, return_indices=True), "max pool 0: .* want plain windows"),
        (nn.AvgPool2d(2, ceil_mode=True), "average pool 0: .* want the plain mean"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "average pool 0: .* want the plain mean"),
        (nn.AvgPool2d(2, divisor_override=3), "average pool 0: .* want the plain mean"),
        (nn.AdaptiveAvgPool2d(2), "adaptive pool 0: got 2; want output_size=1"),
        (nn.GELU(), "layer: got '0'; GELU has no op"),
    ],
    ids=str,
)
def test_layers_that_are_not_plain(layer, says):
    with pytest.raises(UserError, match=f"^{says}"):
        lower(nn.Sequential(layer), SHAPE)


def test_a_model_of_two_inputs_or_none():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(UserError, match=r"forward: got 'Two'; cannot be traced: TypeError: .* argument: 'y'"):
        lower(Two(), SHAPE)
    with pytest.raises(UserError, match="layer: got 'the model'; Module has no op"):
        lower(nn.Module(), SHAPE)
