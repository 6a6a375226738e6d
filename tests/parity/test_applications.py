"""Architectures whose layers are the difficulty, small; `make applications` proves all of them at full size."""

import pytest

from benchmarks.applications import prove
from keras2torch.parity.verify import Verifier


@pytest.mark.parametrize(
    ("architecture", "library", "suffix"),
    [
        ("ConvNeXtTiny", "tf_keras", ".h5"),  # LayerScale, LayerNormalization, gelu
        ("EfficientNetB0", "keras", ".keras"),  # Rescaling and Normalization with statistics in the file
        ("MobileNetV3Small", "tf_keras", ".h5"),  # operations between layers
        ("MobileNetV3Small", "keras", ".h5"),
    ],
)
def test_the_bundle_computes_what_keras_computes(
    architecture: str, library: str, suffix: str, verifier: Verifier
) -> None:
    row = prove(verifier, architecture, library, size=32, top=True, suffix=suffix)
    assert row.problem is None
    assert row.structure_error is not None
    assert row.structure_error <= 1e-9
