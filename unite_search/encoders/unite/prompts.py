"""The text around a content: chat frame, placeholders for pictures and clips, and the question that is pooled.

Source: friedrichor/UNITE unite/prompt_template.py ("UNITE") and unite/dataset/ret_dataset.py
`prepare_inputs_for_fusedmodal`. Parts stand on lines of their own, in the order given, as in the published data. We
differ in two things: several pictures without text get a placeholder each (the official code gives them one), and
words in a user's text that look like special tokens are broken up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unite_search.content import Content, Image, Part
from unite_search.encoders.base import Role
from unite_search.encoders.unite.instructions import default_instruction
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

_SPECIAL = re.compile(r"<\|(?=\w+\|>)")


def prompt_of(content: Content, role: Role) -> str:
    """The prompt of a content, with one placeholder for each picture and clip.

    A query begins with its instruction; with the default one of its kind where it carries none. An empty instruction
    means none at all.
    """
    lines = [_line(part) for part in content.parts]
    modality = content.modality
    if role == "query":
        instruction = default_instruction(modality) if content.instruction is None else content.instruction
        if instruction:
            lines.insert(0, _plain(instruction))
            modality |= Modality.TEXT
    return framed("\n".join(lines), [word for bit, word in WORDS.items() if bit in modality])


def framed(text: str, words: Sequence[str]) -> str:
    """Put a text, placeholders included, into the chat frame; `words` name what it is made of."""
    return FRAME.format(text=text.strip(), modalities=" and ".join(words))


def _line(part: Part) -> str:
    if isinstance(part, str):
        return _plain(part)
    return IMAGE_TOKENS if isinstance(part, Image) else VIDEO_TOKENS


def _plain(text: str) -> str:
    return _SPECIAL.sub("< |", text)
