"""What pages are made of: figures in words, searches with another state, bars of attempts, parity reports."""

import math
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.pages import advice, assets, formats, options_text, proof, said, searching, timeline, tones
from dashboard.pages.rendering import visible
from db.search import parse
from db.states import AttemptOutcome, BatchState, JobState, RunOutcome, WorkerState
from keras2torch import errors

AT = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.6, "1 h"),
        (90_000, "1 d 1 h"),
        (timedelta(minutes=3, seconds=5), "3 min 05 s"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: float | timedelta, words: str) -> None:
    assert formats.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(12, "12 s"), (60, "1 min"), (747, "12 min"), (7500, "2 h 05 min")]
)
def test_an_estimate_reads_without_seconds_beside_minutes(seconds: float, words: str) -> None:
    assert formats.roughly(seconds) == words


@pytest.mark.parametrize(
    ("bytes_", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_499, "999 kB"),
        (999_999, "1.0 MB"),
        (4.8e6, "4.8 MB"),
    ],
)
def test_a_size_has_three_figures(bytes_: float, words: str) -> None:
    assert formats.size(bytes_) == words


def test_all_and_nothing_are_said_only_of_all_and_nothing() -> None:
    assert [formats.percent(share) for share in (0, 0.0001, 0.5, 0.9999, 1)] == [
        "0 %",
        "< 0.1 %",
        "50 %",
        "> 99.9 %",
        "100 %",
    ]


def test_what_steers_or_turns_text_is_spelled_out() -> None:
    assert visible("a\u202eb\u200b\x1b[31m\n\ttab") == "a\\u202eb\\u200b\\x1b[31m\\n\\ttab"
    assert len(visible("x" * 100_000)) == 4000


def test_every_state_has_a_tone_and_an_icon() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (assets.FOLDER / "icons.svg").read_text()))
    for states in (JobState, BatchState, AttemptOutcome, WorkerState, RunOutcome):
        for state in states:
            assert state in tones._TONES, state
            assert tones.icon_of(state) in drawn, state


@pytest.mark.parametrize(
    ("text", "state", "expected"),
    [
        ("", JobState.FAILED, "state:failed"),
        ('state:queued key:"my model" -batch:3', JobState.FAILED, 'state:failed key:"my model" -batch:3'),
        ("STATE:queued,held resnet", None, "resnet"),
    ],
)
def test_another_state_leaves_the_rest_of_a_search_alone(
    text: str, state: JobState | None, expected: str
) -> None:
    assert searching.with_state(text, state) == expected
    parse(expected)


@pytest.mark.parametrize("value", ["LSTM", "my layer", "a,b", "-x", 'quo"ted', "x:y"])
def test_a_term_of_any_value_can_be_read_back(value: str) -> None:
    (term,) = parse(searching.term("layer", value)).terms
    assert term.values == (value.replace('"', ""),)
    assert not term.negated


def test_every_way_to_be_refused_has_advice() -> None:
    kinds = {errors._kebab(kind.__name__) for kind in _below(errors.Keras2TorchError)}
    missing = {kind for kind in kinds if advice.advice(kind) is None}
    # Classes of errors, and what no job meets.
    assert missing <= {"refused-file", "usage-error", "cannot-write", "unreadable", "verification-error"}, (
        missing
    )


def _below(kind: type[Exception]) -> set[type[Exception]]:
    return {each for child in kind.__subclasses__() for each in (child, *_below(child))}


def test_options_read_as_they_were_typed() -> None:
    options = {"export": ["pt2", "onnx"], "fuse_batchnorm": True, "input_shape": ["1=2", "2=3"]}
    assert options_text.as_text(options) == (
        "--export pt2,onnx --fuse-batchnorm --input-shape 1=2 --input-shape 2=3"
    )


def test_only_our_sentences_are_said() -> None:
    assert said.said({"done": "retry", "n": "1"}) == "1 job is queued again."
    assert said.said({"done": "retry", "n": "1200"}) == "1,200 jobs are queued again."
    for query in ({}, {"done": "x"}, {"done": "retry", "n": "<b>"}, {"done": "retry", "n": "9" * 40}):
        assert said.said(query) is None


def test_bars_fill_the_longest_attempt_and_no_more_in_the_order_of_the_stages() -> None:
    def attempt(seconds: float, **stages: float) -> Any:
        return SimpleNamespace(
            started_at=AT, ended_at=AT + timedelta(seconds=seconds), stage="verify", stage_seconds=stages
        )

    job: Any = SimpleNamespace(
        created_at=AT - timedelta(seconds=9),
        # PostgreSQL keeps the shorter key of a document first.
        attempts=[attempt(8, verify=4, convert=3, download=1), attempt(2), attempt(1, verify=4)],
    )
    rows = timeline.timeline(job, AT)
    assert rows[0].waited == 9
    assert [(piece.x, piece.width) for piece in rows[0].pieces] == [(0, 125), (125, 375), (500, 500)]
    assert [(piece.stage, piece.width) for piece in rows[1].pieces] == [("verify", 250)]
    assert timeline.stages(rows) == [("download", 7), ("convert", 3), ("verify", 4)]


def test_a_report_that_is_not_as_expected_is_read_as_far_as_it_goes() -> None:
    reports: list[dict[str, Any]] = [
        {},
        {"layers": None, "outputs": [1, None, {}]},
        {"versions": "x", "cases": [[]]},
    ]
    for broken in reports:
        found = proof.read(broken)
        assert found.worst is None
    layers = [
        {"layer": "a", "structure": {"error": 1e-15, "limit": 1e-9}},
        {"layer": "b", "structure": {"error": "nan", "limit": 1e-9, "fault": "not finite"}},
        {"layer": "c", "structure": {"error": 1.0, "limit": 1e-9}},
        {"layer": "d", "structure": {"error": math.inf, "limit": 1e-9}},
    ]
    found = proof.read({"layers": layers})
    assert found.first_departure is not None
    assert found.first_departure.name == "b"
    assert found.worst is not None
    assert found.worst.name == "c"
    assert [layer.structure.passed for layer in found.layers] == [True, False, False, False]
