"""What random models have shown that is no fault, on small models that must be judged as they were."""

from collections.abc import Mapping

import pytest

from keras2torch.parity.verify import Verifier
from tests.randoms.expected import surprises
from tests.randoms.settled import SETTLED, names
from tests.randoms.verdicts import Verdict, judged, written


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    with Verifier() as verifier:
        for library in ("keras", "tf_keras"):
            folder = tmp_path_factory.mktemp(library)
            for name in names(library):
                written(SETTLED[name].recipe, folder / f"{name}.json")
            verdicts |= judged(library, names(library), verifier.sandboxes, folder)
    return verdicts


@pytest.mark.parametrize("name", SETTLED)
def test_it_is_judged_as_it_was(name: str, found: Mapping[str, Verdict]) -> None:
    verdict, expected = found[name], SETTLED[name]
    assert verdict.kind == expected.kind, (verdict.signs, verdict.detail)
    assert verdict.signs[0].startswith(expected.sign)
    assert not surprises(verdict)
