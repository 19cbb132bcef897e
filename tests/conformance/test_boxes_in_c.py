"""The boxes of the exported C are those of Python, number for number, on raw outputs of any kind."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from library import sanitizes

from bitspike.backends.c.boxes import Array, boxes_of_arrays
from bitspike.detection import Head, WholeHead

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
HEADS = {
    "one output": (Head("points", ("RBC", "WBC", "Platelets"), (8,), overlap=0.45), (0.01,), (40, 48)),
    "two scales": (Head("points", ("a",), (4, 16), lowest=0.6, overlap=1 / 3), (0.3, 0.0007), (32, 48)),
    "odd names": (Head("points", ('"??/\\', "kälte\n", "%d"), (8, 8, 32)), (1.0, 2.5, 1e-6), (64, 32)),
}
NETWORK = """#ifndef NETWORK_H
#define NETWORK_H
#include <stddef.h>
#include <stdint.h>
#define NETWORK_IMAGE_BYTES {bytes}
void network_run(const uint8_t *image, {outputs});
#endif
"""
"""In the place of a network: an image is its outputs, one after the other."""


def program(folder: Path, whole: WholeHead, outputs: list[Array], cc: str, *flags: str) -> Path:
    """The example program over a network that gives back what it is given."""
    sizes = [4 * one.cells * one.shape[0] for one in outputs]
    arguments = ", ".join(f"int32_t *out{place}" for place in range(len(outputs)))
    lines = [f"memcpy(out{i}, image + {sum(sizes[:i])}, {sizes[i]});" for i in range(len(outputs))]
    run = '#include <string.h>\n#include "network.h"\nvoid network_run(const uint8_t *image, %s)\n{\n%s\n}\n'
    texts = boxes_of_arrays(whole, outputs, "network")
    texts["network.h"] = NETWORK.format(bytes=sum(sizes), outputs=arguments)
    texts["network.c"] = run % (arguments, "\n".join(lines))
    for file, text in texts.items():
        (folder / file).write_text(text)
    sources = [str(folder / file) for file in texts if file.endswith(".c")]
    subprocess.run([cc, *STRICT, *flags, *sources, "-o", str(folder / "boxes")], check=True)
    return folder / "boxes"


def printed(binary: Path, outputs: list[np.ndarray]) -> list[list[str]]:
    """What the program says of raw outputs ``[N, C, H, W]``."""
    images = np.concatenate([one.reshape(len(one), -1) for one in outputs], 1).astype("<i4")
    done = subprocess.run([str(binary)], input=images.tobytes(), capture_output=True, check=True)
    return [line.rsplit(" ", 5) for line in done.stdout.decode().replace("kälte\n", "kälte").splitlines()]


def expected(whole: WholeHead, outputs: list[np.ndarray]) -> list[list[str]]:
    return [
        [f"{image} {whole.head.classes[label]}".replace("\n", ""), *map(str, (score, *xyxy))]
        for image, boxes in enumerate(whole.found(outputs))
        for xyxy, label, score in zip(boxes.xyxy.tolist(), boxes.labels.tolist(), boxes.scores.tolist(), strict=True)
    ]


def raw(head: Head, size: tuple[int, int], most: int, seed: int, count: int = 6) -> list[np.ndarray]:
    """Integers up to ``most``, both signs, small ones often equal; in half of the images boxes overlap."""
    rng = np.random.default_rng(seed)
    outputs = [rng.integers(-most, most + 1, (count, *shape)) for shape in head.shapes(size)]
    for output in outputs:
        output[: count // 2, -4:] = abs(output[: count // 2, -4:]) // 2 + most // 2
    return outputs


@pytest.mark.parametrize("kind", HEADS)
def test_the_boxes_are_those_of_python(tmp_path, kind):
    head, scales, size = HEADS[kind]
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all") if sanitizes(cc) else ("-O2",)
    arrays = [Array("int32_t", f"out{place}", shape) for place, shape in enumerate(head.shapes(size))]
    whole = WholeHead(head, scales)
    binary = program(tmp_path, whole, arrays, cc, *flags)
    for seed, most in enumerate([3, 40, 500, 20_000, (1 << 31) - 1]):
        outputs = raw(head, size, most, seed)
        want = expected(whole, outputs)
        assert printed(binary, outputs) == want
    assert want, "random outputs have boxes"


def test_another_threshold_is_seen(tmp_path):
    head, scales, size = HEADS["one output"]
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    binary = program(tmp_path, WholeHead(head, scales), [Array("int32_t", "out0", *head.shapes(size))], cc)
    outputs = raw(head, size, 300, 0)
    found = printed(binary, outputs)
    assert found == expected(WholeHead(head, scales), outputs)
    assert found != expected(WholeHead(replace(head, overlap=0.35), scales), outputs)
    assert found != expected(WholeHead(head, (0.0101,)), outputs)
    assert found != expected(WholeHead(head, scales, lowest=0.3), outputs)


def test_the_least_score_is_the_users_to_define(tmp_path):
    head, scales, size = HEADS["one output"]
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    arrays = [Array("int32_t", "out0", *head.shapes(size))]
    binary = program(tmp_path, WholeHead(head, scales), arrays, cc, "-DNETWORK_LEAST_SCORE=0")
    outputs = raw(head, size, 300, 1)
    assert printed(binary, outputs) == expected(WholeHead(head, scales, 0.5), outputs)


def test_the_program_refuses_half_an_image(tmp_path):
    head, scales, size = HEADS["one output"]
    cc = next(filter(shutil.which, ("gcc", "clang", "cc")), None) or pytest.skip("no C compiler")
    binary = program(tmp_path, WholeHead(head, scales), [Array("int32_t", "out0", *head.shapes(size))], cc)
    done = subprocess.run([str(binary)], input=b"half", capture_output=True)
    assert done.returncode == 2
    assert done.stderr.decode() == "image 0: got 4 bytes; want 840\n"
