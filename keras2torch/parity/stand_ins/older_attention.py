"""The stand-in for MultiHeadAttention as it was before tf.keras 2.10, when it had no eye for masks."""

from typing import Any

from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in(
    "MultiHeadAttentionWithoutMasks",
    why="masks that come with tensors act on a MultiHeadAttention since tf.keras 2.10 only, and the file is older",
    libraries=("tf_keras",),
)
def _without_masks(library: Library) -> Any:
    class MultiHeadAttentionWithoutMasks(library.keras.layers.MultiHeadAttention):  # type: ignore[misc, name-defined]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.supports_masking = False

        def _compute_attention_mask(self, *_: Any, attention_mask: Any = None, **__: Any) -> Any:
            return attention_mask

        def compute_mask(self, *_: Any, **__: Any) -> None:
            return None

    return MultiHeadAttentionWithoutMasks
