"""Published MD5 sums of the official files, uncompressed.

Sources: MNIST, the four files of http://yann.lecun.com/exdb/mnist/; Fashion-MNIST, the files of
https://github.com/zalandoresearch/fashion-mnist (its README gives the sums of the ``.gz`` files, these are of
their content); CIFAR, the files in the archives of https://www.cs.toronto.edu/~kriz/cifar.html. No sums are
known to us for the binary version of CIFAR-100. ``digits`` pins what scikit-learn's data become here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CIFAR10", "CIFAR100", "DIGITS", "FASHION_MNIST", "MNIST", "md5"]

MNIST: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
)

FASHION_MNIST: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    }
)

CIFAR10: Mapping[str, str] = MappingProxyType(
    {
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }
)

CIFAR100: Mapping[str, str] = MappingProxyType(
    {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    }
)

DIGITS: Mapping[str, str] = MappingProxyType(
    {
        "digits.train": "431cd7c07b4508ea5727293712e51d5d",
        "digits.test": "4b5b07d847f36f991f99b41eb4f8c806",
    }
)


def md5(content: bytes | memoryview) -> str:
    """The sum in hexadecimal; it tells a damaged file, not a forged one."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
