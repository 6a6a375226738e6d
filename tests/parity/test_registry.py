"""Every example of every layer rule, built and saved by real Keras, converted, and proven against it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from keras2torch.layers._registry import BEFORE_KERAS3, Generations, active
from keras2torch.sandbox import Sandbox
from keras2torch.source.model import Generation
from tests.parity.judging import judge, proven
from tests.parity.registry_models import examples, rules_of_stand_ins

LIBRARIES = {"keras": Generation.KERAS3, "tf_keras": Generation.TF_KERAS}


def _stands_for(generation: Generation, written_by: Generations) -> bool:
    """tf_keras also builds the layers that only its forebears wrote."""
    if generation is Generation.KERAS3:
        return generation in written_by
    return bool(written_by & BEFORE_KERAS3)


TEST = "test_example_is_proven["
BUILD = "tests.parity.registry_models:build_all"
CASES = [
    pytest.param(library, name, id=f"{name}-{library}")
    for library, generation in LIBRARIES.items()
    for name, (rule, example) in examples().items()
    if example.only in (None, generation) and _stands_for(generation, rule.generations)
]


@pytest.fixture(scope="session")
def judged(
    request: pytest.FixtureRequest, sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """For each library: what became of each example that is to be tested, up to the folders that `compare` takes."""
    selected = [vars(item)["callspec"].params for item in request.session.items if item.name.startswith(TEST)]
    names = sorted({params["name"] for params in selected})
    with active(rules_of_stand_ins()):
        return {
            library: judge(BUILD, library, names, sandboxes, tmp_path_factory.mktemp(library))
            for library in LIBRARIES
        }


@pytest.mark.parametrize(("library", "name"), CASES)
def test_example_is_proven(
    library: str, name: str, judged: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    answer = judged[library][name]
    if answer == "absent":
        (other,) = set(LIBRARIES) - {library}
        assert judged[other][name] != "absent", "neither library has this class"
        return
    report = proven(answer)
    record_property("proven", (examples()[name][0].family, report.structure_error))
