"""The suspects as JSON lines and as a CSV file."""

import csv
import io
from typing import Any, Mapping, Sequence

from ner_plugins.files.output_files import dump_json
from ner_plugins.visible import csv_text

COLUMNS = (
    "rank", "score", "kind", "file", "line", "id", "fold", "remove", "probability", "add", "probability of add",
    "seen given", "seen suggested", "text",
)  # fmt: skip


def suspects_jsonl(suspects: Sequence[Mapping[str, Any]]) -> bytes:
    """One object of `Suspect.to_json` on each line."""
    return "".join(f"{dump_json(suspect)}\n" for suspect in suspects).encode()


def suspects_csv(suspects: Sequence[Mapping[str, Any]]) -> bytes:
    """
    The columns `COLUMNS`, in UTF-8. Labels are `TYPE SURFACE (START, END)`; all texts are text to a spreadsheet: see
    `csv_text`.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for suspect in suspects:
        remove, add, source = suspect["remove"], suspect["add"], suspect["source"]
        writer.writerow([
            suspect["rank"], f"{suspect['score']:.4f}", suspect["kind"],
            csv_text(source["file"]), _number(source["line"]), suspect["id"], suspect["fold"],
            csv_text("; ".join(map(_label, remove))), _number(remove[0]["probability"] if remove else None),
            csv_text("; ".join(map(_label, add))), _number(add[0]["probability"] if add else None),
            _number(suspect["seen"]["given"]), _number(suspect["seen"]["suggested"]), csv_text(suspect["text"]),
        ])  # fmt: skip
    return stream.getvalue().encode("utf-8", "backslashreplace")


def _label(label: Mapping[str, Any]) -> str:
    return f"{label['type']} {label['text']} ({label['start']}, {label['end']})"


def _number(value: Any) -> Any:
    """A cell for a number that may be missing."""
    return "" if value is None else value
