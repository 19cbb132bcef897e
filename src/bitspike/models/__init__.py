"""Networks: the registry, the VGG and ResNet families, and their blocks."""

from bitspike.models.blocks import SEWBasicBlock, SEWBottleneck, SpikingBasicBlock
from bitspike.models.registry import MODELS, apply_plan, apply_weight_bits, build_model
from bitspike.models.resnet import ResNet
from bitspike.models.vgg import VGG

__all__ = [
    "MODELS",
    "VGG",
    "ResNet",
    "SEWBasicBlock",
    "SEWBottleneck",
    "SpikingBasicBlock",
    "apply_plan",
    "apply_weight_bits",
    "build_model",
]
