"""Threads of the command: a short wait, one for each core of a quota, and never against the user's word."""

import subprocess
import sys
from pathlib import Path

import pytest

from bitspike.cli import threads


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 16 cores whose control groups are these files."""
    monkeypatch.setattr(threads, "cores", lambda: 16)

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


QUOTAS = {
    "none": ({}, None),
    "unlimited": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "of a container": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2.0),
    "of a group above": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
        },
        1.5,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "9:name=systemd:/\n4:cpu,cpuacct:/docker/x\n3:cpuset:/\n",
            "sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        3.0,
    ),
    "of another controller": (
        {
            "proc/self/cgroup": "4:memory:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "1\n",
        },
        None,
    ),
    "nonsense": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "many 0\n"}, None),
}


@pytest.mark.parametrize(("files", "limit"), QUOTAS.values(), ids=QUOTAS)
def test_quota_of_a_process(machine, files, limit):
    assert threads.quota(machine(files)) == limit


@pytest.mark.parametrize(("limit", "count"), [("200000", "2"), ("150000", "2"), ("10000", "1")])
def test_a_thread_for_each_core_of_the_quota(machine, limit, count):
    root = machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{limit} 100000\n"})
    environ: dict[str, str] = {}
    threads.share_cores(environ, root)
    assert environ == {"GOMP_SPINCOUNT": "1000", "OMP_NUM_THREADS": count}
    assert threads.note(environ, root).startswith(f"threads: {count}, for a quota of {int(limit) / 1e5:g} of 16")


@pytest.mark.parametrize("text", ["1600000 100000", "max 100000"])
def test_no_quota_no_word(machine, text):
    root = machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": text})
    environ: dict[str, str] = {}
    threads.share_cores(environ, root)
    assert environ == {"GOMP_SPINCOUNT": "1000"}
    assert threads.note(environ, root) is None


@pytest.mark.parametrize(
    "said", [{"OMP_NUM_THREADS": "5", "GOMP_SPINCOUNT": "7"}, {"OMP_NUM_THREADS": "5", "OMP_WAIT_POLICY": "active"}]
)
def test_what_the_user_says_stays(machine, said):
    root = machine({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"})
    environ = dict(said)
    threads.share_cores(environ, root)
    assert environ == said
    assert threads.note(environ, root) is None


def test_a_process_that_has_loaded_torch_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", threads)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    threads.share_cores()
    assert "GOMP_SPINCOUNT" not in threads.os.environ


def test_the_command_sets_it_before_torch_is_loaded():
    script = (
        "import os, sys\n"
        "import bitspike.cli\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "sys.argv = ['bitspike', '--version']\n"
        "try:\n    bitspike.cli.main()\n"
        "except SystemExit:\n    print(os.environ['GOMP_SPINCOUNT'])\n"
    )
    environ = {name: value for name, value in threads.os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=True)
    assert done.stdout.split()[-1] == "1000"
