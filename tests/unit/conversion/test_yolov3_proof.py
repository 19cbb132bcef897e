"""The command that compares a converted YOLOv3 with its quantized network: it says equal, and sees what is not."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bitspike.conversion.equilibrium import quantized

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
proof = pytest.importorskip("yolov3_proof")
CHANNELS = (4, 4, 4, 4, 4, 8)


def test_integers_are_equal_and_a_changed_one_is_seen() -> None:
    made = proof.converted(32, 2, 24, CHANNELS)
    image = proof.noise(32, 3)
    seen = proof.compared(made.net, quantized(made.net, made.levels), image)
    assert seen["equal"]
    assert seen["settled"]
    assert seen["integers"] == 255 * (1 + 4 + 16)
    assert seen["spikes"] > 100
    name = next(key for key in made.net.tensors if key.startswith("heads.2.1") and key.endswith("weight"))
    changed = made.net.tensors[name].copy()
    changed.flat[0] += 1 if changed.flat[0] < 0 else -1
    wrong = replace(made.net, tensors={**made.net.tensors, name: changed})
    planted = proof.compared(wrong, quantized(made.net, made.levels), image)
    assert not planted["equal"]
    assert 0 < planted["integers_unequal"] <= 16  # one channel of the finest map
    assert planted["levels_unequal"] == 0


def test_a_network_that_has_not_settled_is_not_equal() -> None:
    made = proof.converted(32, 2, 5, CHANNELS)
    seen = proof.compared(made.net, quantized(made.net, made.levels), proof.noise(32, 0))
    assert not seen["settled"]
    assert not seen["equal"]


@pytest.mark.slow
def test_images_that_are_there_are_not_run_again(tmp_path, monkeypatch) -> None:
    small, out = proof.converted, tmp_path / "proof.json"
    monkeypatch.setattr(proof, "converted", lambda size, levels, steps: small(size, levels, steps, CHANNELS))
    monkeypatch.setattr(sys, "argv", ["yolov3_proof.py", "proof"])
    proof.proof(1, 2, 24, 32, out)
    first = json.loads(out.read_text())["proof"]
    ran = []
    whole = proof.compared
    monkeypatch.setattr(proof, "compared", lambda *given: ran.append(1) or whole(*given))
    proof.proof(2, 2, 24, 32, out)
    then = json.loads(out.read_text())["proof"]
    assert (len(ran), then["images"][0]) == (1, first["images"][0])
    assert then["equal"]
    proof.proof(1, 2, 23, 32, out)  # other steps: another network
    assert len(ran) == 2
