"""A frozen graph in standard ONNX ops: the oracle's logits and spikes, integer for integer.

Everything is computed in floats that hold every integer which can occur, so no sum or product rounds and the order of a
sum does not matter. What could leave that range is refused. The runtime must sum products as they are: a convolution by
Winograd's or a Fourier transform, or in TF32 or bfloat16, does round. onnxruntime on a CPU does none of these unasked.

- Levels are int8, uint8 or int32. Where ``T > 1`` time is unrolled: one tensor for each step, up to `MOST_OPS` ops.
- Synapses and sums over windows run in float32 (integers up to 2^24).
- Affines, sums and neurons run in float64 (integers up to 2^53): a shift is a product with a power of two, which is
  exact, and Floor, which goes toward minus infinity as the shift does.
- A convolution reads levels and weights through DequantizeLinear of scale 1, as quantized models do. All else casts,
  for what onnxruntime (1.32) makes of a DequantizeLinear elsewhere is not always the same: before MaxPool it puts
  levels into uint8 (its issue 27845), and matrix products it runs in 8 bits that saturate on x86 without VNNI
  (issue 16105), or rounds what they read (MatMulNBits).
"""

from bitspike.backends.onnx.backend import Onnx
from bitspike.backends.onnx.export import to_onnx
from bitspike.backends.onnx.model import Model
from bitspike.backends.onnx.table import WRITERS

__all__ = ["WRITERS", "Model", "Onnx", "to_onnx"]
