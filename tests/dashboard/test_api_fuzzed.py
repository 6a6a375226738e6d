"""Whatever is sent, as the API's own document describes it or just beside that: no answer is a fault of ours."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from sqlalchemy.orm import Session, sessionmaker

from dashboard.app import create_app
from dashboard.services import Services
from db.roles import Role
from tests.dashboard import fleet
from tests.dashboard.people import token_of

EXAMPLES = 4
"""Of each kind for each operation: a look at each, not a search."""


@pytest.fixture
def reached(services: Services, sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[TestClient]:
    """As an administrator with a token, who may name only folders that are not there."""
    fleet.fill(sessions)
    vars(services)["config"] = replace(services.config, sources=(str(tmp_path / "nowhere"),))
    headers = token_of(services, "root", Role.ADMIN)
    app = create_app(services)
    with TestClient(
        app, base_url="http://127.0.0.1:8080", headers=headers, raise_server_exceptions=False
    ) as client:
        yield client


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_input_is_a_server_error(reached: TestClient) -> None:
    document: dict[str, Any] = reached.get("/api/v1/openapi.json").json()
    schema = openapi.from_asgi("/api/v1/openapi.json", reached.app)
    seen, answers = set(), set[int]()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        seen.add(operation.path)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            answers |= _try(reached, operation, mode)
    assert {200, 202, 404, 422} <= answers
    assert seen == set(document["paths"])


def _try(client: TestClient, operation: Any, mode: GenerationMode) -> set[int]:
    answers = set[int]()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        response = case.call(headers=dict(client.headers), session=client)
        answers.add(response.status_code)
        case.validate_response(response, checks=[not_a_server_error])

    try:
        attempt()
    except Unsatisfiable:
        # What takes no input cannot be given a wrong one.
        assert mode is GenerationMode.NEGATIVE, operation.path
    return answers
