"""`--set`: what is edited, and what is refused."""

from __future__ import annotations

import json
import re
from typing import Literal

import pytest

from bitspike import Bits, UserError
from bitspike.datasets.frames import FrameSettings
from bitspike.neurons import (
    NEURONS,
    AdaptiveSettings,
    FiringSettings,
    IFNode,
    LIFSettings,
    MultiBitSettings,
    MultiLevelSettings,
    QReLUSettings,
    QuantLIFSettings,
    neuron_settings,
)
from bitspike.quant import AdaptiveWeightsSettings, BinarySettings, PerChannelLSQSettings
from bitspike.recipes import RECIPES, recipe
from bitspike.training import override
from bitspike.training.chunks import ChunksConfig
from bitspike.training.methods import AnnealedSignSettings, SpikeRegulationSettings
from bitspike.training.migrate import migrate
from bitspike.training.overrides import edits_of, parse_config
from bitspike.training.setup import make_model


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_complete_and_survives_json(name: str) -> None:
    config = recipe(name)
    assert config.recipe == name
    assert parse_config(config.model_dump(mode="json")) == config


def test_edits_reach_every_kind_of_value() -> None:
    config = override(
        recipe("digits-convnet"),
        [
            "bits=1/4/2",
            "epochs=3",
            "optimizer.lr=1e-4",
            "channels=4,8,8",
            "augment=crop4,flip",
            "neuron.v_reset=null",
            "train_size=null",
            'layers={"features.0.0": {"w": 8}}',
            "tensorboard=true",
        ],
    )
    assert config.bits == Bits(1, 4, 2)
    assert (config.epochs, config.optimizer.lr, config.channels) == (3, 1e-4, (4, 8, 8))
    assert (config.augment, config.neuron.v_reset, config.tensorboard) == (("crop4", "flip"), None, True)
    assert config.plan["features.0.0"].w == 8
    assert config.plan["features.3.0"].w == 1


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("epoch=3", "did you mean 'epochs'?"),
        ("optimizer.learning_rate=3", "optimizer.lr"),
        ("optimizer=3", "--set key"),
        ("epochs", "want key=value"),
        ("epochs=x", "epochs: got 'x'"),
        ("epochs=0", "epochs: got 0"),
        ("bits=0/2/1", "weight bits are whole numbers from 1 to 16"),
        ("bits=2/2/x", "bits: got '2/2/x'"),
        ("bits=3", "bits: got 3"),
        ("optimizer.lr=NaN", "optimizer.lr"),
        ("optimizer.kind=adam", "optimizer.kind: got 'adam'"),
        ("neuron.kind=izhikevich", "neuron.kind: got 'izhikevich'; known: adaptive, clip-relu, if, lif"),
        ("neuron.kind=3", "neuron.kind: got '3'"),
        ("neuron.levels=4", "neuron.levels: got 4; neuron.kind=multibit does not read it; it reads membrane, squeeze"),
        ("neuron.tua=4", "neuron.tua: got 4; neuron.kind=multibit does not read it"),
        ("neuron.tau=slow", "neuron.tau: got 'slow'; input should be a valid number"),
        ("neurn.tau=4", "did you mean 'neuron.tau'?"),
        ("quantizer=binery", "quantizer.kind: got 'binery'; did you mean 'binary'?"),
        ("quantizer.spare_bits=1", "quantizer.spare_bits: got 1; quantizer.kind=lsq-channel does not read it"),
        ("channels=4,x", "channels.1: got 'x'"),
        ("seed=-1", "seed: got -1"),
        ("recipe=", "recipe: got ''"),
        ("methods.spike-regulatoin.weight=1", "did you mean 'methods.spike-regulation.weight'?"),
        ("methods.spike-regulation.wieght=1", "did you mean 'methods.spike-regulation.weight'?"),
        ("methods.spike-regulation.weight=-1", "methods.spike-regulation.weight: got -1"),
        ("methods.spike-regulation.weight=NaN", "methods.spike-regulation.weight"),
        ("methods.annealed-sign=5", "methods.annealed-sign: got 5; want its settings, first, last, or null"),
        ('methods.annealed-sign={"fist": 1}', "key of methods.annealed-sign: got 'fist'; did you mean 'first'?"),
        ('methods={"annealed-sing": {}}', "method: got 'annealed-sing'; did you mean 'annealed-sign'?"),
        ("methods=5", "methods: got 5"),
        ("reroute=true", "--set key: got 'reroute'; it is methods.paths-ensemble.reroute now"),
        ("loss.spike_lambda=1", "it is methods.spike-regulation.weight now"),
        ("lr=1", "did you mean 'optimizer.lr'?"),
        ("label_smoothing=0.1", "did you mean 'loss.label_smoothing'?"),
        ("momentm=1", "did you mean 'optimizer.momentum'?"),
        ("kind=sgd", "did you mean 'neuron.kind' or 'quantizer.kind' or 'optimizer.kind' or 'loss.kind'?"),
        ("levels=4", "did you mean 'neuron.levels'?"),
        ("weight=1", "'methods.spike-regulation.weight'?"),
        ("zzz=1", "known: augment, "),
        ("zzz=1", "train RECIPE --show prints all keys"),
    ],
)
def test_a_wrong_edit_is_one_line_that_names_it(edit: str, named: str) -> None:
    with pytest.raises(UserError) as refused:
        override(recipe("digits-convnet"), [edit])
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_method_is_added_edited_and_left_out() -> None:
    config = recipe("qsnn-vggsnn-thin-fashion")
    regulation, sign = SpikeRegulationSettings(weight=1e-3), AnnealedSignSettings(first=0.1, last=10)
    assert config.methods == {"spike-regulation": regulation, "annealed-sign": sign}
    edited = override(config, ["methods.spike-regulation.reduction=sum", "methods.annealed-sign=null"])
    assert edited.methods == {"spike-regulation": SpikeRegulationSettings(weight=1e-3, reduction="sum")}
    plain = recipe("digits-convnet")
    added = override(plain, ["methods.annealed-sign.last=5"])
    assert added.methods == {"annealed-sign": AnnealedSignSettings(first=0.1, last=5)}
    assert override(plain, ["methods.annealed-sign={}"]).methods == {"annealed-sign": AnnealedSignSettings()}
    assert override(added, ["methods.annealed-sign=null"]) == plain
    assert override(plain, ["methods.annealed-sign=null"]) == plain
    again = override(added, ["methods.annealed-sign=null", "methods.annealed-sign.first=1"])
    assert again.methods == {"annealed-sign": AnnealedSignSettings(first=1)}
    assert override(config, ["methods={}"]).methods == {}


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shown_makes_the_config_of_any_other(name: str) -> None:
    shown = edits_of(recipe(name))
    for other in ("digits-convnet", "qsnn-vggsnn-thin-fashion", "spikezip-convnet-digits"):
        assert override(recipe(other), shown) == recipe(name)


@pytest.mark.parametrize(
    "edits",
    [
        ['layers={"features.0.0": {"w": 8}, "features.1": {"t": 1}}', "train_size=100"],
        ["methods.annealed-sign.last=5", "optimizer.step_decay=[0.1, 3]", "optimizer.kind=sgd"],
        ["dataset=1e3", "neuron.surrogate_function=true", "augment=crop4,flip"],
        ["model=here:net", "channels=null", "neuron.v_reset=null"],
    ],
)
def test_what_is_shown_is_what_was_edited(edits: list[str]) -> None:
    try:
        config = override(recipe("digits-convnet"), edits)
    except UserError:  # true is no name, 1e3 is no text: only quoted they are
        config = override(recipe("digits-convnet"), ['dataset="1e3"', 'neuron.surrogate_function="true"'])
    assert override(recipe("adaptive-resnet8-thin-fashion"), edits_of(config)) == config


def test_a_network_of_ones_own_has_no_channels_of_the_recipe() -> None:
    config = recipe("fashion-convnet")
    assert config.channels is not None
    assert override(config, ["model=here:net"]).channels is None
    assert override(config, ["channels=4,4,4", "model=here:net"]).channels == (4, 4, 4)
    assert override(config, ["model=vgg9"]).channels == config.channels


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'fashion-convnet'"):
        recipe("fashion-convent")


# Sections that come in kinds


def test_another_kind_of_neuron_keeps_what_the_recipe_chose_and_it_reads() -> None:
    config = recipe("digits-convnet")
    assert config.neuron == MultiBitSettings(surrogate_function="atan")
    assert override(config, ["neuron.kind=quant-lif"]).neuron == QuantLIFSettings(surrogate_function="atan")
    assert override(config, ["neuron.kind=q-relu"]).neuron == QReLUSettings()
    chosen = override(config, ["neuron.tau=3", "neuron.kind=lif", "neuron.decay_input=true"])  # in whatever order
    assert chosen.neuron == LIFSettings(surrogate_function="atan", tau=3.0, decay_input=True)
    assert override(chosen, ["neuron.kind=multi-level"]).neuron == MultiLevelSettings(surrogate_function="atan")
    assert override(config, ["neuron.kind=lif", "neuron.kind=multibit"]) == config


@pytest.mark.parametrize(
    ("edits", "named"),
    [
        (
            ["neuron.kind=multi-level", "neuron.v_reset=0.3"],
            "neuron.v_reset: got 0.3; neuron.kind=multi-level does not",
        ),
        (
            ["neuron.v_reset=0.3", "neuron.kind=multi-level"],
            "neuron.v_reset: got 0.3; neuron.kind=multi-level does not",
        ),
        (["neuron.kind=q-relu", "neuron.surrogate_function=nonsense"], "it reads levels, paths, scaled"),
        (["neuron.kind=relu", "neuron.tau=2"], "it reads no settings"),
        (["quantizer=binary", "quantizer.spare_bits=2"], "quantizer.kind=binary does not read it"),
    ],
)
def test_what_the_command_sets_and_the_kind_does_not_read_is_refused(edits: list[str], named: str) -> None:
    with pytest.raises(UserError) as refused:
        override(recipe("digits-convnet"), edits)
    assert named in str(refused.value)


def test_a_quantizer_by_its_name_alone_or_by_its_kind() -> None:
    config = recipe("digits-convnet")
    assert config.quantizer == PerChannelLSQSettings()
    for edit in ("quantizer=binary", "quantizer.kind=binary"):
        assert override(config, [edit]).quantizer == BinarySettings()
    learned = override(config, ["quantizer=adaptive", "quantizer.spare_bits=1"])
    assert learned.quantizer == AdaptiveWeightsSettings(spare_bits=1)
    assert override(learned, ["quantizer=adaptive"]).quantizer == learned.quantizer  # the same kind stays as it is
    raw = config.model_dump(mode="json")
    assert raw["quantizer"] == {"kind": "lsq-channel"}
    assert parse_config({**raw, "quantizer": "binary"}).quantizer == BinarySettings()


class MineSettings(FiringSettings):
    """Of a neuron of this file."""

    kind: Literal["mine"] = "mine"
    foo: float = 1.0

    def make(self, bits: Bits) -> IFNode:
        return Mine(bits.t, self.foo, self.detach_reset)


class Mine(IFNode):
    """Integrate and fire at a threshold called ``foo``."""

    def __init__(self, T: int, foo: float, detach_reset: bool) -> None:
        super().__init__(T, v_threshold=foo, detach_reset=detach_reset)


def test_a_kind_from_outside_is_set_as_any_other() -> None:
    with NEURONS.added("mine", MineSettings):
        edits = ["neuron.kind=mine", "neuron.foo=3", "bits=2/1/2", 'layers={"features.1": {"u": 4}}']
        config = override(recipe("digits-convnet"), edits)
        assert config.neuron == MineSettings(foo=3.0, surrogate_function="atan")
        assert parse_config(config.model_dump(mode="json")) == config
        nodes = [module for module in make_model(config).modules() if isinstance(module, Mine)]
        assert {node.staircase.v_threshold for node in nodes} == {3.0}
        assert [node.membrane_bits for node in nodes] == [4] + [None] * (len(nodes) - 1)
        with pytest.raises(UserError, match=r"neuron\.kind=mine does not read it; it reads .*, detach_reset, foo"):
            override(config, ["neuron.tau=2"])
    with pytest.raises(UserError, match=r"neuron\.kind: got 'mine'"):
        override(recipe("digits-convnet"), ["neuron.kind=mine"])
    assert parse_config(config.model_dump(mode="json")) == config, "it is written by its import path"


# What earlier versions wrote

BAG = {
    "kind": "multibit",
    "tau": 2.0,
    "decay_input": False,
    "v_threshold": None,
    "v_reset": 0.0,
    "surrogate_function": None,
    "detach_reset": True,
    "levels": None,
    "paths": [],
    "scaled": True,
    "membrane": "carry",
    "squeeze": False,
    "rounds": True,
    "per_step": False,
    "spare_bits": 2,
    "spare_steps": 1,
}


def earlier(neuron: dict[str, object], quantizer: str = "lsq-channel") -> dict[str, object]:
    raw = recipe("digits-convnet").model_dump(mode="json")
    return {**raw, "neuron": {**BAG, **neuron}, "quantizer": quantizer}


@pytest.mark.parametrize("kind", NEURONS)
def test_a_bag_of_usual_settings_is_the_usual_neuron(kind: str) -> None:
    assert parse_config(migrate(earlier({"kind": kind}))).neuron == neuron_settings(kind)


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipes_as_they_were_written_load_as_they_are(name: str) -> None:
    config = recipe(name)
    raw = config.model_dump(mode="json")
    ignored = {"v_reset": None} if config.neuron.kind == "adaptive" else {}
    quantizer = raw["quantizer"]["kind"]
    assert (
        parse_config(migrate({**raw, "neuron": {**BAG, **ignored, **raw["neuron"]}, "quantizer": quantizer})) == config
    )


def test_spare_bits_of_the_neuron_are_the_quantizers_too() -> None:
    both = parse_config(
        migrate(earlier({"kind": "adaptive", "tau": 1.0, "v_reset": None, "spare_bits": 0}, "adaptive"))
    )
    assert both.neuron == AdaptiveSettings(tau=1.0, spare_bits=0)
    assert both.quantizer == AdaptiveWeightsSettings(spare_bits=0)


def test_what_changed_nothing_is_dropped_and_what_was_refused_still_is() -> None:
    assert (
        parse_config(migrate(earlier({"kind": "multi-level", "tau": 7.0, "v_reset": 0.3}))).neuron
        == MultiLevelSettings()
    )
    with pytest.raises(UserError, match=r"neuron\.levels: got 4; neuron\.kind=lif does not read it"):
        parse_config(migrate(earlier({"kind": "lif", "levels": 4})))
    with pytest.raises(UserError, match=r"neuron\.kind: got 'lief'"):
        parse_config(migrate(earlier({"kind": "lief"})))


@pytest.mark.parametrize(
    "edit",
    [
        "epochs=true", "seed=false", "optimizer.lr=true", "loss.label_smoothing=false", "train_size=true",
        "channels=[true,4,8]", 'layers={"neuron1":{"s":true}}', "optimizer.step_decay=[0.1,true]",
        "neuron.v_threshold=true", "methods.learned-bits.target=[true,1,1]",
    ],
)  # fmt: skip
def test_yes_is_no_number(edit: str) -> None:
    key = edit.partition("=")[0].replace(".", r"\.")
    with pytest.raises(UserError, match=f"^{key}: got .*; want a value, not true or false$"):
        override(recipe("digits-convnet"), [edit])


@pytest.mark.parametrize(
    "edit", ["tensorboard=true", "neuron.detach_reset=true", "methods.paths-ensemble.reroute=true"]
)
def test_yes_is_taken_where_it_is_asked(edit: str) -> None:
    assert override(recipe("digits-convnet"), [edit])


@pytest.mark.parametrize(
    "edit",
    [
        "epochs=1_000", "optimizer.lr=1_0", "channels=1_0,4,4", 'channels=["1_0",4,4]', "neuron.tau=1_0", "mean=0_5",
        'layers={"features.0.0":{"w":"1_0"}}', "methods.learned-bits.target=1/1/1_0",
        "methods.spike-regulation.weight=1_0",
    ],
)  # fmt: skip
def test_digits_in_groups_are_no_number(edit: str) -> None:
    key = re.escape(edit.partition("=")[0])
    with pytest.raises(UserError, match=f"^{key}: got .*1_0.*; want numbers without _|^mean: got '0_5'; want numbers"):
        override(recipe("digits-convnet"), [edit])


@pytest.mark.parametrize("value", ["1", "0", "yes", "off", '"true"', "1.0", "[]", "{}", "[true]"])
@pytest.mark.parametrize("key", ["tensorboard", "neuron.detach_reset", "methods.paths-ensemble.reroute"])
def test_only_true_and_false_are_yes_and_no(key: str, value: str) -> None:
    with pytest.raises(
        UserError, match=f"^{re.escape(key)}: got .*; (want true or false|input should be a valid bool)"
    ):
        override(recipe("digits-convnet"), [f"{key}={value}"])


@pytest.mark.parametrize(
    "edit", ["channels=4,,4,8", "channels=4,4,8,", "augment=flip,,crop4", "augment=,", "mean=0.5,"]
)
def test_a_list_has_no_gaps(edit: str) -> None:
    with pytest.raises(UserError, match=f"^{edit.partition('=')[0]}: got .*; want words with a comma between two"):
        override(recipe("digits-convnet"), [edit])


@pytest.mark.parametrize("value", ["[2,2,1]", "null", "true", '{"w":2,"s":2,"t":1}', "2.5"])
def test_bits_are_a_text(value: str) -> None:
    with pytest.raises(UserError, match=r"^bits: got .*; want (a value, not true|weight/spike/steps)"):
        override(recipe("digits-convnet"), [f"bits={value}"])


@pytest.mark.parametrize(
    ("edits", "same"),
    [
        (["epochs=1e1", "seed=2.0", "channels=4, 4,8"], ["epochs=10", "seed=2", "channels=4,4,8"]),
        (["channels=[4,4,8]", "optimizer.lr=.5"], ["channels=4,4,8", "optimizer.lr=0.5"]),
        (["bits= 2/2/1 ", "mean=0.5, 0.4"], ["bits=2/2/1", "mean=[0.5,0.4]"]),
    ],
)  # fmt: skip
def test_a_number_is_what_it_says(edits: list[str], same: list[str]) -> None:
    assert override(recipe("digits-convnet"), edits) == override(recipe("digits-convnet"), same)


def test_a_section_that_is_not_there_is_added_by_a_key_of_it_and_left_out_by_null() -> None:
    config = recipe("digits-convnet")
    edited = override(config, ["chunks.steps=50", "frames=paper-001@2", "frames.clip=7"])
    assert edited.chunks == ChunksConfig(steps=50)
    assert edited.frames == FrameSettings(slices=10, keep=2, clip=7)
    assert override(config, edits_of(edited)) == edited
    assert override(edited, ["chunks=null", "frames=null"]) == config
    assert parse_config(json.loads(edited.model_dump_json())) == edited


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ("frames.slcies=3", "'frames.slcies'; did you mean 'frames.slices'"),
        ("frames=paper-9@2", "frames: got 'paper-9'; did you mean"),
        ("frames=paper-001", "frames: got 'paper-001'; want a name and the steps"),
        ("frames.clip=true", "frames.clip: got True; want a value"),
        ("chunks.steps=0", "chunks.steps: got 0"),
        ("chunks.gradients=half", "chunks.gradients: got 'half'; input should be 'whole' or 'cut'"),
        ("readout=first", "readout: got 'first'; input should be 'mean', 'last' or 'each'"),
    ],
)
def test_what_does_not_fit_a_section_of_time_is_refused(edit: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        override(recipe("digits-convnet"), [edit])


def test_a_section_that_is_given_a_number_says_that_it_has_keys() -> None:
    with pytest.raises(
        UserError, match=r"chunks: got 3; it has keys of its own; want them one by one, as chunks\.NAME"
    ):
        override(recipe("nmnist-convnet"), ["chunks=3"])
