"""Neurons in real numbers, a step after the other, in units of their threshold; a level is what a Quant makes."""

from __future__ import annotations

from bitspike.backends.qonnx.writer import Value, Writer, width
from bitspike.ir import Dynamics, Fire, LeakyDynamics

__all__ = ["fire"]


def fire(writer: Writer, node: Fire) -> None:
    """Writes all steps of a layer of neurons.

    Raises:
        UserError: neurons that have no Quant: such as settle, or have a state of their own.
    """
    how, before = node.dynamics, writer.read(node)
    currents = [before.steps[min(t, len(before.steps) - 1)] for t in range(node.T)]
    if isinstance(how, LeakyDynamics):
        made = _leaky(writer, node, how, currents)
    elif isinstance(how, Dynamics) and how.tracer is None:
        made = _threshold(writer, node, how, currents)
    else:
        raise node.refuse(type(how).__name__, "wants neurons that fire at a threshold and keep their potential alone")
    writer.values[node.name] = Value(tuple(made), 1.0)


def _threshold(writer: Writer, node: Fire, how: Dynamics, currents: list[str]) -> list[str]:
    sent: list[str] = []
    one, retention = 2.0**how.fraction_bits, how.leak_multiplier / 2**how.leak_shift
    v = "" if how.v_init == 0 else writer.constant(how.v_init / one)
    for t, x in enumerate(currents):
        u = x
        if v and retention:
            u = writer.op("Add", x, v if retention == 1 else writer.op("Mul", v, writer.constant(retention)))
        sent.append(_level(writer, node, u, f"{node.name}.t{t}", 0.5 if how.rounds else 0.0))
        if t + 1 == node.T:
            break
        if how.v_reset is None:
            v = writer.op("Sub", u, sent[-1])
        else:
            silent = writer.op("Equal", sent[-1], writer.constant(0.0))
            v = writer.op("Where", silent, u, writer.constant(how.v_reset / one))
        if how.store is not None and node.membrane_bits is not None:
            step = how.store.step / 2**how.store.step_shift / one
            half = writer.op("Add", v, writer.constant(step / 2))  # rounded half up
            v = writer.quantized(half, node.membrane_bits, step, signed=True, narrow=True, rounding_mode="FLOOR")
    return sent


def _level(writer: Writer, node: Fire, u: str, output: str, shift: float) -> str:
    """The level of a potential: what is below it, within the alphabet."""
    bits, signed = width(node.lo, node.hi)
    whole = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    raised = writer.op("Add", u, writer.constant(shift)) if shift else u
    if (node.lo, node.hi) != whole:
        raised = writer.op("Clip", raised, writer.constant(float(node.lo)), writer.constant(float(node.hi)))
    return writer.quantized(raised, bits, 1.0, signed=signed, rounding_mode="FLOOR", output=output)


def _leaky(writer: Writer, node: Fire, how: LeakyDynamics, currents: list[str]) -> list[str]:
    sent: list[str] = []
    retention = writer.constant(how.leak_multiplier / 2**how.leak_shift)
    v = over = ""
    for t, x in enumerate(currents):
        u = x
        if v:
            kept = writer.op("Mul", v, retention)
            if how.reset == "zero":
                kept = writer.op("Mul", kept, writer.op("Sub", writer.constant(1.0), over))
            u = writer.op("Add", x, kept)
            if how.reset.startswith("subtract"):
                u = writer.op("Sub", u, over)
        sent.append(writer.quantized(_above(writer, u), 1, 1.0, signed=False, output=f"{node.name}.t{t}"))
        if how.reset == "subtract-at-once":
            left = writer.op("Sub", u, sent[-1])
            v = writer.op("Add", left, over) if over else left
            over = _above(writer, v)
        else:
            v, over = u, sent[-1]
    return sent


def _above(writer: Writer, u: str) -> str:
    """Whether a potential is above the threshold: 0 or 1."""
    return writer.op("Cast", writer.op("Greater", u, writer.constant(1.0)), to=writer.onnx.TensorProto.FLOAT)
