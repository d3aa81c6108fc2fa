"""The folder of `ner-folds`, whose trainings are kept as those of a sweep."""

from ner_plugins.errors import ConfigError
from ner_plugins.files.folds_assignment import ASSIGNMENT
from ner_plugins.files.folds_file import RECORDS as PREDICTIONS
from ner_plugins.files.folds_manifest import MANIFEST
from ner_plugins.folds.parquet import FILE as PARQUET
from ner_plugins.sweeps.folder import LOCK, RECORDS, SweepFolder


class FoldsFolder(SweepFolder):
    """
    A folder with `folds.json`, `assignment.json`, the predictions, and the trainings `folds/0`, `folds/1`, …

    # Parameters

    path : `Path`
    """

    facts_name = "trainings.json"
    runs_name = "folds"
    command = "ner-folds"

    def check_new_or_own(self) -> None:
        """
        # Raises

        `ConfigError` if there is something else in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"-o {self.path} is a file: name a folder")
        left = {one.name for one in self.path.iterdir()} if self.path.is_dir() else set()
        own = {LOCK, RECORDS, self.runs_name, self.facts_name, ASSIGNMENT, PREDICTIONS, PARQUET}
        if left - own and not (self.path / MANIFEST).is_file():
            raise ConfigError(f"-o {self.path} is not empty, and is not a folder of ner-folds: name another one")
