"""Compiles Triton's neurons for a GPU that need not be here, and counts what is in the assembly, as JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from bitspike.neurons import ATan, LIFNode, MultiLevelIFNode, ParametricLIFNode, QuantLIFNode, fused, fused_triton
from bitspike.neurons import fused_triton_kernels as kernels
from bitspike.neurons.fused_kinds import KINDS, NUMBERS, Bump
from bitspike.neurons.node import ComposedNode

HOPPER = GPUTarget("cuda", 90, 32)
POINTERS = {"current": "", "spikes": "", "grad_spikes": "", "grad_current": "", "found": "*i32", "sums": "*fp64"}
INTEGERS = ("first", "until", "steps", "count", "blocks", "micro_steps")
FLOATS = ("rate", "learned", "peaks", "carried", "scratch")


def counted(node: ComposedNode, which: str, dtype: str = "*fp32", inverts: bool = False, once: bool = False) -> Any:
    described = fused.described(node)
    assert described is not None
    kinds = dict(zip(KINDS, described.kinds, strict=True))
    numbers = dict(zip(NUMBERS, described.numbers, strict=True))
    made = fused_triton.prepared(kinds, numbers, False, "once" if once else "twice", inverts)
    kernel, constants = kernels.forward_kernel, made.constants
    if which == "backward":
        kernel = kernels.backward_kernel
        constants = made.backward_constants(Bump(kinds["surrogate"]).name, bool(kinds["detach_reset"]))
    signature = {}
    for name in kernel.arg_names:
        if name in constants:
            signature[name] = "constexpr"
        elif name in INTEGERS:
            signature[name] = "i32"
        else:
            signature[name] = "*fp32" if name in FLOATS else POINTERS.get(name, "fp32") or dtype
    whole = {
        (place,): [["tt.divisibility", 16]]
        for place, (name, kind) in enumerate(signature.items())
        if kind.startswith("*") or name == "count"
    }
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=whole)
    text = triton.compile(source, target=HOPPER, options={"enable_fp_fusion": False}).asm["ptx"]
    return {
        "div.rn": len(re.findall(r"div\.rn\.f32", text)),
        "fma": len(re.findall(r"fma\.rn\.f32", text)),
        "wide loads": len(re.findall(r"ld\.global\.v4", text)),
        "others": sorted(set(re.findall(r"^\s*(?:@\S+ )?(\S+\.(?:full|approx|ftz)\S*)", text, re.MULTILINE))),
    }


if __name__ == "__main__":
    from test_fused_learned import NODES

    thin = LIFNode(4, tau=3.0, surrogate_function=ATan())
    print(
        json.dumps(
            {
                "tau 3, forward": counted(thin, "forward"),
                "tau 3, by reciprocals": counted(thin, "forward", inverts=True),
                "rounded once": counted(MultiLevelIFNode(4, 7, 0.7), "forward", dtype="*bf16", once=True),
                "plif, backward": counted(ParametricLIFNode(4), "backward", dtype="*bf16", once=True, inverts=True),
                "adaptive, backward": counted(NODES["adaptive, per step"](4), "backward"),
                "stored, forward": counted(QuantLIFNode(4, 3), "forward"),
                "micro-steps, backward": counted(MultiLevelIFNode(4, 7, 0.7), "backward"),
            }
        )
    )
