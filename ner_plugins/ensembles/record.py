"""What an ensemble was made of, as its archive carries it: `ner_assets/ensemble.json`."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Optional, Sequence, Union

from ner_plugins.archives.assets import Assets
from ner_plugins.ensembles.members import Member
from ner_plugins.version import VERSION

RECORD = "ensemble.json"


@dataclass(frozen=True)
class UsedData:
    """
    The labelled data that an ensemble was measured, and perhaps chosen, on.

    # Parameters

    name : `str`
        The last part of its path.
    digest : `str`
        SHA-256 of its files.
    sentences : `int`
    """

    name: str
    digest: str
    sentences: int

    @classmethod
    def at(cls, path: str, sentences: int) -> "UsedData":
        """The data at a path."""
        from ner_plugins.comparison.predictions import LabelledData

        return cls(PurePath(path).name, LabelledData.at(path).digest, sentences)


def write_record(
    folder: Union[str, Path],
    method: str,
    members: Sequence[Member],
    weights: Sequence[float],
    data: Optional[UsedData],
    micro_f1: Sequence[float],
) -> None:
    """
    Write the record into the folder of an archive.

    # Parameters

    folder : `Union[str, Path]`
    method : `str`
    members : `Sequence[Member]`
    weights : `Sequence[float]`
        Those of the members; 0 for one that a greedy soup left out.
    data : `Optional[UsedData]`
    micro_f1 : `Sequence[float]`
        Of each member and of the ensemble on the data; empty without them.
    """
    rows: list[dict[str, Any]] = [
        {"file": PurePath(member.path).name, "sha256": member.digest, "weight": weight}
        for member, weight in zip(members, weights, strict=True)
    ]
    record: dict[str, Any] = {"ner_plugins": VERSION, "method": method, "members": rows}
    if data is not None:
        record["data"] = {"name": data.name, "sha256": data.digest, "sentences": data.sentences}
        record["micro_f1"] = micro_f1[-1]
        for row, figure in zip(rows, micro_f1, strict=False):
            row["micro_f1"] = figure
    Assets(folder).save_json(RECORD, record)
