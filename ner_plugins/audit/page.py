"""The suspects as one self-contained HTML page, to decide on them: no network, no other file, no server."""

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any, Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from ner_plugins.visible import visible


def audit_page(suspects: Sequence[Mapping[str, Any]], types: Sequence[str], about: str) -> str:
    """
    The page, from the template `page.html`, the style sheets and the scripts.

    # Parameters

    suspects : `Sequence[Mapping[str, Any]]`
        Those of `Suspect.to_json`, ranked from 1 without gaps.
    types : `Sequence[str]`
        The types that a label can be given.
    about : `str`
        A line about the folds, shown below the title.

    # Returns

    `str`
        Its only scripts are its own: the page allows no other to run, whatever the data hold. All texts are written
        into it as JSON in ASCII without `<`, and shown as texts.
    """
    shared, own = files("ner_plugins.reports"), files("ner_plugins.audit")
    style = "\n".join(place.joinpath("page.css").read_text("utf-8") for place in (shared, own))
    words, code = (own.joinpath(name).read_text("utf-8") for name in ("page.words.js", "page.js"))
    script = f"\n{words}{code}"
    data = json.dumps({"suspects": suspects, "types": types, "digest": digest_of(suspects)}).replace("<", "\\u003c")
    environment = Environment(
        loader=PackageLoader("ner_plugins.audit", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html").render(
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=data,
        about=visible(about),
    )


def digest_of(suspects: Sequence[Mapping[str, Any]]) -> str:
    """
    16 hexadecimal digits that tell one list of suspects from another: the browser keeps the decisions of each apart.
    """
    return hashlib.sha256(json.dumps(suspects, sort_keys=True).encode()).hexdigest()[:16]
