"""From ReLUs to Q-ReLUs: whose weights, which config, and the loss of paths-ensemble training."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bitspike import Bits, UserError
from bitspike.conversion import finetune_config, with_weights_of
from bitspike.neurons import QReLU
from bitspike.quant import weight_quantizer
from bitspike.recipes import RECIPES, recipe
from bitspike.training import RunFolder, TrainConfig, override, train
from bitspike.training.methods import Objective, PathsEnsembleSettings, Training, methods_of
from bitspike.training.setup import graph_of, make_model

TINY = ("channels=4,4,6", "train_size=200", "validation_size=100", "epochs=1")


def ann(*edits: str) -> TrainConfig:
    return override(recipe("spikezip-convnet-digits-ann"), [*TINY, *edits])


def qann(*edits: str) -> TrainConfig:
    return override(recipe("spikezip-convnet-digits"), [*TINY, *edits])


SPIKEZIP = [name for name in RECIPES if name.startswith("spikezip-") and not name.endswith("-ann")]


@pytest.mark.parametrize("name", SPIKEZIP)
def test_the_two_networks_of_a_recipe_fit(name):
    first, second = recipe(f"{name}-ann"), recipe(name)
    assert first.neuron.kind == "relu"
    assert second.neuron.kind == "q-relu"
    assert (first.model, first.channels, first.dataset) == (second.model, second.channels, second.dataset)
    small = {"channels": (4,) * {"vgg16": 5, "yolo-tiny": 4, "yolov3": 6}.get(first.model, 3)}
    floats = make_model(first.model_copy(update=small))
    made = with_weights_of(floats.state_dict(), second.model_copy(update=small))
    assert any(isinstance(module, QReLU) for module in made.modules())


@pytest.mark.parametrize("bits", ["16/4/1", "8/4/1", "2/4/1"])
def test_it_has_the_weights_and_steps_that_fit_them(bits):
    floats = make_model(ann("seed=3"))
    made = with_weights_of(floats.state_dict(), qann(f"bits={bits}"))
    for name, layer in made.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        quantizer, wanted = weight_quantizer(layer), floats.get_submodule(name).weight
        assert (quantizer is None) == bits.startswith("16")
        kept = layer.weight if quantizer is None else layer.parametrizations.weight.original
        assert torch.equal(kept, wanted)
        if quantizer is not None:
            error = (layer.weight - wanted).detach().abs().mean() / wanted.detach().abs().mean()
            assert error < (0.05 if bits.startswith("8") else 0.9)


def test_weights_of_another_network_are_refused():
    with pytest.raises(UserError, match="network of ReLUs"):
        with_weights_of(make_model(ann("model=vgg9")).state_dict(), qann())
    with pytest.raises(UserError, match="another shape"):
        with_weights_of(make_model(ann("channels=5,4,6")).state_dict(), qann())
    with pytest.raises(UserError, match=r"neuron\.kind"):
        with_weights_of(make_model(ann()).state_dict(), ann())


class Fixed(nn.Module):
    """Logits that do not look at the images: one part of the batch for each path."""

    def __init__(self, *paths: torch.Tensor):
        super().__init__()
        self.paths = paths

    def forward(self, x):
        assert len(x) == sum(map(len, self.paths))
        return torch.cat(self.paths)[None]


def loss_of(teacher: nn.Module, config: TrainConfig) -> Objective:
    """The loss of a run of the config that learns from ``teacher``."""
    (method,) = methods_of(config).values()
    model = make_model(config)
    method.start(Training(config, RunFolder("never-written"), model, graph_of(config, model), teacher))

    def other(model, x, y):
        raise AssertionError("the method has a loss of its own")

    return method.loss(other)


def test_the_loss_is_equation_6():
    torch.manual_seed(0)
    main, one, two, teacher = (torch.randn(4, 10) for _ in range(4))
    x, y = torch.zeros(4, 1, 8, 8), torch.tensor([1, 2, 3, 4])

    def kl(logits):
        p, q = teacher.softmax(1), logits.softmax(1)
        return (p * (p / q).log()).sum(1).mean()

    for weight in (1.0, 0.25):
        config = qann(f"methods.paths-ensemble.weight={weight}")
        found = loss_of(Fixed(teacher), config)(Fixed(main, one, two), x, y)
        wanted = F.cross_entropy(main, y) + kl(main) + weight * (4 / 8 * kl(one) + 2 / 8 * kl(two))
        assert found == pytest.approx(float(wanted), rel=1e-5)
    alone = loss_of(Fixed(teacher), qann("neuron.paths="))(Fixed(main), x, y)
    assert alone == pytest.approx(float(F.cross_entropy(main, y) + kl(main)), rel=1e-5)


def test_the_teacher_does_not_learn(tmp_path):
    teacher = make_model(ann())
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    config = qann()
    model = with_weights_of(teacher.state_dict(), config)
    train(config, RunFolder(tmp_path), model=model, teacher=teacher)
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


def test_paths_without_a_teacher_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"neuron\.paths"):
        train(qann(), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_training_of_paths_resumes_to_the_same_losses(tmp_path):
    teacher, config = (
        make_model(ann()),
        qann("epochs=2", "checkpoint_every=2", "model=resnet8-thin", "methods.paths-ensemble.reroute=true"),
    )
    teacher = make_model(ann("model=resnet8-thin"))

    def losses(folder, **how):
        model = with_weights_of(teacher.state_dict(), config)
        train(config, folder, model=model, teacher=teacher, **how)
        return [line["loss"] for line in folder.metrics() if "loss" in line]

    whole = losses(RunFolder(tmp_path / "whole"))
    cut = RunFolder(tmp_path / "cut")

    class Stop:
        def step(self, step, *_):
            if step == 6:
                raise KeyboardInterrupt

        def begin(self, config): ...

        def epoch(self, line): ...

    with pytest.raises(KeyboardInterrupt):
        losses(cut, observer=Stop())
    assert losses(cut, resume=True) == whole


def test_a_run_of_relus_is_fine_tuned_with_paths_and_rerouting():
    made = finetune_config(ann("epochs=9"))
    assert (made.bits, made.neuron.levels, made.neuron.paths) == (Bits(8, 4, 1), 8, (4, 2))
    assert made.methods == {"paths-ensemble": PathsEnsembleSettings(reroute=True, weight=1)}
    assert made.epochs == 3


def test_reroute_is_for_qrelus():
    with pytest.raises(UserError, match=r"methods\.paths-ensemble: got 'relu'"):
        make_model(ann("methods.paths-ensemble.reroute=true"))


def test_paths_without_the_method_are_refused():
    with pytest.raises(UserError, match=r"neuron\.paths: got \(4, 2\); methods\.paths-ensemble trains them"):
        make_model(qann("methods.paths-ensemble=null"))


def test_without_the_method_a_network_of_qrelus_is_morphed_all_the_same():
    edits = ("model=resnet8-thin", "neuron.paths=")
    with_, without = (make_model(qann(*edits, f"methods.paths-ensemble={m}")) for m in ("{}", "null"))
    assert str(with_) == str(without)
    shared = [len({id(p) for p in made.parameters()}) for made in (with_, without)]
    assert shared[0] == shared[1]


def test_without_a_teacher_and_paths_the_loss_is_the_configs_own():
    config = qann("neuron.paths=")
    (method,) = methods_of(config).values()
    model = make_model(config)
    method.start(Training(config, RunFolder("never-written"), model, graph_of(config, model)))
    own = object()
    assert method.loss(own) is own
