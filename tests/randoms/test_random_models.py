"""150 random models, built and saved by real Keras, converted, and proven against it; `make soak` has more."""

from collections.abc import Mapping

import pytest

from keras2torch.parity.verify import Verifier
from tests.randoms.__main__ import library_of, verdicts
from tests.randoms.expected import surprises
from tests.randoms.printing import as_code
from tests.randoms.verdicts import Verdict

SEEDS = range(150)
TEST = "test_a_random_model_is_proven["


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Verdict]:
    selected = [vars(item)["callspec"].params for item in request.session.items if item.name.startswith(TEST)]
    with Verifier() as verifier:
        seeds = [params["seed"] for params in selected]
        answers = verdicts(seeds, verifier.sandboxes, tmp_path_factory.mktemp("randoms"))
        return {seed: verdict for _, seed, verdict in answers}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_model_is_proven(seed: int, found: Mapping[int, Verdict]) -> None:
    verdict = found[seed]
    code = as_code(verdict.recipe, library_of(seed)) if verdict.recipe else ""
    assert not surprises(verdict), "\n".join([f"SEED={seed} make soak shrinks it", *verdict.detail, code])


def test_most_random_models_are_judged(found: Mapping[int, Verdict]) -> None:
    """What Keras takes and then cannot run proves nothing, and neither do refusals, right as they are."""
    if len(found) == len(SEEDS):
        assert sum(verdict.kind == "passed" for verdict in found.values()) >= 0.85 * len(SEEDS)
