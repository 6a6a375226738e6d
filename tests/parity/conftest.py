"""One server a library for the whole test session: TensorFlow takes seconds to import."""

from collections.abc import Iterator

import pytest

from keras2torch.parity import reference
from keras2torch.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    """A sandbox by the name of what it has preloaded: "keras", "tf_keras", "torch"."""
    preloads = {"keras": ["tensorflow", "keras"], "tf_keras": ["tensorflow", "tf_keras"], "torch": ["torch"]}
    made = {name: Sandbox(preload, env=reference.ENVIRONMENT) for name, preload in preloads.items()}
    yield made
    for sandbox in made.values():
        sandbox.close()
