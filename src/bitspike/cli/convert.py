"""`bitspike convert`: a trained network as a spiking one that computes the same, and the proof on real images."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bitspike.cli.options import DataDir, Json, RunsDir, print_json
from bitspike.errors import UserError, closest, require

if TYPE_CHECKING:
    from torch import nn

    from bitspike.data import ImageSet
    from bitspike.training import RunFolder, TrainConfig

__all__ = ["convert"]

FORMATS = ("png", "svg", "pdf")


def convert(
    source: Annotated[
        str,
        typer.Argument(
            help="A recipe (spikezip-...), a run of relu or q-relu neurons, or package.module:function of your own."
        ),
    ],
    edits: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Edit the fine-tuning: neuron.levels=4, epochs=5, neuron.paths=."
        ),
    ] = None,
    ann: Annotated[
        Path | None,
        typer.Option("--ann", help="Run folder of a recipe's network of ReLUs; trained there if it is not there yet."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="What a network of your own classifies.")] = None,
    method: Annotated[str, typer.Option("--method", help="spikezip, qcfs or fast-snn.")] = "spikezip",
    steps: Annotated[
        int | None,
        typer.Option("--steps", help="Steps of the spiking network. Default: all that it may take to settle."),
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="How many images to check it on. Default: all of the split.")
    ] = None,
    split: Annotated[Literal["test", "validation"], typer.Option("--split", help="Which images.")] = "test",
    stop_when_settled: Annotated[
        bool, typer.Option("--stop-when-settled", help="Check each batch for as few steps as settle it.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="File for accuracy and feature maps by step: .png, .svg or .pdf.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run folder of the fine-tuning.")] = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune a network with quantized ReLUs, convert it to a spiking one, and compare the two on every image.

    The comparison is in integers and without tolerance: the spiking network's logits must be the quantized network's.
    It prints when the last spike was sent, and the accuracy had it been read earlier. The run folder receives
    snn.bitspike, the integers, for `bitspike evaluate` and `export`; snn_cost.json; and conversion.json.

    Examples: bitspike convert spikezip-resnet8-thin-fashion --data-dir ~/data;
    bitspike convert runs/my-ann --set neuron.levels=4; bitspike convert examples.plain:make_net --dataset digits
    """
    from bitspike import conversion, reports
    from bitspike.data import find_dataset
    from bitspike.files import read_json, write_atomically
    from bitspike.training.setup import load_images

    if method not in conversion.METHODS:
        raise UserError("--method", method, closest(method, conversion.METHODS))
    kind = picture.suffix.removeprefix(".").lower() if picture else ""
    if picture and kind not in FORMATS:
        raise UserError("--picture", str(picture), f"want a name that ends in one of {', '.join(FORMATS)}")
    if picture and picture.is_dir():
        raise UserError("--picture", str(picture), "it is a folder; want the name of a file")
    if picture:
        require("matplotlib", "viz")
    if steps is not None and not 1 <= steps <= conversion.MOST_STEPS:
        raise UserError("--steps", steps, f"want 1 to {conversion.MOST_STEPS}")
    if stop_when_settled and not conversion.METHODS[method].ends:
        raise UserError("--stop-when-settled", method, "its images never end, so it never settles; leave it out")

    def load(config: TrainConfig) -> tuple[ImageSet, ImageSet]:
        """The images to check on, and those to count spikes on."""
        parts = load_images(config, data_dir)
        shown: ImageSet = getattr(parts, split)
        if images is not None and images > len(shown):
            raise UserError("--images", images, f"the {split} split of {config.dataset} has {len(shown)}")
        return shown.first(images or len(shown)), parts.validation

    def before_training(config: TrainConfig, network: nn.Module) -> None:
        """Refuses what could not be converted, or checked, once it is trained."""
        shown = find_dataset(config.dataset)
        graph = conversion.check_convertible(network, shown.image_shape)
        conversion.steps_of(graph, steps)
        logits = graph.edges[graph.nodes[-1].name].shape
        if logits != (shown.num_classes,):
            raise UserError("logits", logits, f"want {shown.num_classes}, one for each class of {config.dataset}")
        load(config)

    run = _find(source, edits or [], ann, dataset, name, runs_dir, data_dir, resume, before_training)
    shape = find_dataset(run.config.dataset).image_shape
    title = run.config.model
    made = conversion.convert(run.qann, shape, T=steps, method=method, name=title, dataset=run.config.dataset)
    shown, others = load(run.config)
    agreement = made.floats_and_integers(shown)
    check = made.check(shown, stop_when_settled)
    activity, report = made.cost(others, f"validation images of {run.config.dataset}")
    found = {"network": title, "method": method, "dataset": run.config.dataset, "split": split, **check.to_dict()}
    found |= {"levels": made.levels, "float_weights_rounded": made.rounded}
    found["floats_and_integers"] = agreement.to_dict()
    made.save(run.folder.path, found, activity, report)
    if picture:
        content = io.BytesIO()
        reports.conversion_figure(found).savefig(content, format=kind, dpi=150)
        write_atomically(picture, content.getvalue())
    if as_json:
        trained = read_json(run.folder.result_file)
        print_json({**_flat(trained, found, report.to_dict()), "folder": str(run.folder.path)})
    else:
        _print(found, report, run.folder.path)
    if conversion.METHODS[method].ends and check.settled and not check.equal:
        raise typer.Exit(1)  # a bug, of ours or in the network


@dataclass(frozen=True)
class _Run:
    """A fine-tuned network of Q-ReLUs with its folder."""

    config: TrainConfig
    folder: RunFolder
    qann: nn.Module


def _find(
    source: str,
    edits: list[str],
    ann: Path | None,
    dataset: str | None,
    name: str | None,
    runs_dir: Path,
    data_dir: Path | None,
    resume: bool,
    before_training: Callable[[TrainConfig, nn.Module], None],
) -> _Run:
    from bitspike import conversion, recipes, training
    from bitspike.training.setup import make_model

    is_run = os.path.isfile(os.path.join(source, "config.json"))
    is_path = is_run or os.sep in source or (os.path.isdir(source) and source not in recipes.RECIPES)
    if ":" in source and not is_run:
        if ann is not None:
            raise UserError("--ann", str(ann), "it is for recipes; your own network brings its weights")
        config = training.override(_own_config(source, dataset), edits)
        teacher, student = _own(source, config)
        before_training(config, student)
        return _finetuned(config, teacher, student, _folder(config, name, runs_dir), data_dir, resume)
    if dataset is not None:
        raise UserError("--dataset", dataset, f"{source} has its own; leave the option out")
    if is_path:
        if ann is not None:
            raise UserError("--ann", str(ann), f"{source} is a run already; leave the option out")
        folder = training.RunFolder(source)
        config = folder.read_config()
        if config.neuron.kind == "q-relu":
            if edits or name or resume:
                raise UserError("run folder", source, "it is fine-tuned; leave out --set, --name and --resume")
            return _Run(config, folder, _trained(folder))
        ann = Path(source)
        if config.neuron.kind != "relu":
            raise UserError("neuron.kind", config.neuron.kind, "want a run of relu or q-relu; others spike already")
        twin = config.recipe.removesuffix("-ann")
        known = config.recipe.endswith("-ann") and twin in recipes.RECIPES
        tuned = recipes.recipe(twin) if known else conversion.finetune_config(config)
        same = {key: getattr(config, key) for key in ("model", "channels", "dataset", "train_size", "seed")}
        config = training.override(tuned.model_copy(update=same), edits)
    else:
        config = training.override(recipes.recipe(source), edits)
        if config.neuron.kind != "q-relu":
            raise UserError("recipe", source, "want one of q-relu neurons: spikezip-...")
        ann = ann or runs_dir / f"{source}-ann-seed{config.seed}"
    before_training(config, make_model(config))
    folder = _folder(config, name, runs_dir)
    if not is_path:
        if not folder.config_file.exists() and _interrupted(ann):
            resume = False  # the network of ReLUs goes on, as it does anyhow
        if resume:
            folder.resume(config)  # refuses another run, or none, before anything is trained for it
        _train_ann(source, config, ann, data_dir)
    teacher = _trained(training.RunFolder(ann))
    student = conversion.with_weights_of(teacher.state_dict(), config)
    return _finetuned(config, teacher, student, folder, data_dir, resume)


def _folder(config: TrainConfig, name: str | None, runs_dir: Path) -> RunFolder:
    """Of the fine-tuning."""
    from bitspike.training import RunFolder

    return RunFolder(runs_dir / (name or f"{config.recipe}-{str(config.bits).replace('/', '-')}-seed{config.seed}"))


def _interrupted(path: Path) -> bool:
    """Whether a run was started there that has not ended."""
    from bitspike.training import RunFolder

    return RunFolder(path).config_file.exists() and not RunFolder(path).result_file.exists()


def _train_ann(recipe: str, config: TrainConfig, path: Path, data_dir: Path | None) -> None:
    """Trains the recipe's network of ReLUs, as far as it is not there."""
    from bitspike import recipes, training
    from bitspike.cli.progress import ProgressBar

    folder = training.RunFolder(path)
    started = folder.config_file.exists()
    same = {key: getattr(config, key) for key in ("model", "channels", "dataset", "train_size", "seed", "precision")}
    ann = folder.read_config() if started else recipes.recipe(f"{recipe}-ann").model_copy(update=same)
    if ann.neuron.kind != "relu":
        raise UserError("--ann", str(path), f"want a run of neuron.kind=relu; its neurons are {ann.neuron.kind}")
    for key in ("model", "channels", "dataset"):
        if getattr(ann, key) != same[key]:
            raise UserError(
                f"{key} of {path}", getattr(ann, key), f"want {same[key]!r}; name another folder with --ann"
            )
    if folder.result_file.exists():
        return
    with ProgressBar(path.name) as bar:
        training.train(ann, folder, data_dir, resume=started, observer=bar)


def _trained(folder: RunFolder) -> nn.Module:
    from bitspike.training.checkpoint import load_model
    from bitspike.training.setup import make_model

    if not folder.result_file.exists():
        raise UserError("run folder", str(folder.path), "its training has not ended; say its command with --resume")
    model = make_model(folder.read_config())
    load_model(folder.checkpoint_file, model)
    return model.eval()


def _finetuned(
    config: TrainConfig,
    teacher: nn.Module,
    student: nn.Module,
    folder: RunFolder,
    data_dir: Path | None,
    resume: bool,
) -> _Run:
    from bitspike import training
    from bitspike.cli.progress import ProgressBar
    from bitspike.training.checkpoint import load_model

    if resume and folder.result_file.exists():
        folder.resume(config)
        load_model(folder.checkpoint_file, student)
        return _Run(config, folder, student)
    with ProgressBar(folder.path.name) as bar:
        training.train(config, folder, data_dir, resume=resume, observer=bar, model=student, teacher=teacher)
    return _Run(config, folder, student)


def _own_config(source: str, dataset: str | None) -> TrainConfig:
    from bitspike import conversion, recipes

    if dataset is None:
        raise UserError("--dataset", None, "want what your network classifies; see `bitspike data list`")
    ann = recipes.recipe("spikezip-convnet-digits-ann")
    label = source.replace(":", "-")
    return conversion.finetune_config(
        ann.model_copy(update={"recipe": label, "model": source, "dataset": dataset, "channels": None})
    )


def _own(source: str, config: TrainConfig) -> tuple[nn.Module, nn.Module]:
    """A network of one's own with its ReLUs, and with Q-ReLUs."""
    from torch import nn

    from bitspike.cli.cost import make_own
    from bitspike.conversion import adopt, with_weights_of
    from bitspike.neurons import make_node

    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            model = make_own(source)
            if not isinstance(model, nn.Module):
                raise UserError("model", source, f"it returned {type(model).__name__}; want an nn.Module")
            quantized = adopt(model, lambda: make_node(config.neuron, config.bits))
            return adopt(model, nn.ReLU), with_weights_of(quantized, config)
    finally:
        sys.path.remove(here)


def _flat(trained: dict[str, Any], found: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """The result of the fine-tuning with what the conversion adds.

    Cost and spikes are the spiking network's; the quantized one's, at one step, are there as ``qann_``.
    """
    accuracy, total = found["accuracy"], report["total"]
    at = {f"accuracy_at_{t}": accuracy[min(t, len(accuracy)) - 1] for t in (1, 2, 4, 8, 16, 32)}
    keys = ("method", "images", "equal", "logits_equal", "T", "T_eq", "bound", "settled", "qann_accuracy")
    counted = ("s_ace", "ns_ace", "sops", "spikes", "size_bytes")
    costs = {**{f"qann_{key}": trained[key] for key in counted}, **{key: total[key] for key in counted}}
    last = [layer["distance"][-1] for layer in found["layers"].values()]
    curve = {"accuracy": accuracy, "final_distance": sum(last) / len(last)}
    return {**trained, **costs, **{key: found[key] for key in keys}, **at, **curve}


def _print(found: dict[str, Any], report: Any, folder: Path) -> None:
    from rich.console import Console

    from bitspike import reports
    from bitspike.conversion import EXACT_BITS

    console = Console()
    console.print(reports.conversion_table(found))
    console.print(reports.total_table(report))
    if found["float_weights_rounded"]:
        typer.echo(f"float weights of {found['float_weights_rounded']} layers were rounded to {EXACT_BITS} bits")
    same = "equal" if found["equal"] else "NOT equal"
    typer.echo(
        f"{found['logits_equal']:,} of {found['images']:,} {found['split']} images: the SNN's logits are the QANN's "
        f"({same}, in integers)"
    )
    settled = "every image has settled" if found["settled"] else "not every image was seen to settle"
    certain = "" if found["bound"] is None else f" (certain after {found['bound']})"
    typer.echo(f"last spike at step {found['T_eq']} of {found['T']}: {settled}{certain}")
    agreed = found["floats_and_integers"]
    differ, levels = (sum(layer[key] for layer in agreed["layers"]) for key in ("mismatches", "elements"))
    typer.echo(
        f"QANN in floats and in integers: the same class on {agreed['same_class']:,} of {agreed['images']:,} images, "
        f"{1e6 * differ / levels:.1f} of a million levels differ"
    )
    curve = ", ".join(f"{t}: {found['accuracy'][t - 1]:.2f}" for t in (1, 2, 4, 8, 16, 32, 64) if t <= found["T"])
    typer.echo(f"accuracy in % after steps {curve}; QANN: {found['qann_accuracy']:.2f}")
    typer.echo(f"run folder: {folder}")
