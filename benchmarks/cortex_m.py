"""Instructions that the exported C takes on a Cortex-M4, for an image and for each layer, and its stack.

QEMU executes the image of the whole program and counts instructions: with ``-icount`` its time is what was executed,
and the chip's own timer (SysTick) tells it. Nothing here is a cycle: what a chip takes for an instruction is 1 to 2
cycles of a Cortex-M4 without wait states, and the milliseconds are an estimate for that range. The logits equal the
oracle's. Networks but the packaged one have random weights, which take as long as trained ones.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from machine import command, commit
from random_nets import images_of, random_net

from bitspike import __version__
from bitspike.backends import c, oracle
from bitspike.costs import cost
from bitspike.errors import UserError
from bitspike.files import write_json
from bitspike.ir import FrozenGraph, load

ROOT = Path(__file__).parent.parent
START = ROOT / "tests" / "conformance" / "cortex_m"
RESULTS = ROOT / "results" / "benchmarks" / "cortex_m.json"
CC, CPU = "arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb", "-std=gnu99")
LEVELS = ("-O2", "-O3")
TINY = ROOT / "examples" / "fashion-tiny.bitspike"
SHAPE, CHANNELS = (1, 28, 28), (8, 16, 32)
BITS = ("1/1/4", "1/2/2", "1/4/1", "2/2/1", "4/4/1", "8/8/1")
SHIFT, TICK_NS = 3, 40
"""An instruction is ``2^SHIFT`` ns of QEMU's time; the board's timer ticks at 25 MHz."""
CLOCK_MHZ, CYCLES = 100, (1, 2)
PAINT = 0xA5
MAIN = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "network.h"
extern char stack_top[];
uint32_t laps[LAPS + 2];
int lap;
static void timer(void)
{
    *(volatile uint32_t *)0xE000E014 = 0xFFFFFF;
    *(volatile uint32_t *)0xE000E018 = 0;
    *(volatile uint32_t *)0xE000E010 = 5;
}
static uint32_t now(void) { return 0xFFFFFF - *(volatile uint32_t *)0xE000E018; }
void note(void) { laps[lap++] = now(); }
static void __attribute__((noinline)) run(const uint8_t *image, network_logit *logits) { network_run(image, logits); }
int main(void)
{
    static uint8_t image[NETWORK_IMAGE_BYTES];
    static network_logit logits[NETWORK_CLASSES];
    FILE *file = fopen("image", "rb");
    if (file == NULL || fread(image, 1, sizeof image, file) != sizeof image) return 1;
    char *end, *bottom = stack_top - STACK;
    __asm__ volatile("mov %0, sp" : "=r"(end));
    for (volatile char *p = bottom; p < (volatile char *)end; p++) *p = (char)PAINT; /* no call, so not ours */
    timer();
    note();
    run(image, logits);
    const uint32_t took = now();
    uint32_t used = 0;
    for (char *p = bottom; p < end && *p == (char)PAINT; p++) used++;
    printf("%lu %lu", (unsigned long)(took - laps[0] & 0xFFFFFF), (unsigned long)(end - bottom - used));
    for (int i = 0; i < LAPS; i++) printf(" %lu", (unsigned long)(laps[i + 1] - laps[i] & 0xFFFFFF));
    for (int k = 0; k < NETWORK_CLASSES; k++) printf(" %lld", (long long)logits[k]);
    return 0;
}
"""
LAYER = re.compile(r"^    (network_(\d+)_\w+)_run\(.*\);$", re.MULTILINE)


def with_laps(text: str) -> tuple[str, list[int]]:
    """The network with the time noted behind each layer, and the numbers of the ops that the layers end with."""
    body = text.index("void network_run(")
    named = [int(found[2]) for found in LAYER.finditer(text, body)]
    noted = LAYER.sub(lambda found: f"{found[0]}\n    note();", text[body:])
    return text[:body].rstrip() + "\nvoid note(void);\n" + noted, named


def ran(net: FrozenGraph, image: np.ndarray, level: str, laps: bool, folder: Path) -> tuple[list[int], list[int]]:
    """Ticks, bytes of stack, ticks of each layer; and logits."""
    program = c.to_c(net)
    text, named = with_laps(program.files["network.c"])
    files = {**program.files, "network.c": text if laps else program.files["network.c"], "main.c": MAIN}
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "image").write_bytes(image.tobytes())
    count = len(named) if laps else 0
    defined = [f"-DLAPS={count}", f"-DPAINT={PAINT}", "-DSTACK=8192"]
    link = ["--specs=rdimon.specs", "-nostartfiles", "-T", str(START / "memory.ld")]
    sources = ["network.c", "main.c", str(START / "startup.c")]
    run(CC, *CPU, level, *defined, *sources, *link, "-o", "image.elf", cwd=folder)
    emulator = ["qemu-system-arm", "-M", "mps2-an386", "-cpu", "cortex-m4", "-kernel", "image.elf"]
    emulator += ["-icount", f"shift={SHIFT},sleep=off", "-nographic", "-monitor", "none", "-serial", "none"]
    said = run(*emulator, "-semihosting-config", "enable=on,target=native,arg=network", cwd=folder)
    numbers = [int(word) for word in said.split()]
    return numbers[: 2 + count], numbers[2 + count :]


def instructions(ticks: int) -> int:
    return ticks * TICK_NS >> SHIFT


def stack_of(net: FrozenGraph, level: str, folder: Path) -> dict[int, int]:
    """Bytes of stack of each layer's function, when none is inlined, by the number of its op."""
    for name, content in c.to_c(net).files.items():
        (folder / name).write_text(content)
    run(CC, *CPU, level, "-fno-inline", "-fstack-usage", "-c", "network.c", "-o", "network.o", cwd=folder)
    lines = (line.split("\t") for line in (folder / "network.su").read_text().splitlines())
    found = ((re.fullmatch(r"network_(\d+)_\w+_run", name.rpartition(":")[2]), size) for name, size, _ in lines)
    return {int(match[1]): int(size) for match, size in found if match}


def run(*words: str, cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise UserError(words[0], f"status {done.returncode}", (done.stderr + done.stdout).strip()[-300:])
    return done.stdout


def measured(name: str, net: FrozenGraph, image: np.ndarray, level: str) -> dict[str, Any]:
    """One network at one level of optimisation."""
    wanted = oracle.logits(net, image[None])[0].tolist()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (ticks, stack), logits = ran(net, image, level, False, folder)
        (_, _, *laps), again = ran(net, image, level, True, folder)
        if logits != wanted or again != wanted:
            raise UserError(name, logits, f"the oracle says {wanted}")
        own, (_, named) = stack_of(net, level, folder), with_laps(c.to_c(net).files["network.c"])
    report = cost(net.graph)
    total = instructions(ticks)
    macs = {layer.name: layer.macs * layer.t for layer in report.layers}
    layers = []
    for number, took in zip(named, laps, strict=True):
        counted = sum(macs[op] for op in inside(net, number, named) if op in macs)
        layers.append(
            {
                "op": net.graph.nodes[number].name,
                "instructions": instructions(took),
                "macs": counted,
                "stack_bytes": own.get(number),
            }
        )
    all_macs = sum(macs.values())
    return {
        "network": name,
        "level": level,
        "instructions": total,
        "macs": all_macs,
        "s_ace": report.total.s_ace,
        "instructions_per_mac": round(total / all_macs, 3),
        "stack_bytes": stack,
        "estimate_ms": {
            f"at {CLOCK_MHZ} MHz, {n} cycles an instruction": round(total * n / CLOCK_MHZ / 1000, 1) for n in CYCLES
        },
        "layers": layers,
    }


def inside(net: FrozenGraph, number: int, named: list[int]) -> list[str]:
    """Ops that the layer which ends with an op computes: those since the layer before."""
    before = max((other for other in named if other < number), default=-1)
    return [node.name for node in net.graph.nodes[before + 1 : number + 1]]


def main(
    only: Annotated[str | None, typer.Option(help="Networks whose name has this in it.")] = None,
) -> None:
    """Count, print, write the file."""
    tiny = load(TINY)
    nets = {"fashion-tiny": tiny, **{f"convnet {bits}": random_net("convnet", SHAPE, bits, CHANNELS) for bits in BITS}}
    rows = []
    for name, net in nets.items():
        if only is None or only in name:
            for level in LEVELS:
                rows.append(measured(name, net, images_of(net, 1)[0], level))
                row = rows[-1]
                print(
                    name, level, row["instructions"], row["instructions_per_mac"], row["stack_bytes"], file=sys.stderr
                )
    tools = {
        "gcc": run(CC, "--version", cwd=ROOT).splitlines()[0],
        "qemu": run("qemu-system-arm", "--version", cwd=ROOT).splitlines()[0],
    }
    head = {"command": command(__file__), "versions": {"bitspike": __version__, **tools}, "commit": commit(ROOT)}
    if only is None:
        write_json(RESULTS, head | {"emulator": "qemu-system-arm -M mps2-an386 -icount", "networks": rows})


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as wrong:
        sys.exit(f"cortex_m: {wrong}")
