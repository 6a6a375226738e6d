"""Attention with what `nn.MultiheadAttention` does not have: other widths, shared heads, masks, other scores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al., 2017) whose inputs, heads and output each have their own width.

    `key_value_heads` (default: `num_heads`) is how many heads of keys and values the heads of the query share.
    `gate` multiplies what the heads yield by a sigmoid of the query. With `window`, a query sees only the keys less
    than `window` steps away.

    `masked_score` is added to the score of a key that is masked. If it is finite, a query that may see no key sees
    all of them (alike, unless it is so high that the scores show beside it); if it is -inf, such a query gets zeros.
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        value_dim: int,
        *,
        num_heads: int,
        head_dim: int,
        output_dim: int,
        value_head_dim: int | None = None,
        key_value_heads: int | None = None,
        bias: bool = True,
        gate: bool = False,
        dropout: float = 0.0,
        masked_score: float = -1e30,
        window: int | None = None,
    ) -> None:
        super().__init__()
        value_head_dim = value_head_dim or head_dim
        key_value_heads = key_value_heads or num_heads
        self.num_heads, self.key_value_heads = num_heads, key_value_heads
        self.dropout, self.masked_score, self.window = dropout, masked_score, window
        self.query = nn.Linear(query_dim, num_heads * head_dim, bias=bias)
        self.key = nn.Linear(key_dim, key_value_heads * head_dim, bias=bias)
        self.value = nn.Linear(value_dim, key_value_heads * value_head_dim, bias=bias)
        self.gate = nn.Linear(query_dim, num_heads * value_head_dim, bias=bias) if gate else None
        self.output = nn.Linear(num_heads * value_head_dim, output_dim, bias=bias)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
    ) -> torch.Tensor:
        """Attend from `query` (N, T, query_dim) to `key` and `value` (N, S, ...); returns (N, T, output_dim).

        `mask` (N, T, S) or (N, heads, T, S) is true where a query may see a key, or of floats that are added to the
        scores. With `causal`, step t sees the steps up to t.
        """
        q, k, v = self._heads(query, key, value)
        bias = self._bias(q, k, mask, causal and (mask is not None or self.window is not None))
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, dropout_p=dropout, is_causal=causal and bias is None
        )
        return self._joined(query, y)

    def with_weights(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None = None,
        *,
        causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `forward`; also returns how much each query heeds each key, (N, heads, T, S)."""
        q, k, v = self._heads(query, key, value)
        bias = self._bias(q, k, mask, causal)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias.clamp(min=torch.finfo(q.dtype).min)
        weights = torch.softmax(scores, dim=-1)
        if bias is not None:
            weights = weights.masked_fill(bias == -torch.inf, 0.0)
        return self._joined(query, F.dropout(weights, self.dropout, self.training) @ v), weights

    def _heads(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of every head, (N, heads, steps, width)."""
        q = self.query(query).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k = self.key(key).unflatten(-1, (self.key_value_heads, -1)).transpose(1, 2)
        v = self.value(value).unflatten(-1, (self.key_value_heads, -1)).transpose(1, 2)
        shared = self.num_heads // self.key_value_heads
        if shared > 1:
            k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        return q, k, v

    def _bias(
        self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None, causal: bool
    ) -> torch.Tensor | None:
        """What is added to the scores, or None."""
        if mask is not None and mask.dim() == 3:
            mask = mask[:, None]
        if mask is not None and mask.dtype != torch.bool:
            return mask.to(q.dtype)
        if causal or self.window is not None:
            apart = torch.arange(q.shape[2], device=q.device)[:, None] - torch.arange(
                k.shape[2], device=q.device
            )
            seen = apart >= 0 if causal else apart > -(self.window or 0)
            if self.window is not None:
                seen = seen & (apart < self.window)
            mask = seen if mask is None else mask & seen
        if mask is None:
            return None
        masked = self.masked_score
        if masked != -torch.inf:
            masked = max(masked, torch.finfo(q.dtype).min)
        return torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, masked)

    def _joined(self, query: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        y = y.transpose(1, 2).flatten(2)
        if self.gate is not None:
            y = y * torch.sigmoid(self.gate(query))
        joined: torch.Tensor = self.output(y)
        return joined


class ScoredAttention(nn.Module):
    """Attention of one head without projections; subclasses say how well a key suits a query.

    `scale` is the shape of factors to learn, () for a single one.
    """

    def __init__(self, *, scale: tuple[int, ...] | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.scale = None if scale is None else nn.Parameter(torch.ones(scale))
        self.dropout = dropout

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        mask: torch.Tensor | None = None,
        causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attend from `query` (..., T, C) to `key` (..., S, C) and `value` (..., S, D).

        Returns the output (..., T, D) and the weights (..., T, S). Keys where `mask` (..., T or 1, S) is false are
        not seen, unless none are; with `causal`, step t sees the steps up to t.
        """
        scores = self.scores(query, key)
        if causal:
            seen = torch.ones_like(scores[:1], dtype=torch.bool).tril()
            mask = seen if mask is None else mask & seen
        if mask is not None:
            scores = torch.where(mask, scores, scores - 1e9)
        weights = torch.softmax(scores, dim=-1)
        return F.dropout(weights, self.dropout, self.training) @ value, weights

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """The score of every key for every query, (..., T, S)."""
        raise NotImplementedError

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.scale is None else x * self.scale


class DotProductAttention(ScoredAttention):
    """Attention by the dot product (Luong et al., 2015), scaled by what is learned alone."""

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return self.scaled(query @ key.transpose(-2, -1))


class ConcatAttention(ScoredAttention):
    """Attention by `weight * sum(tanh(scale * (query + key)))`."""

    def __init__(self, *, scale: tuple[int, ...] | None = None, dropout: float = 0.0) -> None:
        super().__init__(scale=scale, dropout=dropout)
        self.weight = nn.Parameter(torch.ones(()))

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        both = query[..., :, None, :] + key[..., None, :, :]
        return self.weight * torch.tanh(self.scaled(both)).sum(dim=-1)


class AdditiveAttention(ScoredAttention):
    """Attention by `sum(scale * tanh(query + key))` (Bahdanau et al., 2015), with a scale for each feature."""

    def scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        both = query[..., :, None, :] + key[..., None, :, :]
        return self.scaled(torch.tanh(both)).sum(dim=-1)
