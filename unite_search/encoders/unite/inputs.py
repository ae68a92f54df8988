"""Contents to model inputs: prompt, token ids, patches. Lengths are known before any pixel is touched.

Source: friedrichor/UNITE unite/dataset/ret_dataset.py; transformers 4.47.1 models/qwen2_vl/processing_qwen2_vl.py. We
differ where a content is longer than the limit: the official code cuts from the left and through pictures; here the
cut ends before the first picture or clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.content import Clip, Content, Image
from unite_search.encoders.base import Role
from unite_search.encoders.unite.collate import Prepared, Seen
from unite_search.encoders.unite.pixels import grid_of_part, patches_of_part
from unite_search.encoders.unite.prompts import IMAGE_PAD, VIDEO_PAD, prompt_of
from unite_search.encoders.unite.sizes import Grid, PixelLimits, tokens_of
from unite_search.errors import EncoderUnavailableError

MAX_TOKENS = 2048
END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """An item before its pixels are prepared: final token ids, and what will stand at its placeholders."""

    token_ids: Sequence[int]
    shown: tuple[tuple[Image | Clip, Grid], ...] = ()

    def __len__(self) -> int:
        return len(self.token_ids)


class InputBuilder:
    """Makes model inputs with the tokenizer of a checkpoint and some pixel limits; safe to use from several threads."""

    def __init__(self, tokenizer: Any, limits: PixelLimits, *, max_tokens: int = MAX_TOKENS) -> None:
        self._tokenizer = tokenizer
        self._limits = limits
        self._max_tokens = max_tokens
        self.image_id, self.video_id, self.pad_id = _ids_of(tokenizer, (IMAGE_PAD, VIDEO_PAD, END_OF_TEXT))

    @classmethod
    def load(cls, folder: Path, limits: PixelLimits) -> InputBuilder:
        """Read the tokenizer of a checkpoint.

        Raises:
            EncoderUnavailableError: it is of another kind of model.
        """
        from transformers import Qwen2Tokenizer

        return cls(Qwen2Tokenizer.from_pretrained(folder, local_files_only=True), limits)

    def draft(self, content: Content, role: Role) -> Draft:
        """Tokenize a content; its length is final."""
        shown = tuple(part for part in content.parts if not isinstance(part, str))
        draft = self.draft_of_prompt(prompt_of(content, role), shown)
        return Draft(self._shortened(draft.token_ids), draft.shown)

    def draft_of_prompt(self, prompt: str, shown: Sequence[Image | Clip]) -> Draft:
        """Tokenize a prompt as it stands; each placeholder becomes as many tokens as its picture or clip needs.

        Pictures and clips are matched to placeholders in order, each kind by itself; what is left over is kept.
        """
        grids = [(part, grid_of_part(part, self._limits)) for part in shown]
        pending = {
            self._pad_of(kind): [tokens_of(grid) for part, grid in grids if isinstance(part, kind)]
            for kind in (Image, Clip)
        }
        token_ids: list[int] = []
        for token in self._tokenizer(prompt)["input_ids"]:
            waiting = pending.get(token)
            token_ids += [token] * waiting.pop(0) if waiting else [token]
        return Draft(token_ids, tuple(grids))

    def prepare(self, draft: Draft) -> Prepared:
        """Do the work on pixels."""
        seen = (Seen(self._pad_of(type(part)), grid, patches_of_part(part, self._limits)) for part, grid in draft.shown)
        return Prepared(draft.token_ids, tuple(seen))

    def _pad_of(self, kind: type[Image | Clip]) -> int:
        pad: int = self.image_id if kind is Image else self.video_id
        return pad

    def _shortened(self, token_ids: Sequence[int]) -> Sequence[int]:
        """Cut from the left, as far as the first picture or clip and the token that opens it."""
        excess = max(0, len(token_ids) - self._max_tokens)
        shown = (at for at, token in enumerate(token_ids) if token in (self.image_id, self.video_id))
        return token_ids[min(excess, max(0, next(shown, len(token_ids)) - 1)) :]


def _ids_of(tokenizer: Any, tokens: Sequence[str]) -> list[int]:
    known = tokenizer.get_added_vocab()
    for token in tokens:
        if token not in known:
            raise EncoderUnavailableError(f"the tokenizer has no token {token}; expected that of Qwen2-VL")
    return [known[token] for token in tokens]
