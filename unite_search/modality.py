"""Modalities: the bit set of what a content is made of, the one word for it, and the name of its partition.

A captioned photo has the modalities text and image. Its *partition* names both, `text+image`; its *modality*, the one
word of hits, items, filters and `--in`, is what a person would call it: an image.

Source: the `target_modal` codes of the UNITE training data (arXiv 2505.19650): text 1, image 2, video 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag
from typing import Literal

ModalityName = Literal["text", "image", "video"]


class Modality(IntFlag):
    """A set of modalities; that of a captioned image is `TEXT | IMAGE`."""

    TEXT = 1
    IMAGE = 2
    VIDEO = 4

    @property
    def partition(self) -> str:
        """The canonical partition name, such as `text+image`."""
        return "+".join(bit.name.lower() for bit in Modality if bit in self and bit.name)

    @property
    def main(self) -> ModalityName:
        """What a person would call an item of this set: a captioned video is a video."""
        if Modality.VIDEO in self:
            return "video"
        return "image" if Modality.IMAGE in self else "text"

    @classmethod
    def from_partition(cls, name: str) -> Modality:
        """Read a partition name; the order of its words does not matter.

        Raises:
            ValueError: a word is not one of text, image, video.
        """
        result = cls(0)
        for word in name.split("+"):
            try:
                result |= cls[word.strip().upper()]
            except KeyError:
                raise ValueError(f"unknown modality {word!r}; expected text, image or video") from None
        return result


def matching_partitions(wanted: Iterable[str], available: Iterable[str]) -> list[str]:
    """Pick the partitions that hold items of some modalities.

    Args:
        wanted: `image` and `video` stand for everything that shows one, captioned or not, `text` for pure text; a name
            with a plus sign stands for exactly that partition.
        available: names of partitions.

    Raises:
        ValueError: a name is no modality and no mix of them.
    """
    masks = [Modality.from_partition(name) for name in wanted]

    def is_wanted(partition: Modality) -> bool:
        return any(
            partition == mask or (mask in (Modality.IMAGE, Modality.VIDEO) and mask in partition) for mask in masks
        )

    return [name for name in available if is_wanted(Modality.from_partition(name))]
