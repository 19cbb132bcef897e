"""Names of parts that Python cannot write, or that a traced module has for itself."""

import pytest
import torch
from torch import nn

from bitspike.conversion import adopt

NAMES = [
    ("class", "def", "lambda", "None"),
    ("self", "root", "args", "kwargs"),
    ("graph", "_graph", "_code", "recompile"),
    ("class", "class_2", "self", "self_2"),
    ('q"', "q_", "q\t", "q__2"),
    ("back\\slash", "new\nline", "\u2028", "{x}"),
    ("int", "main", "n'l", "a" * 300),
    ("encoder", "images", "output", "readout"),
]


class Named(nn.Module):
    def __init__(self, names):
        super().__init__()
        torch.manual_seed(0)
        parts = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
        for name, part in zip(names, parts, strict=True):
            self.add_module(name, part)

    def forward(self, x):
        for part in self.children():
            x = part(x)
        return x


@pytest.mark.parametrize("names", NAMES, ids=ascii)
@pytest.mark.parametrize("nested", [False, True])
@torch.no_grad()
def test_parts_may_have_any_names(names, nested):
    own = nn.Sequential(Named(names)) if nested else Named(names)
    pixels = torch.randint(0, 256, (4, 1, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    adopted = adopt(own, nn.ReLU)
    assert torch.equal(adopted.eval()(pixels)[0], own.eval()((pixels - 128) / 64))
    assert len(adopted.state_dict()) == len(own.state_dict())
