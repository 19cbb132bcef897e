"""The runner of the README's code blocks: what it runs, what it leaves out, and that it can fail."""

import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "tools" / "readme_blocks.py"

PAGE = """
# A page

```bash
pwd
test -f kept.txt  # a copy of the checkout
echo made > made.txt; cd ..
```

```python
import sys
print("python", sys.prefix, open("made.txt").read())
```

```console
$ cat made.txt && echo one \\
  two
this is what it prints, not what was typed; false
```

```bash
make test  # is run elsewhere
```

<!-- not run: needs a GPU -->

```bash
false
```

```text
no code
```
"""


def run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, RUNNER, page, "--done", "make test", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=page.parent)


@pytest.fixture
def page(tmp_path):
    (tmp_path / "kept.txt").touch()
    return tmp_path / "README.md"


def test_blocks_run_in_order_in_a_copy(page):
    page.write_text(PAGE)
    done = run(page)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"python {sys.prefix} made\n" in done.stdout
    assert "one two\n" in done.stdout
    assert f"{page}:27 bash: not run: needs a GPU" in done.stdout
    assert "bash: not run: its commands run elsewhere" in done.stdout
    assert "3 ran, 2 not run, 0 FAILED" in done.stdout
    assert not (page.parent / "made.txt").exists()


@pytest.mark.parametrize(
    "block",
    [
        "```python\n1 / 0\n```",
        "```bash\nfalse\ntrue\n```",
        "```bash\nfalse | true\n```",
        "```console\n$ false\n$ true\n```",
        "  ~~~sh\n  exit 3\n  ~~~",
        "```bash\nsleep 3600\n```",
        "<!-- not run: this one -->\n```bash\ntrue\n```\n```bash\nfalse\n```",
    ],
)
def test_a_failing_block_fails(page, block):
    page.write_text(f"{block}\n\n```bash\ntrue\n```\n")
    done = run(page, "--timeout", "5")
    assert done.returncode == 1
    assert "1 ran," in done.stdout
    assert "1 FAILED" in done.stdout


@pytest.mark.parametrize("text", ["", "```text\nno code\n```", "<!-- not run: none -->\n```bash\ntrue\n```"])
def test_a_page_with_nothing_to_run_fails(page, text):
    page.write_text(text)
    assert run(page).returncode == 1


def test_a_block_that_is_never_closed_fails(page):
    page.write_text("```bash\ntrue\n")
    done = run(page)
    assert done.returncode == 1
    assert "line 1: this block is never closed" in done.stderr
