"""The starter's trained head in torch; `unite_search/encoders/starter/head.py` computes the same in numpy.

It has the components of UNITE: a projector each for vision and text, a fusion transformer over their tokens, and
pooling of the final token. The final token starts as the sum of the others, so that the untrained head is a linear map.

Letters: N contents, T = 3 tokens (picture, text, final), W width, D embedding.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from unite_search.encoders.starter.head import DIM, FEATURE_DIM, HEADS, TEXT_DIM, WIDTH


class StarterHead(nn.Module):
    """Maps frozen features to (N, D) unit rows.

    Args:
        dropout: dropout rate of inputs and hidden layers; a third of it for texts, which have fewer dimensions.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.zeros(FEATURE_DIM))
        self.register_buffer("feature_spread", torch.ones(FEATURE_DIM))
        self.picture = nn.Linear(FEATURE_DIM + TEXT_DIM, WIDTH)
        self.text = nn.Linear(TEXT_DIM, WIDTH)
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = nn.Linear(WIDTH, 3 * WIDTH)
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.hidden_norm = nn.LayerNorm(WIDTH)
        self.hidden = nn.Linear(WIDTH, 2 * WIDTH)
        self.returned = nn.Linear(2 * WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, DIM, bias=False)
        self.picture_dropout, self.text_dropout = nn.Dropout(dropout), nn.Dropout(dropout / 3)
        self.hidden_dropout = nn.Dropout(dropout)
        for layer in (self.attended, self.returned):
            nn.init.zeros_(layer.weight)

    def fit_scale(self, features: torch.Tensor) -> None:
        """Set the mean and standard deviation that inputs are scaled by, from (N, 1280) features of photos."""
        self.feature_mean.copy_(features.mean(dim=0))
        self.feature_spread.copy_(features.std(dim=0).clamp_min(features.std() / 100))

    def forward(self, pictures: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Embed contents.

        Args:
            pictures: (N, 1280 + 384) features and class mix; rows of zeros where there is no picture.
            texts: (N, 384); rows of zeros where there is no text.

        Returns:
            (N, D) unit rows.
        """
        seen, said = pictures.any(dim=1), texts.any(dim=1)  # (N,)
        parts = torch.stack([self._seen(pictures, seen), self._said(texts, said)], dim=1)  # (N, 2, W)
        final = parts.sum(dim=1)  # (N, W)
        final = final + self.attended(self._attend(parts, final, seen & said))
        hidden = functional.relu(self.hidden(self.hidden_norm(final)))
        final = final + self.returned(self.hidden_dropout(hidden))
        return functional.normalize(self.out(final), dim=-1)

    def _seen(self, pictures: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        features, mixes = pictures[present].split([FEATURE_DIM, TEXT_DIM], dim=1)
        scaled = torch.cat([(features - self.feature_mean) / self.feature_spread, mixes * TEXT_DIM**0.5], dim=1)
        return _spread(self.picture(self.picture_dropout(scaled)), present)

    def _said(self, texts: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return _spread(self.text(self.text_dropout(texts[present] * TEXT_DIM**0.5)), present)

    def _attend(self, parts: torch.Tensor, final: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
        """Compute the attention of the final tokens (N, W) over the parts (N, 2, W) and themselves.

        With only one part, the final token equals it, and attention over equal tokens returns their value.
        """
        values = self.attention(self.attention_norm(final))[:, 2 * WIDTH :]
        if not both.any():
            return values
        tokens = self.attention_norm(torch.cat([parts[both], final[both, None]], dim=1))  # (M, 3, W)
        query, key, value = (
            part.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2) for part in self.attention(tokens).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(query[:, :, -1:], key, value)  # (M, heads, 1, W / heads)
        return values.index_put((both.nonzero()[:, 0],), mixed.flatten(1))


def _spread(rows: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Scatter the rows of those present to (N, W), with zeros elsewhere."""
    return rows.new_zeros(len(present), rows.shape[1]).index_put((present.nonzero()[:, 0],), rows)
