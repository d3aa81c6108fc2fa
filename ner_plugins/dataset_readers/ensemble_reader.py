"""The reader of an ensemble's archive: each text as every member reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Optional

from allennlp.common import Lazy
from allennlp.data import DatasetReader, Instance, Token
from allennlp.data.fields import MetadataField

from ner_plugins.archives.member_assets import member_folder, member_vocabulary
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.fields.members_field import MembersField
from ner_plugins.fields.tokens_field import TokenContext


@DatasetReader.register("ner_ensemble")
class EnsembleReader(NerDatasetReader):
    """
    Reads a corpus as the first member does (of members with `context_sentences`, the one with the most), and encodes
    each sentence as every member does, with the member's own tokenizer, indexers, lexicon and vocabulary.

    Instances have the fields `members` (`MembersField`) and `metadata`, that of the first member with `member_offsets`,
    the `offsets` of each member.

    # Parameters

    members : `dict[str, Lazy[DatasetReader]]`
        The configuration of each member's reader.
    max_instances : `Optional[int]`, optional (default=`None`)
        The highest number of sentences to read.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP.

    # Raises

    `ConfigError` if a reader is not one of this package, or if no archive is being loaded.
    """

    has_format: ClassVar[bool] = False

    def __init__(
        self,
        members: dict[str, Lazy[DatasetReader]],
        max_instances: Optional[int] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        if serialization_dir is None:
            raise ConfigError("the reader ner_ensemble is that of an archive which allennlp ner-ensemble made")
        self.members: dict[str, NerDatasetReader] = {}
        for name, member in members.items():
            reader = member.construct(serialization_dir=str(member_folder(serialization_dir, name)))
            if not isinstance(reader, NerDatasetReader) or isinstance(reader, EnsembleReader):
                raise ConfigError(f"dataset_reader.members.{name} is a {type(reader).__name__}, not one of ner_plugins")
            self.members[name] = reader
        readers = list(self.members.values())
        contexts = [0 if reader.neighbours is None else reader.neighbours.sentences for reader in readers]
        self._corpus_reader = readers[contexts.index(max(contexts))]
        super().__init__(readers[0].tokenizer, max_instances=max_instances)
        self.token_indexers = readers[0].token_indexers
        self.neighbours = self._corpus_reader.neighbours
        self.counts = readers[0].counts
        self._vocabularies = {
            name: member_vocabulary(member_folder(serialization_dir, name)) for name in self.members
        }

    def sentences(self, path: str) -> Iterator[Sentence]:
        """`NerDatasetReader.sentences`, by the reader of one member; `encoding` is that of files, if it was set."""
        self._corpus_reader.encoding = self.encoding or self._corpus_reader.encoding
        return self._corpus_reader.sentences(path)

    def _instances(self, sentences: Sequence[Sentence]) -> list[Instance]:
        read = {
            name: reader._instances([_with_context_of(reader, sentence) for sentence in sentences])
            for name, reader in self.members.items()
        }
        return [
            self._together(dict(zip(read, of_one, strict=True))) for of_one in zip(*read.values(), strict=True)
        ]

    def instance_of(self, sentence: Sentence, tokens: list[Token], context: Optional[TokenContext] = None) -> Instance:
        """There is none: see `_instances`."""
        raise NotImplementedError("each member tokenizes by itself")

    def _together(self, instances: dict[str, Instance]) -> Instance:
        offsets = {}
        for name, instance in instances.items():
            instance.fields.pop("entities", None)  # the gold is in the metadata; an ensemble is not trained
            offsets[name] = instance["metadata"].metadata["offsets"]
        first = next(iter(instances.values()))["metadata"].metadata
        metadata = MetadataField({**first, "member_offsets": offsets})
        return Instance({"members": MembersField(instances), "metadata": metadata})

    def apply_token_indexers(self, instance: Instance) -> None:
        """Attach the indexers, lexicons and vocabularies of the members."""
        field = instance["members"]
        field.vocabularies = self._vocabularies
        for name, of_member in field.instances.items():
            self.members[name].apply_token_indexers(of_member)


def _with_context_of(reader: NerDatasetReader, sentence: Sentence) -> Sentence:
    """A sentence with as many neighbours as a reader takes."""
    if reader.neighbours is None or not (sentence.before or sentence.after):
        return sentence
    number = reader.neighbours.sentences
    return replace(sentence, before=sentence.before[-number:], after=sentence.after[:number])


