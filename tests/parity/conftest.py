"""One server a library for the whole test session: TensorFlow takes seconds to import."""

from collections.abc import Iterator, Mapping

import pytest

from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox


@pytest.fixture(scope="session")
def verifier() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


@pytest.fixture(scope="session")
def sandboxes(verifier: Verifier) -> Mapping[str, Sandbox]:
    """A sandbox by the name of what it has preloaded: "keras", "tf_keras", "torch"."""
    return verifier.sandboxes
