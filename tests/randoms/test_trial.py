"""Random models grow only by what Keras can run, and by what says something when it is run."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keras2torch.parity.verify import Verifier
from tests.randoms.trial_steps import CASES


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bool]:
    folder: Path = tmp_path_factory.mktemp("trial")
    found: dict[str, bool] = {}
    with Verifier() as verifier:
        for library in ("keras", "tf_keras"):
            outcome = verifier.sandboxes[library].run(
                "tests.randoms.trial_steps:taken", {"library": library}, workdir=folder
            )
            assert outcome.ok, outcome.log_tail
            found |= outcome.result
    return found


@pytest.mark.parametrize("name", CASES)
def test_only_what_can_be_judged_is_taken(name: str, answers: Mapping[str, bool]) -> None:
    assert answers[name] == CASES[name][2]
