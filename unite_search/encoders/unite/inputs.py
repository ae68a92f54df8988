"""Convert contents to model inputs: prompt, token ids, patches. The length is known before pixels are processed.

Source: friedrichor/UNITE unite/dataset/ret_dataset.py; transformers 4.47.1 models/qwen2_vl/processing_qwen2_vl.py. We
differ where a content is longer than the limit: the official code truncates from the left, also inside pictures; here
truncation stops before the first picture or clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.content import Clip, Content, Image
from unite_search.encoders.base import Role
from unite_search.encoders.unite.collate import Prepared, VisionInput
from unite_search.encoders.unite.pixels import grid_of_part, patches_of_part
from unite_search.encoders.unite.prompts import IMAGE_PAD, VIDEO_PAD, prompt_of
from unite_search.encoders.unite.sizes import Grid, PixelLimits, tokens_of
from unite_search.errors import EncoderUnavailableError

MAX_TOKENS = 2048
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedItem:
    """An item before its pixels are prepared: the final token ids, and the pictures and clips of its placeholders."""

    token_ids: Sequence[int]
    media: tuple[tuple[Image | Clip, Grid], ...] = ()

    def __len__(self) -> int:
        return len(self.token_ids)


class InputBuilder:
    """Builds model inputs with the tokenizer of a checkpoint and pixel limits; safe to use from several threads."""

    def __init__(self, tokenizer: Any, limits: PixelLimits, *, max_tokens: int = MAX_TOKENS) -> None:
        self._tokenizer = tokenizer
        self._limits = limits
        self._max_tokens = max_tokens
        self.image_id, self.video_id, self.pad_id = _ids_of(tokenizer, (IMAGE_PAD, VIDEO_PAD, END_OF_TEXT))

    @classmethod
    def load(cls, folder: Path, limits: PixelLimits) -> InputBuilder:
        """Read the tokenizer of a checkpoint.

        Raises:
            EncoderUnavailableError: it is not a tokenizer of Qwen2-VL.
        """
        from transformers import Qwen2Tokenizer

        return cls(Qwen2Tokenizer.from_pretrained(folder, local_files_only=True), limits)

    def tokenize(self, content: Content, role: Role) -> TokenizedItem:
        """Tokenize a content with its prompt; the number of tokens is final."""
        media = tuple(part for part in content.parts if not isinstance(part, str))
        item = self.tokenize_prompt(prompt_of(content, role), media)
        return TokenizedItem(self._truncated(item.token_ids), item.media)

    def tokenize_prompt(self, prompt: str, media: Sequence[Image | Clip]) -> TokenizedItem:
        """Tokenize a complete prompt, without truncation; each placeholder is repeated for all tokens of its medium.

        Pictures and clips are matched to their placeholders in order, each kind by itself. Media without a placeholder
        are kept.
        """
        grids = [(part, grid_of_part(part, self._limits)) for part in media]
        pending = {
            self._pad_of(kind): [tokens_of(grid) for part, grid in grids if isinstance(part, kind)]
            for kind in (Image, Clip)
        }
        token_ids: list[int] = []
        for token in self._tokenizer(prompt)["input_ids"]:
            waiting = pending.get(token)
            token_ids += [token] * waiting.pop(0) if waiting else [token]
        return TokenizedItem(token_ids, tuple(grids))

    def prepare(self, item: TokenizedItem) -> Prepared:
        """Compute the patches of the item's pictures and clips."""
        return Prepared(
            item.token_ids,
            tuple(
                VisionInput(self._pad_of(type(part)), grid, patches_of_part(part, self._limits))
                for part, grid in item.media
            ),
        )

    def _pad_of(self, kind: type[Image | Clip]) -> int:
        pad: int = self.image_id if kind is Image else self.video_id
        return pad

    def _truncated(self, token_ids: Sequence[int]) -> Sequence[int]:
        """Truncate from the left, but not beyond the token that opens the first picture or clip."""
        excess = max(0, len(token_ids) - self._max_tokens)
        media = (at for at, token in enumerate(token_ids) if token in (self.image_id, self.video_id))
        return token_ids[min(excess, max(0, next(media, len(token_ids)) - 1)) :]


def _ids_of(tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    known = tokenizer.get_added_vocab()
    for token in tokens:
        if token not in known:
            raise EncoderUnavailableError(f"the tokenizer has no token {token}; expected that of Qwen2-VL")
    return [known[token] for token in tokens]
