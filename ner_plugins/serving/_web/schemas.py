"""The JSON of requests and answers."""

from typing import Annotated, Any, Optional, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ner_plugins.errors import DataError

_EXAMPLE = "刘晓燕去了北京"


Probability = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Strict):
    """Texts, and options that hold for all of them."""

    text: Union[str, list[str]] = Field(description="a text, or a list of texts", examples=[[_EXAMPLE]])
    model: Optional[str] = Field(None, description="the model's name; may be left out if the server has one")
    thresholds: Optional[Union[Probability, dict[str, Probability]]] = Field(
        None,
        description="lowest probability of an entity: a number for all types, or one for each type named; "
        "null for the model's own",
        examples=[0.5],
    )
    types: Optional[list[str]] = Field(None, description="entity types to keep; null for all")

    @property
    def texts(self) -> list[str]:
        """The texts as a list."""
        return [self.text] if isinstance(self.text, str) else self.text


class StreamLine(_Strict):
    """A line of a stream."""

    text: str = Field(examples=[_EXAMPLE])
    id: Union[str, int, None] = Field(None, description="comes back with the answer")


class EntityAnswer(BaseModel):
    """An entity. Offsets count characters (Unicode code points), and `end` is not included."""

    start: int
    end: int
    type: str
    text: str
    score: float = Field(description="its probability")


class TextAnswer(BaseModel):
    """A text and its entities."""

    text: str
    entities: list[EntityAnswer]


class PredictAnswer(BaseModel):
    """The answers, in order of the texts."""

    model: str
    results: list[TextAnswer]


class ModelAnswer(BaseModel):
    """A model of this server."""

    name: str
    types: list[str]


class ModelsAnswer(BaseModel):
    """The models of this server, and its limits."""

    models: list[ModelAnswer]
    max_texts: int
    max_characters: int
    max_body: int


class Status(BaseModel):
    """Whether the server works."""

    status: str


class Problem(BaseModel):
    """What is wrong with a request."""

    detail: str


_EXPECTED = {
    "text": "a string or a list of strings",
    "thresholds": "a number from 0 to 1, an object of such numbers, or null",
    "types": "a list of strings, or null",
    "model": "a string, or null",
    "id": "a string, an integer, or null",
}


def problem_of(error: ValidationError, kind: type[BaseModel]) -> str:
    """The first mistake of a JSON value that should be of a kind, in one sentence and without the value."""
    found: list[Any] = error.errors(include_url=False, include_input=False, include_context=False)
    first = max(found, key=lambda one: len(one["loc"]))  # of the alternatives of a field, the one that fits best
    if first["type"].startswith("json_invalid"):
        return f"the JSON is not valid: {first['msg'].removeprefix('Invalid JSON: ')}"
    if not first["loc"]:
        return f'expected a JSON object like {{"text": "{_EXAMPLE}"}}'
    name, *path = map(str, first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key; known are {', '.join(kind.model_fields)}"
    if first["type"] == "missing":
        return f"{name} is missing"
    places = "".join(f"[{part}]" for part in path if part.isdigit())
    return f"{name}{places} is wrong: {name} must be {_EXPECTED.get(name, 'of another kind')}"


def parsed(kind: type[BaseModel], body: bytes) -> Any:
    """
    JSON as an object of `kind`.

    # Raises

    `DataError` if it is none.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise DataError(problem_of(error, kind)) from None
