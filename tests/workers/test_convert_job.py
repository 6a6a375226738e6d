"""Jobs done by the real engine in real sandboxes, on both databases."""

import hashlib
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.queries import control, queue
from db.states import AttemptOutcome, JobState
from keras2torch.sandbox import Outcome
from tests.crafted import call, functional, layer, numbers, sequential, write_model, write_weights
from tests.db import zoo
from tests.exports.export_models import write_export_model
from tests.fleet import models
from tests.workers.conftest import Make, detail
from workers import inbox, publish, recipe
from workers.admission import Admission
from workers.isolation import Sandboxes
from workers.settings import WorkerSettings


def test_a_model_becomes_a_proven_published_bundle(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "team" / "a.h5")
    job_id = shop.plan()["team/a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED

    job = detail(shop, job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.parity[0].passed
    assert job.parity[0].structure_error is not None
    assert job.parity[0].structure_error < 1e-9
    assert set(job.attempts[0].stage_seconds or {}) == {"download", "convert", "verify", "publish"}
    door = shop.dest / "by-name" / "team" / "a"
    names = {"model.py", "model.safetensors", "manifest.json", "parity.json", "README.md"}
    assert {path.name for path in door.iterdir()} == names == {artifact.name for artifact in job.artifacts}
    for artifact in job.artifacts:
        assert (shop.dest / artifact.key).read_bytes() == (door / artifact.name).read_bytes()

    spec = importlib.util.spec_from_file_location("converted", door / "model.py")
    assert spec is not None
    source = (door / "model.py").read_text()
    assert "nn.Linear(4, 3)" in source


def test_a_job_makes_of_a_model_what_its_recipe_asks_for(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5")
    job_id = shop.plan(dtype="float16", hub_mixin=True)["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    job = detail(shop, job_id)
    assert job.options == {"dtype": "float16", "hub_mixin": True}
    assert recipe.as_text(job.options) == "--dtype float16 --hub-mixin"
    bundle = shop.dest / "by-name" / "a"
    assert "PyTorchModelHubMixin" in (bundle / "model.py").read_text()
    weights = json.loads((bundle / "manifest.json").read_text())["weights"]
    assert {entry["dtype"] for entry in weights} == {"float16"}


def test_a_job_exports_what_its_recipe_asks_for(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5")
    job_id = shop.plan(export=["onnx"])["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    job = detail(shop, job_id)
    assert recipe.as_text(job.options) == "--export onnx"
    assert "export" in (job.attempts[0].stage_seconds or {})
    bundle = shop.dest / "by-name" / "a"
    (entry,) = json.loads((bundle / "manifest.json").read_text())["exports"]
    assert entry["path"] == "model.onnx"
    assert (bundle / "model.onnx").stat().st_size > 0


def test_what_no_format_can_hold_is_the_end_of_a_job_that_asks_for_it(workshop: Make) -> None:
    shop = workshop()
    shop.source.mkdir()
    write_export_model(shop.source, "stateful")
    job_id = shop.plan(export=["pt2"])["stateful.h5"]
    assert shop.do(job_id) is AttemptOutcome.FAILED
    job = detail(shop, job_id)
    assert job.error_kind == "cannot-export"
    assert job.error_message is not None
    assert job.error_message.endswith(
        "pt2: layer 'lstm' (LSTM): keeps a state from call to call, which no export does"
    )
    assert not (shop.dest / "by-name").exists()


def test_a_second_message_for_the_same_job_does_nothing(workshop: Make) -> None:
    shop = workshop()
    models.unsupported(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert shop.do(job_id) is None
    assert len(detail(shop, job_id).attempts) == 1


def test_refusals_keep_their_kind_and_every_reason(workshop: Make) -> None:
    shop = workshop()
    models.unsupported(shop.source / "odd.h5")
    models.corrupt(shop.source / "broken.h5")
    jobs = shop.plan()
    assert shop.do(jobs["odd.h5"]) is AttemptOutcome.FAILED
    assert shop.do(jobs["broken.h5"]) is AttemptOutcome.FAILED
    odd, broken = detail(shop, jobs["odd.h5"]), detail(shop, jobs["broken.h5"])
    assert (odd.state, odd.error_kind, odd.reasons[0].subject) == (
        JobState.FAILED,
        "unsupported-model",
        "Wizardry",
    )
    assert (broken.state, broken.error_kind) == (JobState.FAILED, "not-hdf5")
    assert broken.error_message is not None
    assert broken.error_message.startswith("broken.h5:")
    assert not (shop.dest / "results").exists()
    assert not (shop.dest / "by-name").exists()


def test_equal_content_is_converted_once(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=1)
    shutil.copyfile(shop.source / "a.h5", shop.source / "copy.h5")
    jobs = shop.plan()
    assert shop.do(jobs["a.h5"]) is AttemptOutcome.SUCCEEDED
    assert shop.do(jobs["copy.h5"]) is AttemptOutcome.REUSED
    first, second = detail(shop, jobs["a.h5"]), detail(shop, jobs["copy.h5"])
    assert second.reused_from == first.id
    assert second.artifacts == first.artifacts
    assert second.parity[0].passed
    assert "convert" not in (second.attempts[0].stage_seconds or {})
    assert (shop.dest / "by-name" / "copy" / "model.py").is_file()


def test_no_result_is_filed_under_a_version_that_did_not_make_it(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=13)
    job_id = shop.plan(version="0.0.1")["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert detail(shop, job_id).error_kind == "other-converter"


@pytest.mark.parametrize("key", ["a.h5", "deep/er/b.h5", "old.hdf5", "new.keras", "no-suffix.h5.h5"])
def test_no_two_names_share_a_door(key: str) -> None:
    others = {"a.h5", "deep/er/b.h5", "old.hdf5", "new.keras", "no-suffix.h5.h5", "a.keras", "old.h5"} - {key}
    assert publish.door_of(key) not in {publish.door_of(other) for other in others}


def test_the_manifest_of_a_result_names_what_it_is_and_nothing_of_the_machine(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=10)
    job_id = shop.plan()["a.h5"]
    shop.do(job_id)
    job = detail(shop, job_id)
    manifest = json.loads((shop.dest / "results" / str(job.content_key) / "manifest.json").read_text())
    assert set(manifest) == {"schema_version", "content_key", "converter_version", "options", "files"}
    with shop.sessions.begin() as session:
        assert queue.claim(session, job_id, "w2", 90) is None


DESCRIBED = sequential(layer("Dense", "d", units=2, use_bias=False, batch_input_shape=[None, 4]))


def test_an_architecture_comes_from_the_destination(workshop: Make, tmp_path: Path) -> None:
    """The operator's file is on another machine; what is published is another result than without the option."""
    shop = workshop()
    shop.source.mkdir()
    write_weights(shop.source / "w.h5", {"d": [numbers(4, 2)]})
    alone = shop.plan()["w.h5"]
    (tmp_path / "m.json").write_text(json.dumps(DESCRIBED))
    with_it = shop.plan(architecture=tmp_path / "m.json", backend="tensorflow")["w.h5"]
    assert with_it != alone
    (tmp_path / "m.json").unlink()
    assert shop.do(alone) is AttemptOutcome.FAILED
    assert detail(shop, alone).error_kind == "weights-only"
    assert shop.do(with_it) is AttemptOutcome.SUCCEEDED
    job = detail(shop, with_it)
    text = json.dumps(DESCRIBED).encode()
    sha256 = hashlib.sha256(text).hexdigest()
    assert job.options == {"architecture": {"name": "m.json", "sha256": sha256}, "backend": "tensorflow"}
    assert (shop.dest / "by-name" / "w" / "architecture.json").read_bytes() == text


def test_a_limit_holds_in_the_child(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5")
    job_id = shop.plan(limits=["name_length=5"])["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.FAILED
    job = detail(shop, job_id)
    assert (job.error_kind, job.options) == ("limit-exceeded", {"limits": ["name_length=5"]})


def test_a_model_that_magnifies_rounding_fails_with_the_word_of_it(workshop: Make) -> None:
    """Sums in another order differ by 1e-16; three sines of thousands make 1e-6 of that."""
    shop = workshop()
    shop.source.mkdir()
    layers = [
        layer("InputLayer", "in", batch_input_shape=[None, 64]),
        layer("Dense", "sums", call("in"), units=8, use_bias=False),
    ]
    for number in range(3):
        magnified = layer("Rescaling", f"r{number}", call(layers[-1]["name"]), scale=2e3, offset=0.0)
        sine = layer("TFOpLambda", f"s{number}", [f"r{number}", 0, 0, {}], function="math.sin")
        layers += [magnified, sine]
    model = functional(layers, [["in", 0, 0]], [["s2", 0, 0]])
    write_model(shop.source / "m.h5", model, {"sums": {"kernel:0": numbers(64, 8)}})
    job_id = shop.plan()["m.h5"]
    assert shop.do(job_id) is AttemptOutcome.FAILED
    job = detail(shop, job_id)
    assert job.error_kind == "parity-failed"
    assert str(job.error_message).endswith("ill-conditioned, no evidence of a fault)")
    assert job.parity[0].report["conditioning"]["ill_conditioned"] is True


def test_an_architecture_that_is_not_the_one_asked_for_converts_nothing(
    workshop: Make, tmp_path: Path
) -> None:
    shop = workshop()
    shop.source.mkdir()
    write_weights(shop.source / "w.h5", {"d": [numbers(4, 2)]})
    (tmp_path / "m.json").write_text(json.dumps(DESCRIBED))
    job_id = shop.plan(architecture=tmp_path / "m.json")["w.h5"]
    kept = publish.key_of(detail(shop, job_id).options["architecture"]["sha256"])
    (shop.dest / kept).chmod(0o644)
    (shop.dest / kept).write_text(json.dumps({**DESCRIBED, "keras_version": "3"}))
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert detail(shop, job_id).error_kind == "object-differs"
    (shop.dest / kept).unlink()
    with shop.sessions.begin() as session:
        control.requeue(session, [job_id])
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert detail(shop, job_id).error_kind == "object-missing"


def test_a_source_that_was_removed_is_said_to_be_missing(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5")
    job_id = shop.plan()["a.h5"]
    (shop.source / "a.h5").unlink()
    assert shop.do(job_id) is AttemptOutcome.FAILED
    assert (detail(shop, job_id).error_kind, detail(shop, job_id).error_message) == (
        "object-missing",
        f"{shop.source}/a.h5: No such file or directory",
    )


def test_an_application_needs_no_file(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5")
    job_id = shop.plan(architecture="applications:ResNet50")["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    assert detail(shop, job_id).options == {"architecture": {"name": "applications:ResNet50"}}


def test_an_attempt_says_what_it_computed_on(workshop: Make) -> None:
    shop = workshop()
    models.dense(shop.source / "a.h5", seed=21)
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    environment = detail(shop, job_id).attempts[0].environment or {}
    assert environment["device"] == "cpu"
    assert "run_candidate" in environment["walls"]


def test_a_job_too_large_for_others_company_is_sent_where_it_has_a_worker_to_itself(workshop: Make) -> None:
    """The file is of 1 MB, and a job may have 256 MiB here; a worker has 4 GiB."""
    shop = workshop(WorkerSettings(job_memory_bytes=256 << 20))
    models.dense(shop.source / "a.h5", units=500, inputs=500, seed=22)
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is None
    sent = detail(shop, job_id)
    assert (sent.state, sent.queue, len(sent.attempts)) == (JobState.QUEUED, inbox.LARGE_QUEUE, 0)
    assert (sent.retries, sent.lost_count) == (0, 0)
    assert sent.events[-1].type == "sent-to-queue"
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED


def test_want_of_memory_is_tried_once_more_with_all_there_is(workshop: Make) -> None:
    """A file of kilobytes whose output is of 3 GB; a worker with 1 GiB tries it twice."""
    shop = workshop(WorkerSettings(job_memory_bytes=1 << 30), room=Admission(1 << 30))
    shop.source.mkdir()
    repeated = [
        layer("Dense", "d", units=8, use_bias=False, batch_input_shape=[None, 4]),
        layer("RepeatVector", "r", n=50_000_000),
    ]
    write_model(shop.source / "a.h5", sequential(*repeated), {"d": {"kernel:0": numbers(4, 8)}})
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.CRASHED
    first = detail(shop, job_id)
    assert (first.state, first.queue, first.error_kind) == (
        JobState.QUEUED,
        inbox.LARGE_QUEUE,
        "out-of-memory",
    )
    zoo.make_due(shop.sessions, job_id)
    assert shop.do(job_id) is AttemptOutcome.CRASHED
    last = detail(shop, job_id)
    assert (last.state, last.error_kind, last.retries) == (JobState.QUARANTINED, "out-of-memory", 0)


class Talkative:
    """Sandboxes whose children have something to say."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes

    def run(self, server: str, target: str, *rest: Any, **options: Any) -> Outcome:
        outcome = self._sandboxes.run(server, target, *rest, **options)
        return replace(outcome, log_tail="a warning\n\x1b[2J\n" if target.endswith("candidate") else "")


def test_what_children_say_is_kept_of_successes_too(workshop: Make) -> None:
    shop = workshop()
    shop.shop = replace(shop.shop, sandboxes=Talkative(shop.shop.sandboxes))  # type: ignore[arg-type]
    models.dense(shop.source / "a.h5", seed=24)
    job_id = shop.plan()["a.h5"]
    assert shop.do(job_id) is AttemptOutcome.SUCCEEDED
    (attempt,) = detail(shop, job_id).attempts
    assert attempt.log_key == f"logs/{job_id}/1.log"
    kept = (shop.dest / attempt.log_key).read_text()
    assert kept == "--- verify: run_candidate\na warning\n\\x1b[2J\n"
