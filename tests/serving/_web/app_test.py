"""The description of the API: what it says is what the server does; and the pages that show it."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection
from served_models import Letters, Served, served

from ner_plugins.serving import Limits
from ner_plugins.serving._web import pages
from ner_plugins.serving._web.stream import CONTENT_TYPES


@pytest.fixture(scope="module")
def server() -> Served:
    with served(Letters(), Letters(), limits=Limits(timeout=5)) as one:
        yield one


def test_the_description_names_every_endpoint(server: Served) -> None:
    _, api, _ = server.request("/openapi.json")
    assert sorted(api["paths"]) == [
        "/health", "/metrics", "/models", "/predict", "/predict/stream", "/ready",
    ]  # fmt: skip
    assert {"PredictRequest", "StreamLine", "PredictAnswer", "Problem"} <= set(api["components"]["schemas"])
    for methods in api["paths"].values():
        for operation in methods.values():
            assert operation["summary"]


def test_the_models_and_limits_are_told(server: Served) -> None:
    status, answer, _ = server.request("/models")
    types = ["VOWEL", "OTHER", "PAIR"]
    assert status == 200 and answer["models"] == [
        {"name": "letters", "types": types},
        {"name": "others", "types": types},
    ]
    assert (answer["max_texts"], answer["max_characters"], answer["max_body"]) == (1000, 10_000, 4_194_304)


def test_the_page_of_the_api_shows_all_of_it_and_comes_from_here(server: Served) -> None:
    _, page, headers = server.request("/docs")
    assert headers["content-type"].startswith("text/html")
    for path in ("/health", "/metrics", "/models", "/predict", "/predict/stream", "/ready"):
        assert f"<code>{path}</code>" in page
    assert "list of string" in page and "number or object of number or null" in page
    assert "<script" not in page and "http" not in re.sub(r"<h1>.*?</h1>", "", page)


def test_every_file_of_the_page_is_there_and_names_nothing_elsewhere(server: Served) -> None:
    assert server.request("/page/secret")[0] == server.request("/page/../app.py")[0] == 404
    _, front, _ = server.request("/")
    for name, kind in pages.TYPES.items():
        status, text, headers = server.request(f"/page/{name}")
        assert status == 200 and headers["content-type"].startswith(kind)
        named = re.findall(r"(?:https?:)?//[\w.]+", text.replace("http://www.w3.org/2000/svg", ""))
        assert not [name for name in named if name.startswith("http")], name
        assert "innerHTML" not in text and "eval(" not in text
    assert set(re.findall(r'(?:href|src)="page/([^"]+)"', front)) <= set(pages.TYPES)
    assert not re.search(r"style=|onclick=|<style|https?:", front)


def test_metrics(server: Served) -> None:
    before = figures(server)
    assert server.request("/predict", {"text": ["AB", "刘"], "model": "others"})[0] == 200
    after = figures(server)

    def grown(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    assert grown('ner_texts_total{model="others"}') == 2 and grown('ner_characters_total{model="others"}') == 3
    assert grown('ner_requests_total{endpoint="/predict",status="200"}') == 1
    assert grown('ner_request_seconds_count{endpoint="/predict"}') == 1
    assert grown('ner_batch_texts_sum{model="others"}') == 2
    assert after['ner_queue_texts{model="others"}'] == 0 and after["ner_ready"] == 1
    assert after["process_resident_memory_bytes"] > 10**7


def figures(server: Served) -> dict[str, float]:
    lines = [line for line in server.request("/metrics")[1].splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


schemathesis.serializer.alias(list(CONTENT_TYPES[:2]), "application/json")


def run_schemathesis(examples: int) -> None:
    """Generated requests, valid and invalid: every answer is one that the description promises."""
    with served(Letters(fails_at="no text has this"), limits=Limits(timeout=5)) as server:
        _, described, _ = server.request("/openapi.json")
        names = {"enum": ["VOWEL", "OTHER", "PAIR"]}  # the description leaves the names to each model
        asked = described["components"]["schemas"]["PredictRequest"]["properties"]
        asked["types"]["anyOf"][0]["items"] |= names
        asked["model"]["anyOf"][0] |= {"enum": ["letters"]}
        asked["thresholds"]["anyOf"][1]["propertyNames"] = names
        in_query = {"model": {"enum": ["letters"]}, "types": {"type": "array", "items": names}}
        in_query["thresholds"] = {"enum": ["0.5", '{"PAIR":1}']}
        for parameter in described["paths"]["/predict/stream"]["post"]["parameters"]:
            parameter["schema"] = in_query[parameter["name"]]
        for result in schemathesis.openapi.from_dict(described).get_all_operations():
            operation = result.ok()
            # A line that is wrong is answered by a line, with status 200.
            excluded = [negative_data_rejection] if operation.path == "/predict/stream" else []
            modes = [schemathesis.GenerationMode.POSITIVE]
            if operation.method == "post":  # the others take nothing that could be wrong
                modes.append(schemathesis.GenerationMode.NEGATIVE)
            for mode in modes:
                check(operation.as_strategy(generation_mode=mode), server.url, examples, excluded)


def check(strategy: Any, url: str, examples: int, excluded: list[Any]) -> None:
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def run(case: schemathesis.Case) -> None:
        case.validate_response(case.call(base_url=url, timeout=20), excluded_checks=excluded)

    run()


def test_generated_requests_are_answered_as_described() -> None:
    run_schemathesis(10)


@pytest.mark.exhaustive
def test_many_generated_requests_are_answered_as_described() -> None:
    run_schemathesis(500)
