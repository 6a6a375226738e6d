"""What sound files look like, in every way that some Keras or some tool has written them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from keras2torch.source.model import Generation
from keras2torch.source.reading import read_source
from tests.crafted import dense_model, layer, names, numbers, sequential, write_model

KERNEL = "dense/kernel:0"


def replace(file: h5py.File, name: str, **options: object) -> None:
    """Store one weight of the crafted Dense anew, in another way."""
    owner = file["model_weights/dense"]
    data = owner[name][()]
    del owner[name]
    owner.create_dataset(name, data=data, **options)


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
@pytest.mark.parametrize("vlen", [True, False])
def test_a_whole_model_is_read(tmp_path: Path, libver: str, vlen: bool) -> None:
    path = dense_model(tmp_path / "m.h5", libver=libver, vlen=vlen)
    model = read_source(path)
    assert (model.generation, model.keras_version, model.backend) == (
        Generation.TF_KERAS,
        "2.15.0",
        "tensorflow",
    )
    assert model.config["config"]["layers"][0]["config"]["units"] == 2
    assert (model.size, model.format) == (path.stat().st_size, "keras-h5")
    kernel, bias = model.weights["dense"]
    assert (kernel.name, bias.name) == (KERNEL, "dense/bias:0")
    assert np.array_equal(kernel.array, numbers(3, 2))
    assert np.array_equal(bias.array, numbers(2, seed=1))


def test_weights_are_views_of_the_file_and_not_to_be_written(tmp_path: Path) -> None:
    model = read_source(dense_model(tmp_path / "m.h5"))
    kernel = model.weights["dense"][0].array
    assert np.shares_memory(kernel, model.content)
    assert not kernel.flags.writeable


def test_the_file_that_was_opened_is_read_whatever_becomes_of_its_name(tmp_path: Path) -> None:
    path = dense_model(tmp_path / "m.h5")
    before = path.read_bytes()
    model = read_source(path)
    path.unlink()
    path.write_bytes(b"something else")
    assert model.content.tobytes() == before
    assert np.array_equal(model.weights["dense"][0].array, numbers(3, 2))


def test_a_configuration_of_fixed_length_is_read(tmp_path: Path) -> None:
    config = sequential(layer("Dense", "dense", units=2, batch_input_shape=[None, 3]))

    def fixed(file: h5py.File) -> None:
        text = file.attrs["model_config"]
        del file.attrs["model_config"]
        file.attrs["model_config"] = np.bytes_(text)
        file["model_weights"].attrs["keras_version"] = np.bytes_("2.2.4")

    model = read_source(write_model(tmp_path / "m.h5", config, edit=fixed))
    assert model.config["config"]["layers"][0]["name"] == "dense"
    assert model.generation is Generation.KERAS2


@pytest.mark.parametrize("vlen", [True, False])
def test_lists_of_names_come_in_chunks(tmp_path: Path, vlen: bool) -> None:
    def chunked(file: h5py.File) -> None:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"] = names(["b"], vlen=vlen)
        group.attrs["layer_names1"] = names(["a"], vlen=vlen)
        del group["a"].attrs["weight_names"]
        group["a"].attrs["weight_names0"] = names(["y"], vlen=vlen)
        group["a"].attrs["weight_names1"] = names(["x"], vlen=vlen)

    weights = {"a": {"x": numbers(2), "y": numbers(3)}, "b": {}}
    model = read_source(write_model(tmp_path / "m.h5", sequential(), weights, edit=chunked))
    assert list(model.weights) == ["b", "a"]
    assert [weight.name for weight in model.weights["a"]] == ["y", "x"]
    assert [weight.shape for weight in model.weights["a"]] == [(3,), (2,)]


def test_names_of_layers_and_weights_hold_slashes(tmp_path: Path) -> None:
    weights = {"block/conv": {"block/conv/a/b/kernel:0": numbers(2)}, "block/bn": {"gamma": numbers(1)}}
    model = read_source(write_model(tmp_path / "m.h5", sequential(), weights))
    assert np.array_equal(model.weights["block/conv"][0].array, numbers(2))
    assert list(model.weights) == ["block/conv", "block/bn"]


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_hundreds_of_layers_and_dozens_of_attributes_are_read(tmp_path: Path, libver: str) -> None:
    # Newer HDF5 moves them out of the object headers, into heaps with B-trees over them.
    weights = {f"layer_{i}": {"kernel:0": numbers(2, seed=i)} for i in range(300)}

    def attributes(file: h5py.File) -> None:
        for i in range(40):
            file["model_weights"].attrs[f"other_{i}"] = i

    model = read_source(write_model(tmp_path / "m.h5", sequential(), weights, libver=libver, edit=attributes))
    assert list(model.weights) == list(weights)
    assert all(
        np.array_equal(model.weights[name][0].array, numbers(2, seed=i)) for i, name in enumerate(weights)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": (2, 2)},
        {"chunks": (2, 2), "compression": "gzip"},
        {"chunks": (3, 1), "compression": "gzip", "shuffle": True},
        {"chunks": (3, 2), "shuffle": True},
    ],
)
def test_repacked_weights_are_read(tmp_path: Path, options: dict[str, object]) -> None:
    path = dense_model(tmp_path / "m.h5", edit=lambda file: replace(file, KERNEL, **options))
    assert np.array_equal(read_source(path).weights["dense"][0].array, numbers(3, 2))


def test_a_chunk_that_the_filter_left_as_it_was_is_read(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        replace(file, KERNEL, chunks=(3, 2), compression="gzip")
        # Bit 0 of the mask: the first filter of this chunk was left out.
        file["model_weights/dense"][KERNEL].id.write_direct_chunk((0, 0), numbers(3, 2).tobytes(), 1)

    path = dense_model(tmp_path / "m.h5", edit=edit)
    assert np.array_equal(read_source(path).weights["dense"][0].array, numbers(3, 2))


def test_weights_inside_their_headers_are_read(tmp_path: Path) -> None:
    def compact(file: h5py.File) -> None:
        owner = file["model_weights/dense/dense"]
        del owner["kernel:0"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3, 2))
        made = h5py.h5d.create(owner.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, properties)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers(3, 2))

    path = dense_model(tmp_path / "m.h5", edit=compact)
    assert np.array_equal(read_source(path).weights["dense"][0].array, numbers(3, 2))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i8", "u1"])
def test_every_plain_number_is_read(tmp_path: Path, dtype: str) -> None:
    stored = (numbers(3, 2) * 10).astype(dtype)
    found = read_source(write_model(tmp_path / "m.h5", sequential(), {"a": {"x": stored}})).weights["a"][0]
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found.array, stored)


def test_scalars_and_empty_weights_are_read(tmp_path: Path) -> None:
    weights = {"a": {"count": np.asarray(7), "none": np.zeros((0, 3), np.float32)}}
    count, none = read_source(write_model(tmp_path / "m.h5", sequential(), weights)).weights["a"]
    assert (count.shape, int(count.array)) == ((), 7)
    assert none.shape == (0, 3)


def test_what_is_no_part_of_the_model_is_not_looked_at(tmp_path: Path) -> None:
    def extras(file: h5py.File) -> None:
        file.attrs["training_config"] = "{not even JSON"
        file.attrs.create("odd", np.zeros(2), dtype=np.dtype(("f4", (2,))))
        file.create_group("optimizer_weights").attrs["weight_names"] = np.asarray([1.5])
        file["optimizer_weights/link"] = h5py.SoftLink("/nowhere")
        file["model_weights"].create_group("top_level_model_weights")
        file["model_weights/loop"] = file["model_weights"]

    assert list(read_source(dense_model(tmp_path / "m.h5", edit=extras)).weights) == ["dense"]


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        (None, Generation.KERAS1),
        ("1.2.2", Generation.KERAS1),
        ("2.0.8", Generation.KERAS2),
        ("2.2.4", Generation.KERAS2),
        ("2.3.1", Generation.KERAS2),
        ("2.1.6-tf", Generation.TF_KERAS),
        ("2.2.4-tf", Generation.TF_KERAS),
        ("2.4.0", Generation.TF_KERAS),
        ("2.9.0", Generation.TF_KERAS),
        ("2.15.0", Generation.TF_KERAS),
        ("3.0.5", Generation.KERAS3),
        ("3.15.1", Generation.KERAS3),
    ],
)
def test_the_recorded_version_tells_the_generation(
    tmp_path: Path, version: str | None, generation: Generation
) -> None:
    assert read_source(dense_model(tmp_path / "m.h5", keras_version=version)).generation is generation
