"""Modalities as a bit set, and the names of the partitions that hold them.

Source: the `target_modal` codes of the UNITE training data (arXiv 2505.19650): text 1, image 2, video 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag


class Modality(IntFlag):
    """What a content is made of; a captioned image is `TEXT | IMAGE`."""

    TEXT = 1
    IMAGE = 2
    VIDEO = 4

    @property
    def partition(self) -> str:
        """The canonical partition name, such as `text+image`."""
        return "+".join(bit.name.lower() for bit in Modality if bit in self and bit.name)

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
    """Pick the partitions that a person means by a list of names.

    `image` and `video` mean everything that shows one, captioned or not; `text` means pure text;
    a name with a plus means exactly that partition.
    """
    masks = [Modality.from_partition(name) for name in wanted]

    def is_wanted(partition: Modality) -> bool:
        return any(
            partition == mask or (mask in (Modality.IMAGE, Modality.VIDEO) and mask in partition) for mask in masks
        )

    return [name for name in available if is_wanted(Modality.from_partition(name))]
