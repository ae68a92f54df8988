"""What a query asks for when its owner does not say: one sentence for each kind of query.

UNITE-Instruct models were trained on queries that begin with a task in plain words, candidates without one. The
sentences follow the wording of their training data (MMEB, WebVid-CoVR) without naming one kind of target, because a
search usually ranks several.
"""

from __future__ import annotations

from unite_search.modality import Modality

DEFAULT_INSTRUCTIONS = {
    Modality.TEXT: "Find an image or a video that matches the given caption.",
    Modality.IMAGE: "Find an image that is similar to the given image.",
    Modality.VIDEO: "Find a video that is similar to the given video.",
    Modality.TEXT | Modality.IMAGE: "Find an image that follows the given image after this change.",
    Modality.TEXT | Modality.VIDEO: "Find a video that follows the given video after this change.",
    Modality.IMAGE | Modality.VIDEO: "Find a video that is similar to the given image and video.",
    Modality.TEXT | Modality.IMAGE | Modality.VIDEO: "Find a video that follows the given ones after this change.",
}


def default_instruction(modality: Modality) -> str:
    """The instruction for a query of these modalities."""
    return DEFAULT_INSTRUCTIONS[modality]
