"""Sets of images in memory, augmentation, and reproducible batches. Their files are read in `bitspike.datasets`."""

from bitspike.data.augment import Augment, Compose, Cutout, HorizontalFlip, RandomCrop
from bitspike.data.autoaugment import AutoAugmentCIFAR10
from bitspike.data.boxed import BoxedImages, boxed_images
from bitspike.data.build import build_augment
from bitspike.data.detection import TrainingDetections
from bitspike.data.erasing import RandomErasing
from bitspike.data.images import ImageSet, resident, split_validation
from bitspike.data.loader import EpochBatches, TrainingImages, as_is
from bitspike.data.mixing import Mixing
from bitspike.data.randaugment import RandAugment
from bitspike.data.stored import load, load_of, load_split
from bitspike.datasets import DATASETS, Dataset, FileCheck, check, find_dataset, where

__all__ = [
    "DATASETS",
    "Augment",
    "AutoAugmentCIFAR10",
    "BoxedImages",
    "Compose",
    "Cutout",
    "Dataset",
    "EpochBatches",
    "FileCheck",
    "HorizontalFlip",
    "ImageSet",
    "Mixing",
    "RandAugment",
    "RandomCrop",
    "RandomErasing",
    "TrainingDetections",
    "TrainingImages",
    "as_is",
    "boxed_images",
    "build_augment",
    "check",
    "find_dataset",
    "load",
    "load_of",
    "load_split",
    "resident",
    "split_validation",
    "where",
]
