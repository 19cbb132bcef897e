"""Networks: the registry, the VGG and ResNet families, and their blocks."""

from bitspike.models.blocks import MSBasicBlock, SEWBasicBlock, SEWBottleneck, SparseBasicBlock, SpikingBasicBlock
from bitspike.models.mlp import MLP
from bitspike.models.morph import MaxPools, morph
from bitspike.models.own import own_network
from bitspike.models.registry import MODELS, apply_plan, apply_weight_bits, build_model
from bitspike.models.resnet import ResNet
from bitspike.models.spikformer import Spikformer
from bitspike.models.vgg import VGG

__all__ = [
    "MLP",
    "MODELS",
    "VGG",
    "MSBasicBlock",
    "MaxPools",
    "ResNet",
    "SEWBasicBlock",
    "SEWBottleneck",
    "SparseBasicBlock",
    "Spikformer",
    "SpikingBasicBlock",
    "apply_plan",
    "apply_weight_bits",
    "build_model",
    "morph",
    "own_network",
]
