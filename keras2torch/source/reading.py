"""A path in, a `SourceModel` out, whichever of Keras's formats it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from keras2torch import errors
from keras2torch.options import Architecture
from keras2torch.source.architecture import described_by
from keras2torch.source.h5file import H5File
from keras2torch.source.keras_zip import read_keras_zip, with_own_classes
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Generation, SourceModel
from keras2torch.source.opening import mapped_file, naming

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"


def read_source(
    path: Path, limits: Limits = DEFAULT, *, architecture: Architecture | None = None
) -> SourceModel:
    """Read the model in `path`; weights stay memory-mapped.

    `architecture` is for a file that has weights only; one that has its own is read as it says. Raises a `RefusedFile`
    that names the file, and the place in it, for anything but a sound model.
    """
    with naming(path):
        data = memoryview(mapped_file(path, limits))
        if data[:4] == _ZIP:
            return _by_itself(read_keras_zip(path, data, limits), architecture)
        if data[:8] != _HDF5:
            raise errors.NotHDF5
        content = np.frombuffer(data, dtype=np.uint8)
        file = H5File(data, limits)
        if file.is_whole:
            model = file.model(path, content)
            return _by_itself(replace(model, config=with_own_classes(model.config)), architecture)
        if architecture is None:
            raise file.why_not_whole()
        described = described_by(architecture, limits, file)
        if (
            file.is_of_keras1
            and described.generation is not Generation.KERAS1
            and not architecture.is_application
        ):
            raise errors.WeightsOnly("weights of Keras 1, whose architecture must be of Keras 1 too")
        weights = file.weights_only(described.config, described.generation)
        return SourceModel(
            path=path,
            content=content,
            format="keras-weights-h5",
            generation=described.generation,
            keras_version=described.keras_version,
            backend=file.backend or described.backend,
            config=described.config,
            weights=weights.by_layer,
            each_layer=weights.each_layer,
            architecture=described.text,
        )


def _by_itself(source: SourceModel, architecture: Architecture | None) -> SourceModel:
    if architecture is None:
        return source
    why = f"--architecture {architecture.name} was not used: the file has an architecture of its own"
    return replace(source, unused={"architecture": why})
