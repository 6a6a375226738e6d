"""`.keras` archives: what sound ones look like, and what is refused."""

import io
import json
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras2torch import convert, errors
from keras2torch.source.limits import DEFAULT
from keras2torch.source.model import Generation
from keras2torch.source.reading import read_source
from tests.crafted import layer, numbers, sequential
from tests.source.test_refusals import refusal

CONFIG = sequential(
    layer("InputLayer", "in", batch_shape=[None, 3]),
    layer("Dense", "first", units=2, trainable=True),
    layer("Dense", "second", units=2, trainable=True),
)


def weights_file(groups: dict[str, list[Any]]) -> bytes:
    """Group path -> its variables."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, arrays in groups.items():
            for number, array in enumerate(arrays):
                file.create_dataset(f"{path}/vars/{number}", data=array)
    return content.getvalue()


WEIGHTS = weights_file(
    {
        "layers/dense": [numbers(3, 2), numbers(2)],
        "layers/dense_1": [numbers(2, 2, seed=1), numbers(2, seed=2)],
    }
)


def archive(
    path: Path,
    *,
    config: Any = CONFIG,
    metadata: Any = None,
    weights: bytes = WEIGHTS,
    packing: int = zipfile.ZIP_STORED,
) -> Path:
    with zipfile.ZipFile(path, "w", packing) as out:
        out.writestr("metadata.json", json.dumps(metadata or {"keras_version": "3.15.1"}))
        out.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        out.writestr("model.weights.h5", weights)
    return path


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_weights_are_those_of_their_layers(tmp_path: Path, packing: int) -> None:
    source = read_source(archive(tmp_path / "m.keras", packing=packing))
    assert source.generation is Generation.KERAS3
    assert source.each_layer
    assert list(source.weights) == ["first", "second"]
    assert np.array_equal(source.weights["first"][0].array, numbers(3, 2))
    assert np.array_equal(source.weights["second"][1].array, numbers(2, seed=2))
    assert bytes(source.content) == (tmp_path / "m.keras").read_bytes()


@pytest.mark.parametrize(
    ("limit", "enough", "too_little", "kind"),
    [
        ("zip_members", 3, 2, errors.LimitExceeded),
        ("zip_directory_bytes", 1000, 100, errors.LimitExceeded),
        ("config_bytes", 1000, 20, errors.LimitExceeded),
        ("nesting", 1, 0, errors.LimitExceeded),
        ("tensor_elements", 3, 2, errors.UnsupportedModel),
    ],
)
def test_what_a_model_in_an_archive_may_ask_for(
    tmp_path: Path, limit: str, enough: int, too_little: int, kind: type[errors.Keras2TorchError]
) -> None:
    first, *behind = CONFIG["config"]["layers"]
    config = sequential(first, sequential(*behind, name="inner"), name="outer")
    weights = weights_file(
        {f"layers/sequential/{place}": own for place, own in {
            "layers/dense": [numbers(3, 2), numbers(2)], "layers/dense_1": [numbers(2, 2), numbers(2)],
        }.items()}
    )  # fmt: skip
    path = archive(tmp_path / "m.keras", config=config, weights=weights)
    convert(path, tmp_path / "out", limits=[f"{limit}={enough}"])
    with pytest.raises(kind):
        convert(path, tmp_path / "other", limits=[f"{limit}={too_little}"])


def test_layers_in_layers_are_counted_too(tmp_path: Path) -> None:
    config = sequential(
        layer("InputLayer", "in", batch_shape=[None, 4, 3]),
        layer("TimeDistributed", "each", trainable=True, layer=layer("Dense", "inside", units=2)),
    )
    weights = weights_file({"layers/time_distributed/layer": [numbers(3, 2), numbers(2)]})
    path = archive(tmp_path / "m.keras", config=config, weights=weights)
    assert list(read_source(path, replace(DEFAULT, nesting=1)).weights) == ["each"]
    with pytest.raises(errors.LimitExceeded, match="layers nested deeper than 0"):
        read_source(path, replace(DEFAULT, nesting=0))


def test_numbers_of_tensorflow_2_12_that_skip(tmp_path: Path) -> None:
    weights = weights_file(
        {
            "_layer_checkpoint_dependencies/dense": [numbers(3, 2), numbers(2)],
            "_layer_checkpoint_dependencies/dense_2": [numbers(2, 2, seed=1), numbers(2, seed=2)],
        }
    )
    source = read_source(archive(tmp_path / "m.keras", metadata={"keras_version": "2.12.0"}, weights=weights,
                                 config=json.dumps(CONFIG).replace("batch_shape", "batch_input_shape")))  # fmt: skip
    assert np.array_equal(source.weights["second"][0].array, numbers(2, 2, seed=1))


def test_operations_are_no_layers(tmp_path: Path) -> None:
    """A Keras 3 graph holds functions too, some with the name of a layer, which take no group."""
    relu = {"module": "keras.src.ops.nn", "class_name": "Dense", "config": {"name": "d"}, "name": "d"}
    layers = [*CONFIG["config"]["layers"][:1], relu, *CONFIG["config"]["layers"][1:]]
    config = {**CONFIG, "config": {**CONFIG["config"], "layers": layers}}
    source = read_source(archive(tmp_path / "m.keras", config=config))
    assert list(source.weights) == ["first", "second"]


def test_a_class_of_another_module_is_not_keras_own(tmp_path: Path) -> None:
    own = {"module": "mine", "registered_name": "mine>Dense"}
    config = sequential(*CONFIG["config"]["layers"][:2], {**CONFIG["config"]["layers"][2], **own})
    source = read_source(archive(tmp_path / "m.keras", config=config, weights=weights_file({})))
    assert [entry["class_name"] for entry in source.config["config"]["layers"]][1:] == ["Dense", "mine>Dense"]


def test_weights_of_no_layer_are_refused(tmp_path: Path) -> None:
    extra = weights_file({"layers/dense_7": [numbers(2)]})
    assert isinstance(refusal(archive(tmp_path / "a.keras", weights=extra)), errors.UnexpectedWeight)
    inside = weights_file({"layers/dense/lora": [numbers(2)]})
    assert "place is not known" in str(refusal(archive(tmp_path / "b.keras", weights=inside)))


def test_archives_that_are_no_model(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("../../etc/passwd", "x")
    assert "without config.json" in str(refusal(path))
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("config.json", "{}")
        out.writestr("konfig.json", "{}")
    path.write_bytes(path.read_bytes().replace(b"konfig.json", b"config.json"))
    assert "twice" in str(refusal(path))
    archive(path, packing=zipfile.ZIP_LZMA)
    assert isinstance(refusal(path), errors.DamagedZip)
    archive(path, weights=b"no HDF5")
    assert isinstance(refusal(path), errors.NotHDF5)
    archive(path, config="[1]")
    assert isinstance(refusal(path), errors.BadConfig)
    archive(path, metadata={"date_saved": "never"})
    assert isinstance(refusal(path), errors.BadConfig)


def test_what_unpacks_to_more_than_it_should(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", weights=bytes(4 << 20), packing=zipfile.ZIP_DEFLATED)
    assert isinstance(refusal(path), errors.LimitExceeded)
    assert isinstance(refusal(path, replace(DEFAULT, compressed_bytes=1 << 20)), errors.LimitExceeded)
    # The directory says less than what is packed.
    data = bytearray(archive(path, weights=WEIGHTS, packing=zipfile.ZIP_DEFLATED).read_bytes())
    at = data.rfind(b"PK\x01\x02")
    struct.pack_into(
        "<2I", data, at + 16, zlib.crc32(WEIGHTS[:100]), struct.unpack_from("<I", data, at + 20)[0]
    )
    struct.pack_into("<I", data, at + 24, 100)
    path.write_bytes(data)
    assert "does not unpack" in str(refusal(path))


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_damage_is_an_internal_error(tmp_path: Path, packing: int) -> None:
    """Every byte of the directory, and some of the rest, changed; the archive cut at many places."""
    path = archive(tmp_path / "m.keras", packing=packing)
    sound = path.read_bytes()
    directory = sound.find(b"PK\x01\x02")
    refused = 0
    damaged = [sound[:cut] for cut in range(4, len(sound), 97)]
    places = [*range(directory, len(sound)), *range(0, directory, 41)]
    damaged += [sound[:place] + bytes([sound[place] ^ 0xFF]) + sound[place + 1 :] for place in places]
    for content in damaged:
        path.write_bytes(content)
        try:
            read_source(path)
        except errors.Keras2TorchError:
            refused += 1
    assert refused > len(damaged) // 2


@pytest.mark.parametrize(
    ("compiled", "optimizer"),
    [
        (
            {
                "optimizer": {
                    "module": "keras.optimizers",
                    "class_name": "SGD",
                    "config": {"learning_rate": 0.5, "momentum": 0.9},
                    "registered_name": None,
                },
                "loss": "mse",
            },
            {"name": "SGD", "settings": {"learning_rate": 0.5, "momentum": 0.9}},
        ),
        ([1, 2], None),
        ({"optimizer": {"class_name": 3}}, None),
    ],
)
def test_how_a_model_was_compiled_is_told(compiled: object, optimizer: object, tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", config={**CONFIG, "compile_config": compiled})
    manifest = convert(path, tmp_path / "out").manifest
    assert manifest.get("training", {}).get("optimizer") == optimizer
