"""A search by optuna (extra `sweep`): trials whose value is the mean of a figure over seeds and averaged axes."""

import statistics
from collections import deque
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import FINISHED, Record, SweepFolder
from ner_plugins.sweeps.plan import PlannedRun, runs_of
from ner_plugins.sweeps.ranges import Choices, Interval, Range, as_json
from ner_plugins.sweeps.runner import figure_of
from ner_plugins.sweeps.sweep_file import Search, Setting, Sweep, environment_value, setting_of

Parameters = dict[str, Any]
Add = Callable[[Sequence[PlannedRun]], Sequence[Record]]
"""From the runs of a trial to their records, as `plan` makes them."""


def import_optuna() -> Any:
    """
    The module `optuna`, quiet.

    # Raises

    `ConfigError` that names the extra.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError("the sweep searches with optuna: pip install 'ner_plugins[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def facts_of(sweep: Sweep) -> Optional[dict[str, Any]]:
    """What may not change in a search that has begun; `None` without a search."""
    search = sweep.search
    if search is None:
        return None
    return {
        "seed": search.seed,
        "direction": search.direction,
        "metric": search.metric,
        "choose": {axis: list(sweep.axes[axis]) for axis in search.choose},
        "parameters": {key: as_json(value) for key, value in search.parameters.items()},
    }


def check_unchanged(before: Mapping[str, Any], sweep: Sweep, folder: SweepFolder) -> None:
    """
    Check that a folder has the same search.

    # Raises

    `ConfigError` that names what has changed. More trials are no change.
    """
    old, new = before.get("optuna"), facts_of(sweep)
    if (old is None) != (new is None):
        kinds = ("a search by optuna", "all combinations")
        was, now = kinds if old is not None else kinds[::-1]
        raise ConfigError(f"{folder.path}: its sweep was {was}, and is now {now}: choose another -s")
    for key, value in (new or {}).items():
        if old is not None and old.get(key) != value:
            raise ConfigError(
                f"{folder.path}: optuna's {key} was {old.get(key)} and is {value}. Only the number of trials may "
                "change: undo it, or choose another -s"
            )


def space_of(sweep: Sweep) -> dict[str, Range]:
    """What each trial chooses: parameters, and points of axes."""
    assert sweep.search is not None
    axes = {axis: Choices(tuple(sweep.axes[axis])) for axis in sweep.search.choose}
    return {**sweep.search.parameters, **axes}


def first_of(sweep: Sweep) -> Parameters:
    """A point of the space, to check a run before the first trial."""
    return {
        key: one.values[0] if isinstance(one, Choices) else one.examples()[0] for key, one in space_of(sweep).items()
    }


def ends_of(sweep: Sweep) -> Iterator[tuple[str, Parameters]]:
    """For each parameter, points of the space with its ends and a value between, or each choice, and their names."""
    assert sweep.search is not None
    first = first_of(sweep)
    for key, one in sweep.search.parameters.items():
        for value in one.values if isinstance(one, Choices) else one.examples():
            yield f"{key}={environment_value(value)}", {**first, key: value}


def setting_from(sweep: Sweep, parameters: Parameters) -> Setting:
    """What the parameters of a trial set, without the points of axes."""
    assert sweep.search is not None
    setting = Setting()
    for key in sweep.search.parameters:
        setting = setting.changed_by(setting_of(key, parameters[key]))
    return setting


class Trials:
    """
    The runs of a search. The value of a trial is the mean over its runs; a trial with a run that failed has none.

    What trial n tries depends on the sampler's seed, n, and the trials that have ended, so that a sweep that is resumed
    goes on as it would have without the stop.

    # Parameters

    sweep : `Sweep`
        With a search.
    folder : `SweepFolder`
    add : `Add`
    past : `Sequence[Parameters]`
        What earlier trials have tried, in order.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, add: Add, past: Sequence[Parameters] = ()) -> None:
        assert sweep.search is not None
        self._optuna = import_optuna()
        self._sweep, self._search, self._folder, self._add = sweep, sweep.search, folder, add
        self._space = space_of(sweep)
        self._distributions = {key: self._distribution(value) for key, value in self._space.items()}
        self._study = self._optuna.create_study(direction=self._search.direction)
        self._waiting: deque[Record] = deque()
        self._open: dict[int, tuple[Parameters, dict[str, Optional[Record]]]] = {}
        self.trials: list[Parameters] = []
        self.finished = 0
        for parameters in past:
            self._begin(parameters)
        each = len(list(self._runs(0, first_of(sweep))))
        self.total = each * max(self._search.trials, len(past))

    def next(self) -> Optional[Record]:
        """The next run of a trial that has begun, or the first one of a new trial."""
        while not self._waiting and len(self.trials) < self._search.trials:
            parameters = self._suggested(len(self.trials))
            self._folder.write_facts({**self._folder.facts(), "trials": [*self.trials, parameters]})
            self._begin(parameters)
        return self._waiting.popleft() if self._waiting else None

    def done(self, record: Record) -> None:
        """Note a run's end, and tell the study the value of its trial if it was the last one."""
        number = record["trial"]
        if number in self._open:
            self._open[number][1][record["name"]] = record
            self._close(number)

    def _begin(self, parameters: Parameters) -> None:
        number = len(self.trials)
        self.trials.append(parameters)
        records = self._add(list(self._runs(number, parameters)))
        self._open[number] = parameters, {
            record["name"]: record if record["status"] == FINISHED else None for record in records
        }
        waiting = [record for record in records if record["status"] != FINISHED]
        self._waiting += waiting
        self.finished += len(records) - len(waiting)
        self._close(number)

    def _close(self, number: int) -> None:
        parameters, records = self._open[number]
        ended = [record for record in records.values() if record is not None]
        if len(ended) < len(records):
            return
        del self._open[number]
        figures = [figure_of(record, self._search.metric) for record in ended]
        values = [figure for figure in figures if figure is not None]
        complete = len(values) == len(figures)
        states = self._optuna.trial.TrialState
        self._study.add_trial(
            self._optuna.trial.create_trial(
                params={key: self._index(key, value) for key, value in parameters.items()},
                distributions=self._distributions,
                value=statistics.fmean(values) if complete else None,
                state=states.COMPLETE if complete else states.FAIL,
            )
        )

    def _suggested(self, number: int) -> Parameters:
        """What optuna's sampler tries next."""
        self._study.sampler = self._optuna.samplers.TPESampler(seed=self._search.seed + number)
        trial = self._study.ask(self._distributions)
        found = {key: self._value(key, trial.params[key]) for key in self._space}
        # The study learns of a trial when it has ended: `add_trial` also takes those of earlier sessions.
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        return found

    def _runs(self, number: int, parameters: Parameters) -> Any:
        chosen = {axis: str(parameters[axis]) for axis in self._search.choose}
        return runs_of(self._sweep, chosen, setting_from(self._sweep, parameters), number)

    def _distribution(self, value: Range) -> Any:
        kinds = self._optuna.distributions
        if isinstance(value, Choices):  # by their places, since optuna takes only plain values
            return kinds.CategoricalDistribution(tuple(range(len(value.values))))
        if isinstance(value, Interval) and value.whole:
            return kinds.IntDistribution(value.low, value.high, log=value.log, step=value.step or 1)
        return kinds.FloatDistribution(value.low, value.high, log=value.log, step=value.step)

    def _value(self, key: str, chosen: Any) -> Any:
        space = self._space[key]
        return space.values[chosen] if isinstance(space, Choices) else chosen

    def _index(self, key: str, value: Any) -> Any:
        space = self._space[key]
        return list(space.values).index(value) if isinstance(space, Choices) else value


def best_trial(folder: SweepFolder, search: Search) -> Optional[tuple[int, float, Parameters]]:
    """The number, value and parameters of the best trial all of whose runs have finished; `None` if there is none."""
    values: dict[int, list[Optional[float]]] = {}
    for record in folder.records().values():
        if record.get("trial") is not None:
            values.setdefault(record["trial"], []).append(figure_of(record, search.metric))
    means = {
        number: statistics.fmean([one for one in found if one is not None])
        for number, found in values.items()
        if None not in found
    }
    if not means:
        return None
    number = (max if search.direction == "maximize" else min)(means, key=lambda one: means[one])
    return number, means[number], folder.facts()["trials"][number]


def each_trial(trials: Sequence[Parameters]) -> list[str]:
    """A line for each trial."""
    return [f"trial {number}: {shown_parameters(parameters)}" for number, parameters in enumerate(trials)]


def shown_parameters(parameters: Parameters) -> str:
    """`key=value` of each."""
    return " ".join(f"{key}={environment_value(value)}" for key, value in parameters.items())
