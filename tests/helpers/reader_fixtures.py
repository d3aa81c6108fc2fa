"""Every registered reader with its fixture folders, found at run time: a new reader joins the tests by itself."""

import functools
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from allennlp.common.util import import_module_and_submodules
from allennlp.data import DatasetReader, Instance
from allennlp.data.dataset_readers import WorkerInfo
from allennlp.data.dataset_readers.dataset_reader import DistributedInfo

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.files.opening import splits_in

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

@functools.cache
def readers() -> dict[str, type[NerDatasetReader]]:
    """The package's registered readers by name."""
    import_module_and_submodules("ner_plugins.dataset_readers")
    named = {name: DatasetReader.by_name(name) for name in DatasetReader.list_available()}
    return {
        name: reader
        for name, reader in named.items()
        if isinstance(reader, type)  # a constructor by another name is none
        and issubclass(reader, NerDatasetReader)
        and reader.has_format
        and reader.__module__.startswith("ner_plugins.")
    }


@functools.cache
def fixtures() -> dict[str, str]:
    """The reader of each fixture folder that has one: `msra_bmes` is for `msra`, `datasets_rows` for `datasets_ner`."""
    found = {}
    for folder in sorted(path.name for path in FIXTURES.iterdir() if path.is_dir()):
        names = [name for name in readers() if f"{folder}_".startswith(f"{name.removesuffix('_ner')}_")]
        if names:
            found[folder] = max(names, key=len)
    return found


def make_reader(folder: str, **options: Any) -> NerDatasetReader:
    """The reader of a fixture folder, with options."""
    return readers()[fixtures()[folder]](**options)


def fixture_paths(folder: str) -> list[str]:
    """`FOLDER#SPLIT` for each split, and the files that are in none."""
    path = FIXTURES / folder
    return [f"{path}#{split}" for split in splits_in(str(path), make_reader(folder).choose_files)]


def data_files(folder: str) -> list[Path]:
    """The files of a fixture folder."""
    return sorted(path for path in (FIXTURES / folder).iterdir() if path.is_file() and path.name != "LICENSE")


def facts(instance: Instance) -> str:
    """All that a reader puts into an instance, to be compared."""
    entities = instance.fields.get("entities")
    tokens = [(token.text, token.idx, token.idx_end, token.text_id) for token in instance["tokens"].tokens]
    return repr((instance["metadata"].metadata, tokens, None if entities is None else entities.entities))


class ReadersInTurn(DatasetReader):
    """
    Several readers, one after the other, so that one pair of workers serves all of them. Each instance is marked with
    its reader's place in the list.
    """

    def __init__(self, parts: Iterable[tuple[NerDatasetReader, str]]) -> None:
        super().__init__(manual_distributed_sharding=True, manual_multiprocess_sharding=True)
        self.parts = list(parts)

    def _set_worker_info(self, info: WorkerInfo | None) -> None:
        super()._set_worker_info(info)
        for reader, _ in self.parts:
            reader._set_worker_info(info)

    def _set_distributed_info(self, info: DistributedInfo | None) -> None:
        super()._set_distributed_info(info)
        for reader, _ in self.parts:
            reader._set_distributed_info(info)

    def read(self, file_path: str) -> Iterator[Instance]:
        if not logging.getLogger().handlers:  # a spawned worker
            logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
        for place, (reader, path) in enumerate(self.parts):
            for instance in reader.read(path):
                instance["metadata"].metadata["part"] = place
                yield instance

    def apply_token_indexers(self, instance: Instance) -> None:
        self.parts[instance["metadata"]["part"]][0].apply_token_indexers(instance)


def cluener_line(text: str, **label: list[int]) -> str:
    """A CLUENER record with one entity for each type, at [start, inclusive end]."""
    spans = {type_: {text[start : end + 1]: [[start, end]]} for type_, (start, end) in label.items()}
    return json.dumps({"text": text, "label": spans}, ensure_ascii=False) + "\n"
