"""`POST /predict`."""

import asyncio
from contextlib import closing, suppress
from typing import Any, Collection, Optional, Sequence, Union

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.serving._web.answers import Outcome, PendingAnswers
from ner_plugins.serving._web.bodies import read_body, wait_for_hang_up
from ner_plugins.serving._web.problems import HungUp, Refusal, json_response
from ner_plugins.serving._web.schemas import PredictRequest, parsed
from ner_plugins.serving._web.state import State
from ner_plugins.serving.fair_queue import QueueFull
from ner_plugins.serving.limits import Limits
from ner_plugins.serving.service import ServedModel
from ner_plugins.serving.worker import Failure
from ner_plugins.tagger import TaggedText
from ner_plugins.thresholds import Thresholds, check_types, threshold_values


async def predict(request: Request, state: State) -> Response:
    """
    Answer a request.

    # Raises

    `Refusal`; `HungUp`.
    """
    seconds, now = state.limits.timeout, asyncio.get_running_loop().time
    end = now() + seconds
    with state.holding() as hold:
        try:
            body = await asyncio.wait_for(read_body(request, state.limits.max_body, hold), seconds)
        except asyncio.TimeoutError:
            raise Refusal(408, f"the body did not arrive within {seconds:g} s", "timeout") from None
        try:
            asked: PredictRequest = parsed(PredictRequest, body)
        except DataError as error:
            raise Refusal(422, str(error), "invalid") from None
        del body
        model = model_of(state, asked.model)
        lowest = checked_options(model, asked.thresholds, asked.types)
        check_sizes(asked.texts, state.limits)
        with closing(PendingAnswers(model, lowest)) as pending:
            if model.is_full(state.limits, len(asked.texts)):
                raise full(model)
            try:
                pending.add(asked.texts)
            except QueueFull:
                raise full(model) from None
            outcomes = await _unless_hung_up(pending, request.receive, max(0.0, end - now()))
    if outcomes is None:
        raise Refusal(504, f"there was no answer within {seconds:g} s: send fewer texts, or try later", "timeout")
    results = [answer_of(outcome, asked.types) for outcome in outcomes]
    if any("error" in result for result in results):
        raise Refusal(500, "the model failed; the server's log names the place", "failed")
    return json_response({"model": model.name, "results": results})


async def _unless_hung_up(pending: PendingAnswers, receive: Receive, seconds: float) -> Optional[Sequence[Outcome]]:
    """Wait for all answers, unless the client leaves; `None` if they do not come in time."""
    answers = asyncio.ensure_future(pending.take_all())
    hung_up = asyncio.ensure_future(wait_for_hang_up(receive))
    try:
        done, _ = await asyncio.wait({answers, hung_up}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if answers in done:
            return answers.result()
        if hung_up in done:
            raise HungUp
        return None
    finally:
        for task in (answers, hung_up):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


def model_of(state: State, name: Optional[str]) -> ServedModel:
    """
    The model that a request names.

    # Raises

    `Refusal`.
    """
    try:
        return state.service.model(name)
    except ConfigError as error:
        raise Refusal(422 if name is None else 404, str(error), "invalid") from None


def checked_options(
    model: ServedModel, thresholds: Optional[Thresholds], types: Optional[Collection[str]]
) -> Optional[tuple[float, ...]]:
    """
    The lowest probability of each type of a model; `None` for its own.

    # Raises

    `Refusal` for a value out of range or an unknown type.
    """
    try:
        check_types(types or (), model.types, "types")
        return None if thresholds is None else tuple(threshold_values(thresholds, model.types))
    except ConfigError as error:
        raise Refusal(422, str(error), "invalid") from None


def check_sizes(texts: Sequence[str], limits: Limits) -> None:
    """
    # Raises

    `Refusal` if there are too many texts, or one is too long.
    """
    if len(texts) > limits.max_texts:
        raise Refusal(
            413, f"{len(texts):,} texts; a request may have {limits.max_texts:,}: send several requests, or lines to "
            "/predict/stream", "too_large",
        )  # fmt: skip
    for place, text in enumerate(texts):
        if len(text) > limits.max_characters:
            raise Refusal(413, f"text {place}: {too_long(text, limits)}", "too_large")


def too_long(text: str, limits: Limits) -> str:
    """What is wrong with a text of too many characters."""
    return f"{len(text):,} characters; a text may have {limits.max_characters:,}: split it at the ends of sentences"


def full(model: ServedModel) -> Refusal:
    """The refusal of a request for which the queue has no room."""
    detail = f"{len(model.queue):,} texts are waiting for the model {model.name}; try again later"
    return Refusal(503, detail, "full", model.worker.delay())


def answer_of(outcome: Union[TaggedText, Failure], types: Optional[Collection[str]]) -> dict[str, Any]:
    """A text and its entities of some types as JSON, or an `error`."""
    if isinstance(outcome, Failure):
        return {"error": f"the model failed ({outcome.kind}); the server's log names the place"}
    kept = (entity for entity in outcome.entities if types is None or entity.type in types)
    return {"text": outcome.text, "entities": [entity.to_json() for entity in kept]}
