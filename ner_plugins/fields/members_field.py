"""One text as each member of an ensemble reads it."""

from typing import Any, Mapping, Optional, Sequence

from allennlp.data import Batch, Instance, Vocabulary
from allennlp.data.fields import Field

MemberInstances = dict[str, Instance]


class MembersField(Field[Any]):
    """
    The instances that the readers of several models make of one text. A batch becomes, for each member, what a batch of
    its own instances would be, so that a member computes what it computes alone.

    # Parameters

    instances : `dict[str, Instance]`
        By member.
    vocabularies : `Optional[Mapping[str, Vocabulary]]`, optional (default=`None`)
        Those of the members, which index their instances. The reader attaches them with the token indexers.
    """

    __slots__ = ["instances", "vocabularies"]

    def __init__(self, instances: MemberInstances, vocabularies: Optional[Mapping[str, Vocabulary]] = None) -> None:
        self.instances = instances
        self.vocabularies = vocabularies

    def index(self, vocab: Vocabulary) -> None:
        """Index each instance by its member's own vocabulary; `vocab` has no effect."""
        assert self.vocabularies is not None, "the reader's apply_token_indexers(instance) was not called"
        for name, instance in self.instances.items():
            instance.index_fields(self.vocabularies[name])

    def get_padding_lengths(self) -> dict[str, int]:
        """`{"num_tokens": tokens}`, the highest number of tokens of a member."""
        return {"num_tokens": max(len(instance["tokens"]) for instance in self.instances.values())}

    def as_tensor(self, padding_lengths: dict[str, int]) -> MemberInstances:
        """The instances, which `batch_tensors` pads."""
        return self.instances

    def batch_tensors(self, tensor_list: Sequence[MemberInstances]) -> dict[str, dict[str, Any]]:
        """The arguments of each member's `forward`, by member."""
        return {
            name: Batch([instances[name] for instances in tensor_list]).as_tensor_dict() for name in tensor_list[0]
        }

    def empty_field(self) -> "MembersField":
        """The field of an empty text."""
        empty = {
            name: Instance({key: field.empty_field() for key, field in instance.fields.items()})
            for name, instance in self.instances.items()
        }
        return MembersField(empty, self.vocabularies)

    def __len__(self) -> int:
        return self.get_padding_lengths()["num_tokens"]
