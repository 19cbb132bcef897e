"""`import bitspike` is light, and every name of the door is what it says, whatever else is imported."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import bitspike

FUNCTIONS = {"allocate", "bench", "compile", "convert", "cost", "evaluate", "export", "freeze", "load_run"}
FUNCTIONS |= {"adopt", "compared", "device_cost", "fit", "from_nir", "predict", "report", "runs", "stream", "train"}
GROUND = {"bitspike", "bitspike.bits", "bitspike.errors", "bitspike.files"}
PACKAGE = Path(bitspike.__file__).parent


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has loaded."""
    program = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_import_loads_the_ground_alone() -> None:
    loaded = modules_after("import bitspike; dir(bitspike); bitspike.Bits, bitspike.__version__")
    assert {name for name in loaded if name.split(".")[0] == "bitspike"} == GROUND
    assert not loaded & {"torch", "numpy", "pydantic", "typer", "rich", "safetensors"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS | {"Run"}))
def test_a_name_of_the_door_loads_no_torch_before_it_is_called(name: str) -> None:
    assert "torch" not in modules_after(f"import bitspike; bitspike.{name}")


def test_the_check_of_what_is_loaded_can_fail() -> None:
    assert "torch" in modules_after("import bitspike, torch")


def test_a_frozen_file_is_costed_and_exported_without_torch(tmp_path: Path) -> None:
    net = Path(__file__).parents[3] / "examples" / "fashion-tiny.bitspike"
    work = f"bitspike.cost({str(net)!r}); bitspike.export({str(net)!r}, 'c', {str(tmp_path)!r})"
    assert "torch" not in modules_after(f"import bitspike; {work}")


def test_the_door_is_listed() -> None:
    assert set(bitspike.__all__) <= set(dir(bitspike))
    assert {name for name in bitspike.__all__ if inspect.isfunction(getattr(bitspike, name))} == FUNCTIONS
    assert inspect.isclass(bitspike.Run)
    with pytest.raises(AttributeError, match="no attribute 'trane'"):
        bitspike.trane  # noqa: B018


OF_AN_EXTRA = {f"bitspike.neurons.fused_triton_{part}" for part in ("kernels", "steps")}
"""They are nothing without a package that not everyone has."""


def test_no_submodule_hides_a_name_of_the_door() -> None:
    """Importing ``bitspike.x`` makes it an attribute of the package: a room may have no name of the door."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "bitspike."):
        if "__main__" not in module.name and module.name not in OF_AN_EXTRA:
            import_module(module.name)
    assert all(inspect.isfunction(getattr(bitspike, name)) for name in FUNCTIONS)
    rooms = {room.name for room in pkgutil.iter_modules([str(PACKAGE)])}
    assert not rooms & set(bitspike.__all__)


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    tree = ast.parse(Path(bitspike.__file__).read_text())
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == {name: f"bitspike.{room}" for name, room in bitspike._ROOMS.items()}
    assert seen.keys() == FUNCTIONS | {"BitPlan", "Bits", "Run", "UserError"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_says_its_arguments_and_refusals(name: str) -> None:
    function = getattr(bitspike, name)
    said = inspect.getdoc(function) or ""
    assert "Args:" in said
    assert "Raises:" in said
    assert ">>> " in said
    missing = [argument for argument in inspect.signature(function).parameters if argument not in said]
    assert missing == []


def test_a_command_is_a_file_of_fewer_than_80_lines() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in (PACKAGE / "cli").glob("*.py")}
    assert len(lines) > 10
    assert {name: count for name, count in lines.items() if count >= 80} == {}


def test_a_file_of_the_door_has_at_most_200_lines() -> None:
    lines = {file.name: len(file.read_text().splitlines()) for file in (PACKAGE / "api").glob("*.py")}
    assert {name: count for name, count in lines.items() if count > 200} == {}
