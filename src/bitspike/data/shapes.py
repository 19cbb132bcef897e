"""What an augmentation asks of the shape of a sample."""

from __future__ import annotations

from bitspike.errors import UserError

__all__ = ["pixels_of"]


def pixels_of(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of an image, or of a train of them; the augmentation ``name`` is for nothing else.

    Raises:
        UserError: samples of another shape.
    """
    if len(shape) not in (3, 4):
        raise UserError(name, shape, "want images (C, H, W), or trains of them (T, C, H, W); leave it out of augment")
    return shape[-2], shape[-1]
