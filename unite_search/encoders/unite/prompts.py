"""The prompt of a content: the chat template, a placeholder for each picture and clip, and the final question.

Source: friedrichor/UNITE unite/prompt_template.py ("UNITE") and unite/dataset/ret_dataset.py
`prepare_inputs_for_fusedmodal`. Each part has a line of its own, in the order given, as in the published data. We
differ in two ways: each of several pictures without text gets a placeholder (the official code gives them one), and
special tokens in a user's text are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unite_search.content import Content, Image, Part
from unite_search.encoders.base import Role
from unite_search.modality import Modality

IMAGE_PAD, VIDEO_PAD = "<|image_pad|>", "<|video_pad|>"
IMAGE_TOKENS = f"<|vision_start|>{IMAGE_PAD}<|vision_end|>"
VIDEO_TOKENS = f"<|vision_start|>{VIDEO_PAD}<|vision_end|>"
FRAME = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n{text}\nSummary above {modalities} in one word:<|im_end|>\n"
    "<|im_start|>assistant\n<|endoftext|>"
)
WORDS = {Modality.TEXT: "sentence", Modality.IMAGE: "image", Modality.VIDEO: "video"}

DEFAULT_INSTRUCTIONS = {
    Modality.TEXT: "Find an image or a video that matches the given caption.",
    Modality.IMAGE: "Find an image that is similar to the given image.",
    Modality.VIDEO: "Find a video that is similar to the given video.",
    Modality.TEXT | Modality.IMAGE: "Find an image that follows the given image after this change.",
    Modality.TEXT | Modality.VIDEO: "Find a video that follows the given video after this change.",
    Modality.IMAGE | Modality.VIDEO: "Find a video that is similar to the given image and video.",
    Modality.TEXT | Modality.IMAGE | Modality.VIDEO: "Find a video that follows the given ones after this change.",
}
"""The instruction of a query that has none of its own.

UNITE-Instruct models were trained on queries that begin with an instruction in plain words, and on candidates without
one. The sentences follow the wording of that training data (MMEB, WebVid-CoVR).
"""
_SPECIAL = re.compile(r"<\|(?=\w+\|>)")


def prompt_of(content: Content, role: Role) -> str:
    """Return the prompt of a content, with one placeholder for each picture and clip.

    A query begins with its instruction, or with the default one of its modalities if it has none. An empty instruction
    is left out.
    """
    lines = [_line(part) for part in content.parts]
    modalities = content.modalities
    if role == "query":
        instruction = DEFAULT_INSTRUCTIONS[modalities] if content.instruction is None else content.instruction
        if instruction:
            lines.insert(0, _plain(instruction))
            modalities |= Modality.TEXT
    return framed("\n".join(lines), [word for bit, word in WORDS.items() if bit in modalities])


def framed(text: str, words: Sequence[str]) -> str:
    """Put a text, with its placeholders, into the chat template; `words` name its modalities."""
    return FRAME.format(text=text.strip(), modalities=" and ".join(words))


def _line(part: Part) -> str:
    if isinstance(part, str):
        return _plain(part)
    return IMAGE_TOKENS if isinstance(part, Image) else VIDEO_TOKENS


def _plain(text: str) -> str:
    return _SPECIAL.sub("< |", text)
