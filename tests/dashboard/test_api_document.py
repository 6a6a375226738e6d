"""The API's document: what it shows as answers is what may be answered, and nothing of it is loaded from elsewhere."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PROBLEM = "application/problem+json"


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return found


def answers(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and status of each answer, its media type, and what is said of it."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for media_type, said in answer.get("content", {}).items():
                    yield f"{method} {path} {status}", media_type, said


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def examples_of(document: dict[str, Any], said: dict[str, Any]) -> list[Any]:
    """Of an answer, or of its model; of a list, one with an entry as the entry's model has it."""
    schema = resolved(document, said["schema"])
    entry = resolved(document, schema.get("items", {}))
    found = [said["example"]] if "example" in said else []
    return [*found, *schema.get("examples", []), *([each] for each in entry.get("examples", []))]


def is_list(document: dict[str, Any], said: dict[str, Any]) -> bool:
    schema = resolved(document, said["schema"])
    return schema.get("type") == "array" or bool(
        {"next", "next_before"} & schema.get("properties", {}).keys()
    )


def test_every_list_and_every_refusal_has_an_example_and_all_are_as_they_say(
    document: dict[str, Any],
) -> None:
    lists, problems, without = 0, 0, []
    for place, media_type, said in answers(document):
        if media_type not in {"application/json", PROBLEM} or not place.split()[1].startswith("/api/"):
            continue
        examples = examples_of(document, said)
        lists += is_list(document, said)
        problems += media_type == PROBLEM
        if (is_list(document, said) or media_type == PROBLEM) and not examples:
            without.append(place)
        for each in examples:
            schema = {**said["schema"], "components": document["components"]}
            assert [str(error) for error in jsonschema_rs.iter_errors(schema, each)] == [], place
        if media_type == PROBLEM:
            assert [each["status"] for each in examples] == [int(place.rpartition(" ")[2])]
    assert without == []
    assert (lists >= 14, problems >= 100) == (True, True)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_there_is_no_page_of_the_document_that_loads_from_elsewhere(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
