"""Making an ensemble of archives: the folder of its archive, measured on labelled data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from allennlp.models.archival import load_archive

from ner_plugins.archives.weights import save
from ner_plugins.ensembles import soups
from ner_plugins.ensembles.ballots import Ballot, best_ballot, best_weights
from ner_plugins.ensembles.combining import check_scores, common_options, vote_decoding, write_ensemble
from ner_plugins.ensembles.members import Member, align_types, check_types
from ner_plugins.ensembles.record import UsedData, write_record
from ner_plugins.metrics.report import type_name
from ner_plugins.reports.collect import Run, run_model
from ner_plugins.tagger.archive import move_model

F1 = "typed_span_f1/micro_f1"


@dataclass(frozen=True)
class Development:
    """
    Labelled data to measure on.

    # Parameters

    path : `str`
        A data path for the reader of the first member.
    batch_size : `int`
    cuda_device : `Optional[int]`
    """

    path: str
    batch_size: int = 32
    cuda_device: Optional[int] = None

    def run(self, model: Any, reader: Any) -> Run:
        """A run of a model."""
        return run_model(model, reader, self.path, self.batch_size)

    def run_folder(self, folder: Path) -> Run:
        """A run of the model in an archive's folder."""
        archive = load_archive(str(folder))
        move_model(archive.model, self.cuda_device, "--cuda-device")
        return self.run(archive.model, archive.validation_dataset_reader)


@dataclass
class Made:
    """
    What was made.

    # Parameters

    weights : `list[float]`
        Of each member; 0 for one that was left out.
    members : `list[Mapping[str, float]]`
        The figures of each on the development data; empty without them.
    ensemble : `Optional[Mapping[str, float]]`
        Its figures on them.
    remarks : `list[str]`
        What else the user has to know.
    """

    weights: list[float]
    members: list[Mapping[str, float]] = field(default_factory=list)
    ensemble: Optional[Mapping[str, float]] = None
    remarks: list[str] = field(default_factory=list)


def make_soup(
    members: Sequence[Member],
    folder: Path,
    weights: Sequence[float],
    greedily: bool = False,
    data: Optional[Development] = None,
) -> Made:
    """
    Write the archive's folder of a model whose weights are means of those of the members.

    # Parameters

    members : `Sequence[Member]`
        Changed where the order of their types differs.
    folder : `Path`
        An empty one.
    weights : `Sequence[float]`
        Of the members; without effect on a greedy soup.
    greedily : `bool`, optional (default=`False`)
        Whether to choose the members on `data` (`soups.greedy`).
    data : `Optional[Development]`, optional (default=`None`)

    # Raises

    `ConfigError` if the members differ in their types or architectures.
    """
    check_types(members)
    soups.check_architectures(members)
    runs = [] if data is None else [data.run(member.model, member.reader) for member in members]
    align_types(members)
    made = Made(list(weights), [run.metrics for run in runs])
    left_out = soups.copy_first(members, folder)
    made.remarks += [
        f"the members differ in model.{key}, which the soup does not have: find new ones for it" for key in left_out
    ]
    ingredients = [soups.weights_of(member) for member in members]
    file = folder / "weights.th"
    if greedily:
        assert data is not None
        save(ingredients[0], file)
        archive = load_archive(str(folder))
        move_model(archive.model, data.cuda_device, "--cuda-device")

        def score(tried: soups.Weights) -> float:
            archive.model.load_state_dict(tried)
            return data.run(archive.model, archive.validation_dataset_reader).metrics[F1]

        mixed, chosen, _ = soups.greedy(ingredients, [run.metrics[F1] for run in runs], score)
        made.weights = [float(place in chosen) for place in range(len(members))]
    else:
        mixed = soups.mean_of(ingredients, weights)
    save({name: tensor.cpu().contiguous() for name, tensor in mixed.items()}, file)
    _finish(folder, "greedy-soup" if greedily else "soup", members, made, data)
    return made


def make_ensemble(
    members: Sequence[Member],
    folder: Path,
    weights: Sequence[float],
    method: str = "votes",
    agreement: float = 0.5,
    decoding: Optional[str] = None,
    data: Optional[Development] = None,
    find_weights: bool = False,
) -> Made:
    """
    Write the archive's folder of a `ner_ensemble`.

    # Parameters

    members : `Sequence[Member]`
        Changed where scores are averaged and the order of their types differs.
    folder : `Path`
        An empty one.
    weights : `Sequence[float]`
        Of the members.
    method : `str`, optional (default=`"votes"`)
        `votes` or `scores`.
    agreement : `float`, optional (default=`0.5`)
        Of votes.
    decoding : `Optional[str]`, optional (default=`None`)
        Of votes; `None` for what the members' own needs.
    data : `Optional[Development]`, optional (default=`None`)
        With votes, thresholds are found on them.
    find_weights : `bool`, optional (default=`False`)
        Whether weights of votes are found on `data` too (`best_weights`), instead of `weights`. Members that get none
        are left out.

    # Raises

    `ConfigError` if the members differ in their types, or their scores cannot be averaged.
    """
    check_types(members)
    if method == "scores":
        check_scores(members)
    runs = [] if data is None else [data.run(member.model, member.reader) for member in members]
    made = Made(list(weights), [run.metrics for run in runs])
    options: dict[str, Any] = {"method": method}
    if method == "scores":
        align_types(members)
        kept, left_out = common_options(members)
        options |= kept
        made.remarks += [f"the members differ in model.{key}, which has no effect on the ensemble" for key in left_out]
    else:
        options["decoding"] = decoding or vote_decoding(members)
        ballot = _ballot_of(made, runs, members[0].model.types, agreement, options["decoding"], find_weights)
        options |= ballot.options()
        made.remarks += [f"agreement: {ballot.agreement:g}", *_thresholds(ballot)]
    used = [place for place, weight in enumerate(made.weights) if weight > 0]
    write_ensemble([members[place] for place in used], folder, [made.weights[place] for place in used], options)
    _finish(folder, method, members, made, data)
    return made


def _ballot_of(
    made: Made, runs: Sequence[Run], types: Sequence[str], agreement: float, decoding: str, find_weights: bool
) -> Ballot:
    """How votes are counted: found on the members' runs if there are any, with `find_weights` their weights too."""
    if find_weights:
        made.weights = best_weights(runs, types, agreement, decoding)
    if not runs:
        return Ballot(agreement, {})
    return best_ballot(runs, made.weights, types, agreement, decoding)[0]


def _thresholds(ballot: Ballot) -> list[str]:
    given = {name: value for name, value in ballot.thresholds.items() if value > 0}
    if not given:
        return []
    return ["thresholds: " + ", ".join(f"{type_name(name)} {value:.4f}" for name, value in sorted(given.items()))]


def _finish(folder: Path, method: str, members: Sequence[Member], made: Made, data: Optional[Development]) -> None:
    """Measure what is in the folder, and write the record."""
    used, figures = None, []
    if data is not None:
        run = data.run_folder(folder)
        made.ensemble = run.metrics
        used = UsedData.at(data.path, len(run.sentences))
        figures = [one[F1] for one in (*made.members, run.metrics)]
    write_record(folder, method, members, made.weights, used, figures)
