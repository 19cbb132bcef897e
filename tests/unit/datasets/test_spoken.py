"""Spoken digits: the front end is what its page says, step by step, and the files are taken apart as they should be."""

import io
import math
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitspike.datasets import check, find_dataset, load_split, where
from bitspike.datasets.spoken import levels_of, read_wave
from bitspike.errors import UserError
from bitspike.sample import Sample


def sound(seed: int, count: int, loud: float = 0.5) -> np.ndarray:
    """Tones that come and go, in whole steps of 16 bits."""
    draws = np.random.default_rng(seed)
    t = np.arange(count) / 8000
    tones = sum(np.sin(2 * np.pi * f * t) * np.abs(np.sin(3 * f * t)) for f in draws.uniform(80, 3900, 3))
    return np.round((tones / 3 + draws.normal(0, 0.02, count)) * loud * 32767).clip(-32768, 32767).astype(np.int16)


def riff(samples: np.ndarray, channels: int = 1, width: int = 2, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def by_hand(samples: list[float]) -> list[list[int]]:
    """The page's definition in loops."""
    samples = (samples + [0.0] * 8320)[: 256 + 128 * 63]

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    edges = [700 * (10 ** ((mel(60) + (mel(4000) - mel(60)) * i / 25) / 2595) - 1) for i in range(26)]
    remembered, levels = [math.log(1e-3)] * 24, []
    n = np.arange(256)
    for step in range(64):
        window = [samples[128 * step + i] * (0.5 - 0.5 * math.cos(2 * math.pi * i / 256)) for i in range(256)]
        power = [abs(complex((window * np.exp(-2j * math.pi * k * n / 256)).sum())) ** 2 for k in range(129)]
        row = []
        for band in range(24):
            before, middle, after = edges[band : band + 3]
            energy = 0.0
            for k in range(129):
                hertz = k * 8000 / 256
                if before < hertz <= middle:
                    energy += power[k] * (hertz - before) / (middle - before)
                elif middle < hertz < after:
                    energy += power[k] * (after - hertz) / (after - middle)
            sent = max(-3, min(3, int((math.log(energy + 1e-3) - remembered[band]) / 0.5)))
            remembered[band] += sent * 0.5
            row.append(sent)
        levels.append(row)
    return levels


@given(st.integers(0, 2**32), st.sampled_from([1, 900, 3000, 8320, 12000]))
@settings(max_examples=5)
def test_the_front_end_is_its_definition(seed: int, count: int) -> None:
    samples = sound(seed, count) / 32768
    levels = levels_of(samples)
    assert levels.tolist() == by_hand(samples.tolist())
    assert not np.array_equal(levels, by_hand((samples[::-1] * 0.7).tolist())) or count == 1


def test_the_sum_of_the_levels_follows_the_loudness() -> None:
    samples = sound(1, 8320, 0.1) / 32768
    levels = levels_of(samples)
    assert (levels != 0).mean() > 0.1
    assert np.all(levels.cumsum(0) >= 0)  # nothing is less loud than silence
    louder = levels_of(samples * math.exp(0.5))  # in energy e, which is two levels
    assert 1.5 < (louder.sum(0) - levels.sum(0)).mean() <= 2.5
    assert np.all(levels_of(np.zeros(5000)) == 0)


def test_waves_are_read_exactly() -> None:
    samples = sound(2, 1000)
    assert np.array_equal(read_wave(riff(samples), "here") * 32768, samples)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        riff(sound(0, 100))[:-1],
        riff(sound(0, 100))[:40],
        riff(np.zeros(0)),
        riff(sound(0, 100), channels=2),
        riff(sound(0, 100), rate=16000),
        riff(sound(0, 100), width=1),
        riff(sound(0, 100)).replace(b"WAVE", b"WAVY"),
        riff(sound(0, 100)).replace(struct.pack("<H", 1), struct.pack("<H", 3), 1),
    ],
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^here: "):
        read_wave(content, "here")


def test_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_dataset("spoken-digits").sample == Sample((24,), 64, -3, 3)
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    assert where("spoken-digits", "train", tmp_path) is None
    sounds = {}
    for number, (digit, speaker, index) in enumerate(
        [(3, "theo", 4), (3, "theo", 5), (1, "yweweler", 12), (1, "lucas", 0)]
    ):
        sounds[digit, index] = sound(number, 2000)
        (folder / f"{digit}_{speaker}_{index}.wav").write_bytes(riff(sounds[digit, index]))
    (folder / "notes.txt").write_text("not a recording")
    for _ in range(2):
        for split, own in (("test", [(1, 0), (3, 4)]), ("train", [(1, 12), (3, 5)])):
            codes, labels = load_split("spoken-digits", split, tmp_path)  # type: ignore[arg-type]
            assert labels.tolist() == [digit for digit, _ in own]
            assert codes.shape == (2, 64, 24)
            for one, key in zip(codes, own, strict=True):
                assert np.array_equal(one.astype(int) - 3, levels_of(sounds[key] / 32768))
    rows = check("spoken-digits", tmp_path)
    assert [(row.path, row.bytes, row.checksum, row.ok) for row in rows] == [
        (str(folder), 2 * 4044, "unknown", True) for _ in range(2)
    ]
    (folder / "0_theo_1.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"0_theo_1\.wav"):
        load_split("spoken-digits", "test", tmp_path)
    assert [row.ok for row in check("spoken-digits", tmp_path)] == [True, True, False]
