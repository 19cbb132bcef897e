"""Datasets from files that are already there, as arrays."""

from bitspike.datasets.registry import DATASETS, Dataset, find_dataset, load_split, where
from bitspike.datasets.verify import FileCheck, check

__all__ = ["DATASETS", "Dataset", "FileCheck", "check", "find_dataset", "load_split", "where"]
