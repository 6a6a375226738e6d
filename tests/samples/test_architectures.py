"""The architectures that the package holds are those of the libraries, and their weights convert without a library."""

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from keras2torch import convert
from keras2torch.parity.verify import Verifier
from keras2torch.source.applications import DATA, names, variants
from samples.architectures import collect, text_of

PACKAGE = Path("keras2torch/source")


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


def test_the_library_still_says_what_was_written_down(verifier: Verifier) -> None:
    wanted = ["MobileNet"]
    assert collect(verifier, wanted) == {name: variants(name) for name in wanted}


def test_the_file_is_made_as_the_command_makes_it() -> None:
    stored = (PACKAGE / DATA).read_bytes()
    assert text_of({name: variants(name) for name in names()}) == lzma.decompress(stored)
    assert len(names()) >= 70


def test_weights_of_an_application_are_proven(verifier: Verifier, tmp_path: Path) -> None:
    """As people have them: of tf_keras, without its classifier; the architecture is that of Keras 3."""
    source = tmp_path / "mobilenet_notop.h5"
    built = verifier.sandboxes["tf_keras"].run(
        "tests.samples.applications:save_weights",
        {"name": "MobileNet", "path": str(source)},
        workdir=tmp_path,
    )
    assert built.ok, built.log_tail
    bundle = convert(source, tmp_path / "bundle", architecture="applications:MobileNet").path
    report = verifier.verify(bundle, source)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= 1e-12
