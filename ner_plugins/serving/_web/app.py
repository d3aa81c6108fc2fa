"""The application: endpoints, and their description."""

from typing import Annotated, Any, Optional

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from ner_plugins.serving._web import pages, schemas
from ner_plugins.serving._web.gate import Gate
from ner_plugins.serving._web.predict import predict
from ner_plugins.serving._web.problems import HungUp, Refusal, json_response
from ner_plugins.serving._web.state import State
from ner_plugins.serving._web.stream import CONTENT_TYPES, stream
from ner_plugins.version import VERSION

_DESCRIPTION = (
    "Finds named entities in texts. If the server has a token, send it as `Authorization: Bearer TOKEN` to all but "
    "`/health` and `/ready`."
)
_REFUSALS: dict[int, str] = {
    401: "the token is missing or wrong",
    404: "there is no such model",
    408: "the body did not arrive in time",
    413: "the body, a text, or the number of texts is too large",
    415: "the body is not said to be JSON",
    422: "the JSON or an option is wrong",
    500: "the model failed",
    503: "the queue is full, or the server starts or stops: try again after `Retry-After` seconds",
    504: "there was no answer in time",
}
_SCHEMAS = "#/components/schemas/"


def make_app(state: State) -> ASGIApp:
    """
    The application of a server.

    # Parameters

    state : `State`
    """
    api = FastAPI(
        title="ner-serve", version=VERSION, description=_DESCRIPTION, docs_url=None, redoc_url=None,
        openapi_url="/openapi.json",
    )  # fmt: skip
    _answer_errors(api, state)
    _add_predictions(api, state)
    _add_status(api, state)
    _add_pages(api)
    _describe_bodies(api)
    gated: ASGIApp = Gate(api, state)
    if state.origins:
        gated = CORSMiddleware(
            gated, allow_origins=state.origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )  # fmt: skip
    return gated


def _answer_errors(api: FastAPI, state: State) -> None:
    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        state.metrics.reject(error.reason)
        return error.response()

    async def leave(_: Request, error: Exception) -> Response:
        state.metrics.reject("hung_up")
        return Response(status_code=499)  # nobody sees it; so nginx counts such requests

    async def fail(_: Request, error: Exception) -> Response:  # the error is raised again, and logged by the gate
        return Refusal(500, "the server failed; its log names the place", "failed").response()

    api.add_exception_handler(Refusal, refuse)
    api.add_exception_handler(HungUp, leave)
    api.add_exception_handler(Exception, fail)


def _refused(*statuses: int) -> dict[Any, dict[str, Any]]:
    return {status: {"model": schemas.Problem, "description": _REFUSALS[status]} for status in statuses}


def _add_predictions(api: FastAPI, state: State) -> None:
    @api.post(
        "/predict", summary="The entities of a text, or of a list of texts", response_model=schemas.PredictAnswer,
        responses=_refused(401, 404, 408, 413, 415, 422, 500, 503, 504), openapi_extra=_body("PredictRequest"),
    )  # fmt: skip
    async def post_predict(request: Request) -> Response:
        return await predict(request, state)

    @api.post(
        "/predict/stream", summary="The entities of each line", response_class=Response,
        description="A JSON object on each line, in the body and in the answer, in order; each line is answered as "
        "soon as it can be. A line that cannot be answered becomes one with `line` (its number) and `error`. Read the "
        "answer while you send, as `curl` does: what is not read stops the reading of more lines.",
        responses={200: {"content": {CONTENT_TYPES[0]: {"schema": {"type": "string"}}}}}
        | _refused(401, 404, 415, 422, 503),
        openapi_extra=_body("StreamLine", *CONTENT_TYPES[:2]),
    )  # fmt: skip
    async def post_stream(
        request: Request,
        model: Annotated[Optional[str], Query(description="the model's name, if the server has several")] = None,
        thresholds: Annotated[Optional[str], Query(description='a number, or JSON like {"PER":0.5}')] = None,
        types: Annotated[Optional[list[str]], Query(description="entity types to keep")] = None,
    ) -> Response:
        return stream(request, state, model, thresholds, types)


def _add_status(api: FastAPI, state: State) -> None:
    @api.get("/health", summary="Whether the process works", response_model=schemas.Status)
    async def get_health() -> Response:
        return json_response({"status": "ok"})

    @api.get(
        "/ready", summary="Whether requests are accepted", response_model=schemas.Status,
        responses={503: {"model": schemas.Status, "description": "it is loading or stopping"}},
    )  # fmt: skip
    async def get_ready() -> Response:
        if state.service.ready:
            return json_response({"status": "ready"})
        return json_response({"status": "stopping" if state.service.draining else "loading"}, 503, {"Retry-After": "2"})

    @api.get(
        "/models", summary="Models, their types, and limits", response_model=schemas.ModelsAnswer,
        responses=_refused(401),
    )  # fmt: skip
    async def get_models() -> Response:
        models = [{"name": model.name, "types": list(model.types)} for model in state.service.models.values()]
        limits = state.limits
        return json_response(
            {"models": models, "max_texts": limits.max_texts, "max_characters": limits.max_characters,
             "max_body": limits.max_body}
        )  # fmt: skip

    @api.get(
        "/metrics", summary="Metrics for Prometheus", response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | _refused(401),
    )  # fmt: skip
    async def get_metrics() -> Response:
        return Response(state.metrics.page(), media_type=state.metrics.content_type)


def _add_pages(api: FastAPI) -> None:
    @api.get("/", include_in_schema=False)
    async def get_front_page() -> Response:
        return pages.front_page()

    @api.get("/page/{name}", include_in_schema=False)
    async def get_page_file(name: str) -> Response:
        return pages.page_file(name)

    @api.get("/docs", include_in_schema=False)
    async def get_docs() -> Response:
        return pages.docs_page(api.openapi())


def _body(schema: str, *types: str) -> dict[str, Any]:
    """The description of a body that the endpoint reads itself."""
    content = {kind: {"schema": {"$ref": _SCHEMAS + schema}} for kind in types or ("application/json",)}
    return {"requestBody": {"required": True, "content": content}}


def _describe_bodies(api: FastAPI) -> None:
    """Add the schemas of the bodies that endpoints read themselves."""
    original = api.openapi

    def described() -> dict[str, Any]:
        found = original()
        known = found.setdefault("components", {}).setdefault("schemas", {})
        for kind in (schemas.PredictRequest, schemas.StreamLine):
            known.setdefault(kind.__name__, kind.model_json_schema(ref_template=_SCHEMAS + "{model}"))
        return found

    api.openapi = described  # type: ignore[method-assign]
