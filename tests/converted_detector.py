"""A small network that finds boxes, converted, with the images that it has seen."""

import numpy as np
import torch
from torch import nn

from bitspike.bits import BitPlan, Bits
from bitspike.conversion import BoxesByStep, Converted, convert
from bitspike.data import BoxedImages
from bitspike.detection import Boxes, Letterbox
from bitspike.models import build_model, morph
from bitspike.neurons import QReLUSettings
from bitspike.recipes import recipe
from bitspike.sample import Sample
from bitspike.training import override
from bitspike.training.tasks import Detect

SIZES = {"yolo-tiny": ((32, 48), (4, 8, 8, 8)), "yolov3": ((32, 32), (4, 4, 4, 4, 4, 8))}
ANCHORS = "detection.anchors=[[[4,4],[6,9],[9,6]],[[10,10],[12,16],[16,12]],[[20,20],[24,30],[30,24]]]"


def made(
    name: str, levels: int = 2, images: int = 3, spread: float = 1.0
) -> tuple[Converted, BoxedImages, BoxesByStep]:
    """A network with random weights that has seen its images, which are noise with a box in each.

    Args:
        spread: how many times their usual the heads' weights are.
    """
    torch.manual_seed(0)
    size, channels = SIZES[name]
    bits = BitPlan(Bits(8, levels.bit_length(), 1))
    neuron = QReLUSettings(levels=levels)
    model = morph(build_model(name, bits, sample=(3, *size), num_classes=3, neuron=neuron, channels=channels))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of what it has seen: a network that was never trained stays alive
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.normal_(module.bias, 0.3)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            for weight in module.parametrizations.weight.parameters():  # and the step size of its quantizer
                weight.data.mul_(spread)
            nn.init.zeros_(module.bias[:3])
    codes = torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        model(codes)
    boxes = tuple(Boxes(np.array([[4, 4, 20, 24]], np.float32), np.array([k % 3])) for k in range(images))
    part = BoxedImages(codes, boxes, (Letterbox(size, size),) * images, ("a", "b", "c"), Sample((3, *size)))
    edits = [f"detection.size=[{size[0]},{size[1]}]", *([ANCHORS] if name == "yolov3" else [])]
    task = Detect(override(recipe("yolo-tiny-bccd"), edits))
    found = convert(model, part.sample, name=name)
    head = task.head([edge.shape for edge in found.net.graph.outputs])
    return found, part, BoxesByStep(task, part, head, [readout.scale for readout in found.net.readouts])
