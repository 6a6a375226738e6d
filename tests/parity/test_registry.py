"""Every example of every layer rule, built and saved by real Keras, converted, and proven against it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert
from keras2torch.layers._registry import BEFORE_KERAS3, Generations
from keras2torch.parity.compare import compare
from keras2torch.parity.prepare import prepare
from keras2torch.sandbox import Limits, Sandbox
from keras2torch.source.model import Generation
from tests.parity.registry_models import examples

LIBRARIES = {"keras": Generation.KERAS3, "tf_keras": Generation.TF_KERAS}


def _stands_for(generation: Generation, written_by: Generations) -> bool:
    """tf_keras also builds the layers that only its forebears wrote."""
    if generation is Generation.KERAS3:
        return generation in written_by
    return bool(written_by & BEFORE_KERAS3)


TEST = "test_example_is_proven["
LIMITS = Limits(wall_s=900)
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
    return {
        library: _run(library, names, sandboxes, tmp_path_factory.mktemp(library)) for library in LIBRARIES
    }


def _run(library: str, names: list[str], sandboxes: Mapping[str, Sandbox], folder: Path) -> dict[str, Any]:
    built = sandboxes[library].run(
        "tests.parity.registry_models:build_all",
        {"library": library, "folder": str(folder), "names": names},
        workdir=folder,
        limits=LIMITS,
    )
    assert built.ok, built.log_tail
    answers: dict[str, Any] = dict(built.result)
    payloads = {}
    for name, answer in built.result.items():
        if answer == "saved":
            workdir, bundle = folder / name, folder / f"{name}.bundle"
            workdir.mkdir()
            try:
                convert(folder / f"{name}.h5", bundle)
                prepare(folder / f"{name}.h5", bundle, workdir)
            except Exception as error:  # noqa: BLE001  the test of this example raises it
                answers[name] = error
                continue
            payloads[name] = {"workdir": str(workdir), "bundle": str(bundle)}
            answers[name] = (workdir, bundle)
    for step, server, file in (("reference", library, "expected"), ("candidate", "torch", "actual")):
        outcome = sandboxes[server].run(
            "tests.parity.registry_models:run_all",
            {"step": f"keras2torch.parity.{step}:run_{step}", "payloads": payloads},
            workdir=folder,
            limits=LIMITS,
        )
        assert outcome.ok, outcome.log_tail
        for name, answer in outcome.result.items():
            if isinstance(answer, str):
                answers[name] = f"{step}: {answer}"
                del payloads[name]
            else:
                (folder / name / f"{file}.json").write_text(json.dumps(answer))
    return answers


@pytest.mark.parametrize(("library", "name"), CASES)
def test_example_is_proven(
    library: str, name: str, judged: dict[str, Any], record_property: Callable[[str, object], None]
) -> None:
    answer = judged[library][name]
    if answer == "absent":
        (other,) = set(LIBRARIES) - {library}
        assert judged[other][name] != "absent", "neither library has this class"
        return
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, tuple), answer
    report = compare(*answer)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= report.structure_limit
    assert report.outputs
    record_property("proven", (examples()[name][0].family, report.structure_error))
