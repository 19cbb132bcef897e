"""The house of docs/layout.md: imports point down only, and the wings touch nowhere but on the bridge.

A room is a package or module directly under ``bitspike``. ``MAY_IMPORT`` is the whole plan: who may import
whom, and nobody else. A new room is entered here or the test fails; a room of the plan need not be built yet.
Every import counts, also inside a function, under ``TYPE_CHECKING``, or by name through ``import_module``.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "bitspike"

GROUND = {
    "__init__",
    "bits",
    "errors",
    "files",
    "importing",
    "intmath",
    "native",
    "places",
    "registry",
    "sample",
    "settings",
    "stopping",
}
BELOW_MODELS = GROUND | {"neurons", "quant", "layers", "frontend"}
BELOW_TRAINING = BELOW_MODELS | {"models", "data", "datasets", "detection", "ir", "costs", "lowering"}
BELOW_RECIPES = BELOW_TRAINING | {"training", "conversion"}

MAY_IMPORT: dict[str, set[str]] = {
    # ground
    "errors": set(),
    "stopping": set(),
    "places": {"errors", "files"},
    "intmath": {"errors"},
    "files": {"errors"},
    "native": {"errors"},
    "importing": {"errors"},
    "registry": {"errors", "importing"},
    "sample": {"errors"},
    "settings": {"errors", "importing", "registry"},
    "bits": {"errors", "files"},
    "__init__": {"bits", "errors"},
    # learning wing
    "quant": GROUND,
    "neurons": GROUND | {"quant"},  # a membrane is quantized too
    "data": GROUND | {"datasets", "detection"},  # tensors of their arrays
    "layers": GROUND | {"neurons", "quant"},
    "frontend": GROUND | {"neurons", "quant", "layers"},  # a user's module as plain calls
    "models": BELOW_MODELS,
    # beside the wings (numpy): what boxes are, and the files of datasets as arrays
    "detection": GROUND,
    "datasets": GROUND | {"detection"},
    # integer wing
    "ir": GROUND | {"detection"},  # what the outputs of a network that finds boxes mean
    "costs": GROUND | {"ir"},
    "backends": GROUND | {"ir", "costs", "detection"},  # detection: the boxes that an exported program prints
    "reports": GROUND | {"ir", "costs", "detection"},
    # bridge (cost: its record of measured activity; backends: the oracle, to compare with)
    "lowering": BELOW_MODELS | {"ir", "costs", "backends"},
    # above
    "training": BELOW_TRAINING,
    "conversion": BELOW_TRAINING | {"training", "backends"},  # backends: the oracle, in which it is checked
    "frameworks": BELOW_RECIPES,  # models of other frameworks as networks of the house
    "workers": GROUND,  # who does several runs: this process, others, a cluster
    "allocation": BELOW_TRAINING | {"training", "workers"},
    "reproduce": BELOW_TRAINING,
    "recipes": BELOW_RECIPES,
    # the door: what `import bitspike` offers; the commands call it
    "api": BELOW_RECIPES | {"recipes", "frameworks", "allocation", "backends", "reports", "workers"},
    "cli": BELOW_RECIPES | {"api", "recipes", "allocation", "backends", "reports", "reproduce"},
    "__main__": {"cli"},
}
GOLDEN = {"mem": {"oracle"}}
"""The one backend that asks another: the golden vectors that it writes are the oracle's, and it computes nothing."""
DOOR = ("__init__", "api")
"""The one arrow that points up: `import bitspike` offers the door, and loads it when it is first used."""
WITHOUT_TORCH = GROUND | {"datasets", "detection", "ir", "costs", "backends", "reports"}


Name = tuple[str, ...]  # a dotted name in parts


def imports(file: Path, module: Name) -> Iterator[Name]:
    """What a file imports; ``from a import b`` is ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        match node:
            case ast.Import(names=names):
                yield from (tuple(name.name.split(".")) for name in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                start = (*(module[:-level] if level else ()), *(source.split(".") if source else ()))
                yield from ((*start, name.name) for name in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(source)), *_]):
                if ast.unparse(function).split(".")[-1] in {"import_module", "__import__", "require"}:
                    yield tuple(source.split("."))


def violations(package: Path) -> list[str]:
    """Every import that the plan does not allow, and every module that is in no room of it."""
    files = {("bitspike", *file.relative_to(package).with_suffix("").parts): file for file in package.rglob("*.py")}
    rooms = {module[1] for module in files}
    backends = {module[2] for module in files if module[1] == "backends"} - {"__init__", "protocol"}
    found = []
    for module, file in sorted(files.items()):
        room, where = module[1], ".".join(module)
        if room not in MAY_IMPORT:
            found.append(f"{where} is in no room")
            continue
        for target in imports(file, module):
            what = f"{where} imports {'.'.join(target)}"
            if "torch" in target and room in WITHOUT_TORCH:
                found.append(f"{what}, where torch is not known")
            if target[0] != "bitspike":
                continue
            there = target[1] if target[1:] and target[1] in rooms else "__init__"
            if (room, there) != DOOR and there not in MAY_IMPORT[room] | {room}:
                found.append(f"{what}, which is no arrow of the plan")
            others = (
                backends - {module[2]} - GOLDEN.get(module[2], set()) if module[2:] and module[2] in backends else set()
            )
            if room == there == "backends" and others.intersection(target[2:3]):
                found.append(f"{what}: backends never import each other")
    return found


def test_imports_follow_the_plan():
    assert violations(PACKAGE) == []


def test_the_plan_has_no_circle():
    order = list(TopologicalSorter(MAY_IMPORT).static_order())
    assert set(order) == set(MAY_IMPORT), "a room that may be imported is not in the plan"


def test_the_wings_touch_only_on_the_bridge():
    learning = {"neurons", "quant", "layers", "frontend", "models"}
    for room, below in MAY_IMPORT.items():
        if room in learning:
            assert not below & {"ir", "costs", "backends", "reports", "lowering"}
        if room in WITHOUT_TORCH:
            assert below <= WITHOUT_TORCH


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("neurons/node.py", "from bitspike.layers import Synapse", "no arrow"),
        ("neurons/node.py", "from bitspike import layers", "no arrow"),
        ("neurons/node.py", "from ..layers.synapse import Synapse", "no arrow"),
        ("neurons/__init__.py", "from .. import layers", "no arrow"),
        ("bits.py", "from bitspike import Bits", "no arrow"),
        ("bits.py", "import bitspike", "no arrow"),
        ("bits.py", "from bitspike.api.train import train", "no arrow"),
        ("__init__.py", "from bitspike.training import train", "no arrow"),
        ("quant/uniform.py", "import bitspike.neurons.node as node", "no arrow"),
        ("models/vgg.py", "from bitspike.ir import Graph", "no arrow"),
        ("costs/energy.py", "def late():\n    from bitspike.backends import native", "no arrow"),
        ("costs/energy.py", "if TYPE_CHECKING:\n    import bitspike.lowering", "no arrow"),
        ("costs/energy.py", "importlib.import_module('bitspike.lowering.trace')", "no arrow"),
        ("ir/graph.py", "import torch.fx", "torch is not known"),
        ("ir/file.py", "def load():\n    from safetensors.torch import load_file", "torch is not known"),
        ("backends/native.py", "from bitspike.backends.c import emit", "never import each other"),
        ("backends/native.py", "from bitspike.backends import c", "never import each other"),
        ("backends/native.py", "from . import c", "never import each other"),
        ("backends/native.py", "from bitspike.backends import oracle", "never import each other"),
        ("attic/old.py", "", "bitspike.attic.old is in no room"),
        ("helpers.py", "", "bitspike.helpers is in no room"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, file, line, says):
    plant(tmp_path, {file: line})
    (found,) = violations(tmp_path)
    assert says in found


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("layers/synapse.py", "from bitspike.neurons.node import Node\nimport torch, numpy"),
        ("layers/synapse.py", "from . import encoder\nfrom .encoder import Encoder\nfrom ..bits import Bits"),
        (
            "backends/native.py",
            "from bitspike.backends.protocol import Backend\nfrom bitspike.backends.native import x",
        ),
        ("backends/__init__.py", "from bitspike.backends import c, native"),
        ("reports/page.py", "from bitspike import __version__"),
        ("__init__.py", "if TYPE_CHECKING:\n    from bitspike.api.train import train"),
        ("cli/__init__.py", "from bitspike.backends import native"),
    ],
)
def test_an_arrow_of_the_plan_passes(tmp_path, file, line):
    plant(tmp_path, {file: line})
    assert violations(tmp_path) == []


def plant(package: Path, texts: dict[str, str]) -> None:
    """A package with every room of the plan, empty but for ``texts``."""
    rooms = {f"{room}/__init__.py": "" for room in MAY_IMPORT if room not in GROUND | {"__main__"}}
    backends = [f"backends/{name}.py" for name in ("c", "native", "oracle", "protocol")]
    modules = dict.fromkeys(("__init__.py", "bits.py", *backends), "")
    for name, text in (rooms | modules | texts).items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text)


def test_the_integer_wing_runs_without_torch():
    modules = [
        ".".join(("bitspike", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for file in PACKAGE.rglob("*.py")
        if file.relative_to(PACKAGE).with_suffix("").parts[0] in WITHOUT_TORCH
    ]
    assert not loads_torch(modules)
    assert loads_torch(["torch"])  # the check can fail


def loads_torch(modules: list[str]) -> bool:
    """Whether a fresh interpreter that has imported these modules has imported torch with them."""
    code = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1] == "True"
