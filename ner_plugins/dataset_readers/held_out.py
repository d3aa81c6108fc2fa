"""The reader's option `fold`: all of a corpus but the sentences of one fold."""

from functools import cached_property

from allennlp.common import FromParams

from ner_plugins.errors import ConfigError
from ner_plugins.files.folds_assignment import FoldAssignment


class HeldOutFold(FromParams):
    """
    The fold whose texts are left out, in training and in validation data. A text that is in no fold is read.

    # Parameters

    assignment : `str`
        The `assignment.json` that `ner-folds` wrote.
    number : `int`
        The fold, from 0.
    """

    def __init__(self, assignment: str, number: int) -> None:
        self.assignment, self.number = assignment, number

    def has(self, text: str) -> bool:
        """
        Whether a text is in the fold.

        # Raises

        `DataError` if the assignment cannot be read; `ConfigError` if it has no such fold.
        """
        return self._assigned.fold_of(text) == self.number

    @cached_property
    def _assigned(self) -> FoldAssignment:
        found = FoldAssignment.read(self.assignment)
        if not 0 <= self.number < found.k:
            raise ConfigError(
                f"dataset_reader.fold.number is {self.number}, but {self.assignment} has the folds 0 to {found.k - 1}"
            )
        return found
