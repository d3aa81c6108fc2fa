"""The folds of a config: what they are of, whether a folder is of the same, and their trainings."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from allennlp.common import Params
from allennlp.common.params import parse_overrides

from ner_plugins.archives.digest import archive_digest
from ner_plugins.commands.sweep_planning import Planner
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.digests import text_key
from ner_plugins.files.folds_assignment import ASSIGNMENT, FoldAssignment
from ner_plugins.files.folds_file import read_records
from ner_plugins.files.folds_manifest import MANIFEST, Fold, FoldsManifest
from ner_plugins.folds.assigning import BY_TEXT, Folds, fold_sentences
from ner_plugins.folds.folder import FoldsFolder
from ner_plugins.folds.training_data import TrainingData, config_digest, reader_options
from ner_plugins.sweeps.folder import FAILED, WAITING
from ner_plugins.sweeps.sweep_file import Setting, Sweep

READERS = ("dataset_reader", "validation_dataset_reader")


class FoldPlan:
    """
    The folds of a config in a folder.

    # Parameters

    path : `str`
        The config's file.
    overrides : `str`
        As in `allennlp train`.
    folder : `FoldsFolder`
    k, seed, floor : `int`, `int`, `float`
        See `FoldsManifest`.

    # Raises

    `ConfigError` if there is no such config, or if its training data cannot be put into folds.
    """

    def __init__(self, path: str, overrides: str, folder: FoldsFolder, k: int, seed: int, floor: float) -> None:
        if "://" not in path and not Path(path).is_file():
            raise ConfigError(f"{path}: there is no such config")
        self.folder, self.k, self.seed, self.floor = folder, k, seed, floor
        self._path, self._overrides = path, parse_overrides(overrides) if overrides else {}
        self.config: dict[str, Any] = Params.from_file(path, overrides).as_dict(quiet=True)
        self.data = TrainingData.of(self.config)
        self.sentences: list[Sentence] = []
        self.folds = Folds((), BY_TEXT)

    def check_same(self) -> None:
        """
        Check that a folder in which trainings have begun is of this config and these data.

        # Raises

        `ConfigError` that says what has changed, or that the manifest is damaged.
        """
        manifest = self.folder.path / MANIFEST
        if not manifest.exists():
            return
        try:
            before = FoldsManifest.read(self.folder.path)
        except DataError as error:
            remedy = f"Delete {manifest} if the config and the training data are the same: what has been trained stays"
            raise ConfigError(f"{manifest}: {error.problem}. {remedy}") from None
        now = self._manifest()
        names = ("-k", "--seed", "the config or --overrides", "the training data")
        facts = zip(names, _facts(before), _facts(now), strict=True)
        changed = [name for name, old, new in facts if old != new]
        begun = [n for n, record in self.folder.records().items() if record["status"] not in (FAILED, WAITING)]
        if changed and begun:
            raise ConfigError(
                f"{self.folder.path} has folds of something else: {' and '.join(changed)} changed since "
                f"(folds that have been trained: {', '.join(begun)}). Undo it, or choose another -o"
            )

    def assign(self) -> None:
        """
        Read the training data, and put the sentences into folds.

        # Raises

        `DataError` if the data have no gold; `ConfigError` if they do not suffice for the folds, or have no documents
        that fit into folds though the reader's `context_sentences` reads them.
        """
        self.sentences = self.data.sentences()
        self.folds = fold_sentences(self.sentences, self.k, self.seed)
        if self.data.reader.neighbours is not None and self.folds.grouped_by == BY_TEXT:
            raise ConfigError(
                "dataset_reader.context_sentences reads the neighbours of a sentence, which have to be in its fold, "
                f"but the documents of the training data do not make {self.k} folds: there are too few, or one has "
                "more than two folds' sentences. Leave context_sentences out, or choose a smaller -k"
            )

    def record(self) -> FoldsManifest:
        """
        Write the assignment, and the manifest unless it is there with the predictions of these folds.

        # Returns

        `FoldsManifest`
            The one in the folder.
        """
        pairs = zip(self.sentences, self.folds.of, strict=True)
        FoldAssignment(self.k, {text_key(sentence.text): fold for sentence, fold in pairs}).write(self.folder.path)
        manifest = self._manifest()
        before = FoldsManifest.read(self.folder.path) if (self.folder.path / MANIFEST).exists() else None
        if before is not None and before.out_of_fold is not None and self._is_same(before, manifest):
            return before
        manifest.write(self.folder.path)
        return manifest

    def planner(self, packages: tuple[str, ...]) -> Planner:
        """The trainings: the config, with a reader that leaves out a fold."""
        points = {str(fold): Setting(overrides=self._without(fold)) for fold in range(self.k)}
        mine = {key: value for key, value in self._overrides.items() if key.partition(".")[0] not in READERS}
        sweep = Sweep(Setting(self._path, mine), {"fold": points}, (), None, packages, "archive")
        return Planner(sweep, self.folder, packages)

    def is_predicted(self) -> bool:
        """Whether the folder has the predictions of its present archives, with this floor."""
        try:
            manifest, _ = read_records(self.folder.path)
        except DataError:
            return False
        return self._is_same(manifest, self._manifest()) and [fold.archive_digest for fold in manifest.folds] == [
            self.digest_of(fold) for fold in range(self.k)
        ]

    def archive(self, fold: int) -> Path:
        """The archive of the model that is trained without a fold."""
        return self.folder.run_folder(str(fold)) / "model.tar.gz"

    def digest_of(self, fold: int) -> Optional[str]:
        """The digest of that archive; `None` if it is not there."""
        return archive_digest(self.archive(fold)) if self.archive(fold).is_file() else None

    def finished_manifest(self, types: Sequence[str], nested: bool) -> FoldsManifest:
        """The manifest when all folds are trained: with the types of the models, and the archives' digests."""
        folds = tuple(replace(one, archive_digest=self.digest_of(n)) for n, one in enumerate(self._manifest().folds))
        return replace(self._manifest(), types=tuple(sorted(types)), nested=nested, folds=folds)

    def table(self) -> list[list[str]]:
        """The sentences, entities and entities of each type in each fold."""
        counts: list[dict[str, int]] = [{} for _ in range(self.k)]
        sizes = [0] * self.k
        for sentence, fold in zip(self.sentences, self.folds.of, strict=True):
            sizes[fold] += 1
            for entity in sentence.entities or ():
                counts[fold][entity.type] = counts[fold].get(entity.type, 0) + 1
        types = sorted({name for of_fold in counts for name in of_fold})
        head = ["fold", "sentences", "entities", *types]
        rows = [
            [str(fold), str(sizes[fold]), str(sum(of_fold.values())), *(str(of_fold.get(name, 0)) for name in types)]
            for fold, of_fold in enumerate(counts)
        ]
        return [head, *rows]

    def _without(self, fold: int) -> Mapping[str, Any]:
        """The overrides by which the readers leave out a fold."""
        option = {"assignment": str((self.folder.path / ASSIGNMENT).absolute()), "number": fold}
        return {
            key: {**reader_options(self.config, key), "fold": option} for key in READERS if self.config.get(key)
        }

    def _manifest(self) -> FoldsManifest:
        types = sorted({entity.type for sentence in self.sentences for entity in sentence.entities or ()})
        folds = tuple(
            Fold(self.archive(fold).relative_to(self.folder.path).as_posix(), None, self.folds.of.count(fold))
            for fold in range(self.k)
        )
        return FoldsManifest(
            self._path, config_digest(self.config), tuple(self.data.files), tuple(types), self.k, self.seed,
            self.floor, False, folds, grouped_by=self.folds.grouped_by,
        )  # fmt: skip

    def _is_same(self, one: FoldsManifest, other: FoldsManifest) -> bool:
        return _facts(one) == _facts(other) and one.floor == other.floor


def _facts(manifest: FoldsManifest) -> tuple[Any, ...]:
    """What trainings depend on: number and seed of the folds, the config, the data."""
    return manifest.k, manifest.seed, manifest.config_digest, [file["sha256"] for file in manifest.data]
