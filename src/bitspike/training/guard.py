"""Names the layer where a network stopped producing numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["first_nonfinite"]


@torch.no_grad()
def first_nonfinite(model: nn.Module, images: Tensor) -> str:
    """Runs ``images`` once more and names the first parameter or output that is not finite, or else gradient."""
    found: list[str] = []

    def watch(name: str) -> None:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if found:
                return
            bad = [n for n, p in module.named_parameters(recurse=False) if not torch.isfinite(p).all()]
            if bad:
                found.append(f"parameter {name}.{bad[0]}")
            elif isinstance(output, Tensor) and not torch.isfinite(output).all():
                found.append(f"output of {name}")

        hooks.append(module.register_forward_hook(hook))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name, module in model.named_modules():
        if not any(module.children()):  # leaves, quantizers among them
            watch(name)
    try:
        model(images)
    finally:
        for handle in hooks:
            handle.remove()
    gradients = ((n, p.grad) for n, p in model.named_parameters() if p.grad is not None)
    found += [f"gradient of {name}" for name, grad in gradients if not torch.isfinite(grad).all()]
    return found[0] if found else "the loss alone"
