"""Workers: one that is killed is followed by another, what is refused comes through, what cannot be had is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from bitspike import UserError
from bitspike.workers import RETRIES, Work, cluster, one_thread, workers


def note(file: Path, word: str) -> None:
    with file.open("a") as out:
        out.write(f"{word} {os.getpid()}\n")


def killed_at_first(file: Path) -> None:
    """Work that is killed the first time."""
    begun = file.exists()
    note(file, "begun")
    if not begun:
        os.kill(os.getpid(), signal.SIGKILL)
    note(file, "done")


def refused() -> None:
    raise UserError("trial", 3, "want another")


def dies() -> None:
    os._exit(1)


def test_here_does_one_after_the_other_in_their_order(tmp_path: Path) -> None:
    with workers(None, None, tmp_path) as pool:
        assert pool.most == 1
        pool.start(4, "four", partial(note, tmp_path / "four", "done"))
        assert not (tmp_path / "four").exists(), "it is done when somebody waits for it"
        pool.start(2, "two", partial(note, tmp_path / "two", "done"))
        assert [pool.ended(), pool.ended()] == [4, 2]
    assert (tmp_path / "two").read_text() == f"done {os.getpid()}\n"


def test_a_process_that_is_killed_is_followed_by_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with workers(2, None, tmp_path) as pool:
        assert pool.most == 2
        pool.start(0, "trial 1", partial(killed_at_first, tmp_path / "killed"))
        pool.start(1, "trial 2", partial(note, tmp_path / "whole", "done"))
        assert sorted([pool.ended(), pool.ended()]) == [0, 1]
    words = [line.split() for line in (tmp_path / "killed").read_text().splitlines()]
    assert [word for word, _ in words] == ["begun", "begun", "done"]
    assert words[0][1] != words[1][1] == words[2][1]
    assert (tmp_path / "whole").read_text().count("done") == 1
    assert "trial 1: its process ended with -9; it goes on in another" in capsys.readouterr().err


def in_a_process(work: Work, folder: Path) -> None:
    with workers(2, None, folder) as pool:
        pool.start(0, "trial 1", work)
        pool.ended()


def test_what_a_process_refuses_comes_through_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        in_a_process(refused, tmp_path)
    assert (raised.value.thing, raised.value.seen, raised.value.would_do) == ("trial", 3, "want another")


def test_work_whose_processes_all_die_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RETRIES > 1
    monkeypatch.setattr("bitspike.workers.processes.RETRIES", 1)
    with pytest.raises(UserError, match="trial 1: got 'its process ended with 1") as raised:
        in_a_process(dies, tmp_path)
    assert "the same command goes on" in str(raised.value)


def test_a_machine_that_does_not_see_the_folder_is_named(tmp_path: Path) -> None:
    """One that joins a cluster while a sweep is on it, too."""
    (tmp_path / "seen").touch()
    where, path = os.getcwd(), list(sys.path)
    cluster._do(partial(note, tmp_path / "work", "done"), str(tmp_path / "seen"), where)
    assert set(sys.path) == {*path, where}
    with pytest.raises(UserError, match=r"it does not see .*want a --runs-dir that all machines share"):
        cluster._do(partial(note, tmp_path / "work", "done"), str(tmp_path / "elsewhere/seen"), where)
    assert (tmp_path / "work").read_text().count("done") == 1


def test_a_run_of_several_has_one_thread_and_leaves_the_others_theirs() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_without_ray_its_extra_is_named() -> None:
    """In a process of its own, where no ray can be imported."""
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from pathlib import Path\n"
        "from bitspike.workers import workers\n"
        "try: workers(None, 'local', Path('.'))\n"
        "except Exception as refused: print(refused)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "bitspike[ray]" in said
