"""What nobody should type, and what happens while it runs: one line, nothing written, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bitspike.cli import main
from bitspike.training import loop
from bitspike.training.lock import locked

TINY = ["channels=4,4,8", "train_size=256", "validation_size=100", "epochs=1"]
SET = [part for edit in TINY for part in ("--set", edit)]
LONG = "n" * 300
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bitspike(monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> Command:
    """Runs the command in an empty folder: exit status, stdout, stderr."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    return command


def refused(outcome: tuple[int, str, str], *named: str) -> None:
    status, out, err = outcome
    assert (status, out) == (2, ""), outcome
    assert err.startswith("bitspike: ")
    assert err.count("\n") == 1, err
    assert "\x1b" not in err
    for word in named:
        assert word in err


VERBS = {
    "train": ["train", "digits-convnet"],
    "convert": ["convert", "spikezip-convnet-digits"],
    "allocate": ["allocate", "adaptive-resnet8-thin-fashion", "--max-size", "20k"],
    "quickstart": ["quickstart"],
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("value", ["", ".", "..", "../x", "/x", LONG, "a\nb", "\x1b[31mred"])
def test_a_name_is_checked_by_every_verb(bitspike: Command, tmp_path: Path, verb: str, value: str) -> None:
    if verb != "quickstart":
        refused(bitspike(*VERBS[verb], "--name", value), "--name: got")
    if value not in (".", "..", "../x", "/x"):
        refused(bitspike(*VERBS[verb], "--runs-dir", value), "--runs-dir: got")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_places_below_a_file(bitspike: Command, tmp_path: Path) -> None:
    Path("file").touch()
    for verb in VERBS.values():
        refused(bitspike(*verb, "--runs-dir", "file/x"), "--runs-dir: got 'file/x'", "file is no folder")
    refused(bitspike("train", "digits-convnet", "--runs-dir", ".", "--name", "file"), "run folder: got 'file'")
    assert os.listdir() == ["file"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["cost", "convnet", "--bits", ""], "--bits"),
        (["cost", "convnet", "--input", ""], "--input"),
        (["cost", "convnet", "--channels="], "--channels"),
        (["cost", "convnet", "--plan", ""], "--plan"),
        (["cost", ""], "model"),
        (["export", "x.bitspike", "--to", "c", "-o", ""], "--output"),
        (["freeze", "run", "-o", ""], "--output"),
        (["evaluate", "run", "--cc", ""], "--cc"),
        (["data", "list", "--data-dir", ""], "--data-dir"),
        (["data", "check", "digits", ""], "names"),
        (["report", "bits", "", "-o", "x.png"], "runs"),
        (["train", "digits-convnet", "--set", ""], "--set"),
    ],
)
def test_an_empty_text_is_no_value(bitspike: Command, arguments: list[str], named: str) -> None:
    refused(bitspike(*arguments), f"{named}: got ''")
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["cost", "convnet", "--bits", "2/2/1", "--bits", "1/1/1"], "--bits: got '2 times'"),
        (["cost", "convnet", "--batch", "1", "--batch=2", "--batch", "3"], "--batch: got '3 times'"),
        (["train", "digits-convnet", "--name", "a", "--name", "a"], "--name"),
        (["report", "bits", "run", "-o", "a.png", "--output", "b.png"], "--output"),
        (["evaluate", "run", "--split", "test", "--split", "validation"], "--split"),
        (["data", "list", "--data-dir", "a", "--data-dir", "b"], "--data-dir"),
    ],
)
def test_an_option_of_one_value_is_given_once(bitspike: Command, arguments: list[str], named: str) -> None:
    refused(bitspike(*arguments), named, "give it once")


def test_edits_and_flags_may_come_again(bitspike: Command) -> None:
    assert bitspike("cost", "convnet", "--json", "--json")[0] == 0
    refused(bitspike("train", "digits-convnet", "--set", "epochs=1", "--set", "nothing=1"), "--set key: got 'nothing'")


@pytest.mark.parametrize("shape", ["3x99999x99999", "99999x99999x1", "3x6000x6000"])
def test_an_image_too_large(bitspike: Command, shape: str) -> None:
    refused(bitspike("cost", "convnet", "--input", shape), f"--input: got '{shape}'", "100,000,000 values")


@pytest.mark.parametrize("edit", ["epochs=true", "batch_size=false", "optimizer.lr=true", "channels=[true,4,8]"])
def test_yes_is_no_number(bitspike: Command, edit: str) -> None:
    refused(bitspike("train", "digits-convnet", "--set", edit), f"{edit.partition('=')[0]}: got", "not true or false")


@pytest.mark.parametrize("verb", [[], ["cost"], ["train"], ["data"], ["data", "list"]])
def test_the_short_form_of_help(bitspike: Command, verb: list[str]) -> None:
    status, out, _ = bitspike(*verb, "-h")
    assert (status, "Usage:" in out) == (0, True)
    assert out == bitspike(*verb, "--help")[1]


def test_lists_as_json(bitspike: Command) -> None:
    for verb, thing, some in (("train", "recipe", "digits-convnet"), ("report", "figure", "information")):
        status, out, _ = bitspike(verb, "--list", "--json")
        assert status == 0
        assert out == bitspike(verb, "--json", "--list")[1]
        listed = {entry[thing]: entry["about"] for entry in json.loads(out)}
        assert listed[some] in bitspike(verb, "--list")[1]


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bitspike", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


@pytest.mark.parametrize(("words", "found"), [("bitspike qui", "quickstart"), ("bitspike cost --cha", "--channels")])
def test_the_shell_completes(bitspike: Command, monkeypatch: pytest.MonkeyPatch, words: str, found: str) -> None:
    monkeypatch.setenv("_BITSPIKE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    status, out, _ = bitspike()
    assert (status, out.split()) == (0, [found])


@pytest.mark.parametrize("columns", ["20", "40", "60"])
def test_names_and_numbers_are_whole_on_a_narrow_terminal(
    bitspike: Command, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    layers = [layer["name"] for layer in json.loads(bitspike("cost", "resnet20", "--json")[1])["layers"]]
    monkeypatch.setenv("COLUMNS", columns)
    out = bitspike("cost", "resnet20")[1]
    assert "…" not in out
    assert [name for name in layers if f" {name} " not in out] == []
    assert " digits " in bitspike("data", "list")[1]
    assert " ResNet19 " in bitspike("reproduce", "002/table2")[1]


def refuses_to_read(*_: object) -> None:
    raise AssertionError("images were read")


def test_a_taken_folder_is_refused_before_images_are_read(bitspike: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "load_images", refuses_to_read)
    for folder in ("runs/a", "runs/digits-convnet-2-2-1-seed0", "runs/spikezip-convnet-digits-8-4-1-seed0"):
        Path(folder).mkdir(parents=True)
        Path(folder, "config.json").write_text("{}")
    refused(bitspike("train", "digits-convnet", "--name", "a"), "runs/a", "it holds a run; give --resume")
    refused(bitspike("train", "digits-convnet"), "it holds a run")
    refused(bitspike("convert", "spikezip-convnet-digits", "--name", "a"), "it holds a run")


@pytest.mark.parametrize("words", [("digits-convnet", "--name", "a"), ("digits-convnt",), ("nosuch", "--show")])
def test_a_taken_folder_or_a_misspelt_recipe_is_refused_before_torch_is_loaded(
    words: tuple[str, ...], bitspike: Command
) -> None:
    Path("runs/a").mkdir(parents=True)
    Path("runs/a/config.json").write_text("{}")
    code = (
        "import sys; from bitspike.cli import main\n"
        f"sys.argv = ['bitspike', 'train', *{words}]\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "False\n")


def test_allocate_without_data_leaves_nothing(bitspike: Command) -> None:
    arguments = ["allocate", "adaptive-resnet8-thin-fashion", "--max-size", "20k"]
    refused(bitspike(*arguments), "fashion-mnist")
    refused(bitspike(*arguments, "--trials", "2"), "fashion-mnist")
    assert os.listdir() == []


def test_a_folder_that_another_process_works_in(bitspike: Command) -> None:
    assert bitspike("train", "digits-convnet", "--name", "one", *SET)[0] == 0
    before = {file.name: file.read_bytes() for file in Path("runs/one").iterdir()}
    with locked(Path("runs/one")):
        outcome = bitspike("train", "digits-convnet", "--name", "one", "--resume", *SET)
    refused(outcome, f"run folder: got 'runs/one'; process {os.getpid()} on", "works in it")
    assert {file.name: file.read_bytes() for file in Path("runs/one").iterdir()} == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_run_and_says_how_it_goes_on(
    bitspike: Command, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    step = loop._Run._one_step

    def stopped(run: loop._Run, *what: object) -> None:
        step(run, *what)  # type: ignore[arg-type]
        if run.progress.step == 2:
            signal.raise_signal(number)

    arguments = ["train", "digits-convnet", "--name", "it's one", *SET]
    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_one_step", stopped)
        ended, out, err = bitspike(*arguments)
    said = err.splitlines()[-1]
    assert (ended, out) == (status, "")
    assert said.startswith("bitspike: interrupted; to go on: bitspike train digits-convnet --name ")
    assert said.endswith(" --resume")
    assert Path("runs/it's one/checkpoint.safetensors").exists()
    assert bitspike(*arguments, "--resume")[0] == 0
    lines = [json.loads(line) for line in Path("runs/it's one/metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "epoch" not in line]
    assert steps == list(range(1, len(steps) + 1))


def test_a_signal_before_there_is_a_run(bitspike: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "load_images", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert bitspike("train", "digits-convnet") == (143, "", "bitspike: interrupted\n")
    assert os.listdir() == []


def test_a_library_that_makes_another_error_of_a_signal(bitspike: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def swallows(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("half loaded") from None

    monkeypatch.setattr("bitspike.datasets.event_checks.check_any", swallows)
    assert bitspike("data", "check", "digits") == (130, "", "bitspike: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.1, 0.2, 0.5, 1.0, 1.7])
def test_a_signal_while_it_starts_is_one_line(tmp_path: Path, number: int, after: float) -> None:
    command = [sys.executable, "-m", "bitspike", "train", "digits-convnet", "--set", "epochs=500"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as started:
        time.sleep(after)
        started.send_signal(number)
        err = started.communicate()[1]
    assert "Traceback" not in err
    if (started.returncode, err) == (-number, ""):
        pytest.skip("on this busy machine Python itself had not started yet")
    assert started.returncode == 128 + number
    assert err.splitlines()[-1].startswith("bitspike: interrupted")


def test_handlers_are_put_back_and_threads_have_none(bitspike: Command) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert bitspike("--version")[0] == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    ended: list[object] = []

    def run() -> None:
        with pytest.raises(SystemExit) as stopped:
            main()
        ended.append(stopped.value.code)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ended == [0]
