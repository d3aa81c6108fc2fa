"""The page at `/`, its files, and the page `/docs`: nothing on them comes from elsewhere."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

TYPES = {"page.css": "text/css", "page.js": "text/javascript", "marks.js": "text/javascript"}
TYPES |= {"words.js": "text/javascript", "files.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""The page's files, with their types."""


@cache
def content(name: str) -> bytes:
    """A file of the page."""
    return files("ner_plugins.serving").joinpath("page").joinpath(name).read_bytes()


def front_page() -> Response:
    """The page at `/`."""
    return HTMLResponse(content("index.html"))


def page_file(name: str) -> Response:
    """One of the page's files, or status 404."""
    if name not in TYPES:
        return Response(status_code=404)
    return Response(content(name), media_type=TYPES[name])


def docs_page(api: Mapping[str, Any]) -> Response:
    """
    The endpoints of an OpenAPI description as a page without scripts.

    # Parameters

    api : `Mapping[str, Any]`
        The description.
    """
    environment = Environment(
        loader=PackageLoader("ner_plugins.serving", "page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2)
    environment.filters["kind"] = kind_of
    return HTMLResponse(environment.get_template("docs.html").render(api=api))


def kind_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words, such as `string or list of string`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(map(kind_of, schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], Mapping):
        return f"object of {kind_of(schema['additionalProperties'])}"
    return str(schema.get("type", "anything"))
