import pytest

from scheduler.selection import BadPattern, Selection

KEYS = ["a.h5", "prod/a.h5", "prod/v2/a.h5", "prod/v2/b[1].h5", "test/a.h5", "prod.h5"]


def taken(**patterns: tuple[str, ...]) -> list[str]:
    selection = Selection(**patterns)  # type: ignore[arg-type]
    return [key for key in KEYS if selection.takes(key)]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("a.h5", ["a.h5", "prod/a.h5", "prod/v2/a.h5", "test/a.h5"]),
        ("/a.h5", ["a.h5"]),
        ("prod/*.h5", ["prod/a.h5"]),
        ("prod/**", ["prod/a.h5", "prod/v2/a.h5", "prod/v2/b[1].h5"]),
        ("prod/", ["prod/a.h5", "prod/v2/a.h5", "prod/v2/b[1].h5"]),
        ("**/v2/*", ["prod/v2/a.h5", "prod/v2/b[1].h5"]),
        ("[!a-o]*.h5", ["prod.h5"]),
        ("b[[]1[]].h5", ["prod/v2/b[1].h5"]),
        ("?.h5", ["a.h5", "prod/a.h5", "prod/v2/a.h5", "test/a.h5"]),
        ("A.h5", []),
    ],
)
def test_what_a_pattern_means(pattern: str, keys: list[str]) -> None:
    assert taken(include=(pattern,)) == keys
    assert taken(exclude=(pattern,)) == [key for key in KEYS if key not in keys]


def test_exclusion_wins_and_order_means_nothing() -> None:
    assert taken(include=("prod/**", "test/"), exclude=("**/v2/**",)) == ["prod/a.h5", "test/a.h5"]
    assert taken(include=("test/", "prod/**"), exclude=("**/v2/**",)) == ["prod/a.h5", "test/a.h5"]
    assert taken(include=("prod/**",), exclude=("prod/**",)) == []
    assert taken() == KEYS


@pytest.mark.parametrize("pattern", ["", "/", "a[b.h5", "[z-a]"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Selection(include=(pattern,))
    assert "\n" not in str(caught.value)


def test_a_selection_comes_back_from_its_row() -> None:
    selection = Selection(include=("a", "b/"), exclude=("c",), only_needed=True)
    assert Selection.of_json(selection.as_json()) == selection
    assert Selection.of_json({}) == Selection()
    assert Selection().as_json() == {}
