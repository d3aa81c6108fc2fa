"""The folder of the archive of a `ner_ensemble`."""

import json
from pathlib import Path, PurePath
from typing import Any, Iterator, Mapping, Optional, Sequence

from allennlp.common import Params
from allennlp.common.params import remove_keys_from_params

from ner_plugins.archives.assets import Assets
from ner_plugins.archives.member_assets import member_folder, save_member
from ner_plugins.archives.weights import save
from ner_plugins.ensembles.members import Member, check_alike
from ner_plugins.options import written

_DECODED_BY_ALL = "published"  # spans of a pointer that may overlap


def check_scores(members: Sequence[Member]) -> None:
    """
    Check that the scores of the members' heads have means: one kind of head, with the same options, over the same
    tokens.

    # Raises

    `ConfigError` naming the first difference.
    """
    consequence = ", so their scores cannot be averaged. --method votes combines what they predict instead"
    check_alike(members, _differences, consequence)


def _differences(first: Member, other: Member) -> Iterator[str]:
    heads = first.model.head, other.model.head
    if type(heads[0]) is not type(heads[1]):
        yield f"the head ({type(heads[0]).__name__} and {type(heads[1]).__name__})"
        return
    options = heads[0].decoding_options(), heads[1].decoding_options()
    for name, value in options[0].items():
        if value != options[1][name]:
            yield f"{name} of the head ({written(value)} and {written(options[1][name])})"
    tokenizers = [_tokenizer(one) for one in (first, other)]
    if tokenizers[0] != tokenizers[1]:
        yield f"the tokens ({written(tokenizers[0])} and {written(tokenizers[1])})"


def _tokenizer(member: Member) -> dict[str, Any]:
    given = member.reader_config.get("tokenizer") or {"type": "ner_characters"}
    found = {"type": given} if isinstance(given, str) else dict(given)
    if isinstance(found.get("model_name"), str):
        found["model_name"] = PurePath(found["model_name"]).name
    return found


def vote_decoding(members: Sequence[Member]) -> str:
    """How votes choose among spans that exclude each other, so that all that a member predicts alone is possible."""
    ways = {getattr(member.model.head, "decoding", "") for member in members}
    return "all" if _DECODED_BY_ALL in ways else "nested" if "nested" in ways else "flat_greedy"


def write_ensemble(members: Sequence[Member], folder: Path, weights: Sequence[float], options: dict[str, Any]) -> None:
    """
    Write all files of the archive but the record.

    # Parameters

    members : `Sequence[Member]`
    folder : `Path`
        An empty one.
    weights : `Sequence[float]`
        Of the members.
    options : `dict[str, Any]`
        Of the model `ner_ensemble`, besides weights and members.
    """
    named = {f"member{number}": member for number, member in enumerate(members, start=1)}
    Assets(folder).save_manifest()
    for name, member in named.items():
        save_member(member.folder, member.model.vocab, member_folder(folder, name))
    first = members[0]
    first.model.vocab.save_to_files(str(folder / "vocabulary"))
    save(
        {
            f"members.{name}.{key}": tensor.detach().cpu().contiguous()
            for name, member in named.items()
            for key, tensor in member.model.state_dict().items()
        },
        folder / "weights.th",
    )
    model = {
        "type": "ner_ensemble",
        **options,
        "weights": dict(zip(named, weights, strict=True)),
        **({"metrics": first.config["model"]["metrics"]} if first.config["model"].get("metrics") else {}),
        "members": {
            name: _loadable(member.config["model"], ("metrics",) if options["method"] == "votes" else _OF_DECODING)
            for name, member in named.items()
        },
    }
    limit = first.reader_config.get("max_instances")
    config = {
        "dataset_reader": {
            "type": "ner_ensemble",
            **({} if limit is None else {"max_instances": limit}),
            "members": {name: _without_limit(member.reader_config) for name, member in named.items()},
        },
        "model": model,
        "data_loader": first.config.get("validation_data_loader") or first.config.get("data_loader", {}),
    }
    named_tokens = first.config.get("vocabulary") or {}
    settings = {key: named_tokens[key] for key in ("padding_token", "oov_token") if key in named_tokens}
    if settings:
        config["vocabulary"] = settings
    write_config(folder, config)


def _without_limit(reader: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in reader.items() if key != "max_instances"}


_OF_DECODING = ("metrics", "thresholds", "post_processing")


def _loadable(model: Mapping[str, Any], without: Sequence[str]) -> dict[str, Any]:
    """
    The configuration of a member's model, without what has no effect in an ensemble, and without the files that
    loading does not read: AllenNLP leaves these out at the same time.
    """
    params = Params({key: value for key, value in model.items() if key not in without})
    remove_keys_from_params(params)
    found: dict[str, Any] = params.as_dict(quiet=True)
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration in an archive's folder."""
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration into an archive's folder."""
    (folder / "config.json").write_text(json.dumps(config, indent=4), encoding="utf-8")


def common_options(members: Sequence[Member]) -> tuple[dict[str, Any], list[str]]:
    """
    The thresholds and rules of members whose scores or weights are averaged: those that all have in common. Others were
    made for scores that the result does not have.

    # Returns

    `tuple[dict[str, Any], list[str]]`
        The options, and the keys in which the members differ.
    """
    kept: dict[str, Any] = {}
    left_out = []
    for key in ("thresholds", "post_processing"):
        given: list[Optional[Any]] = [member.config["model"].get(key) for member in members]
        if any(one != given[0] for one in given):
            left_out.append(key)
        elif given[0] is not None:
            kept[key] = given[0]
    return kept, left_out
