"""The runs of a sweep's file: resolved, checked, compared with those in the folder, and recorded."""

import os
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Iterable, Iterator, Mapping, Sequence

from allennlp.common import Params

from ner_plugins.commands.checks.config import check_config, walk_config
from ner_plugins.commands.checks.validation_metric import unknown_figures
from ner_plugins.commands.command_line import describe
from ner_plugins.commands.ner_data.arguments import print_report
from ner_plugins.commands.recovery import differences
from ner_plugins.errors import ConfigError
from ner_plugins.sweeps.folder import FINISHED, Record, SweepFolder
from ner_plugins.sweeps.plan import PlannedRun, runs_of
from ner_plugins.sweeps.resuming import Plan, described, plan, resolved
from ner_plugins.sweeps.runner import summary
from ner_plugins.sweeps.search import (
    Trials,
    best_trial,
    each_trial,
    ends_of,
    facts_of,
    first_of,
    import_optuna,
    setting_from,
    shown_parameters,
)
from ner_plugins.sweeps.sources import Listed, Source
from ner_plugins.sweeps.sweep_file import Sweep


class Planner:
    """
    The runs of a sweep's file in a folder.

    # Parameters

    sweep : `Sweep`
    folder : `SweepFolder`
    packages : `tuple[str, ...]`
        For `--include-package`.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, packages: tuple[str, ...]) -> None:
        self.sweep, self.folder, self._packages = sweep, folder, packages
        self._checked: set[str] = set()
        self.names: list[str] = []

    def source(self, file: str) -> Source:
        """
        The runs to do, checked and recorded.

        # Parameters

        file : `str`
            The sweep's file, for the record.
        """
        before = self.folder.facts()
        if self.sweep.search is not None:
            self._check_search()
            self.folder.write_facts({**before, "file": file, "optuna": facts_of(self.sweep)})
            return Trials(self.sweep, self.folder, self.add, before.get("trials", []))
        made = self._plan(runs_of(self.sweep))
        if before:
            _print_changes(made, self.folder)
        self.folder.write_facts({**before, "file": file, "optuna": None})
        self._record(made)
        return Listed(made.to_do(), len(made.records))

    def add(self, runs: Iterable[PlannedRun]) -> Sequence[Record]:
        """The records of further runs, which are checked and recorded."""
        made = self._plan(runs)
        self._record(made)
        return list(made.records.values())

    def listed(self) -> Iterator[str]:
        """A line for each run with its state; of a search, the trials so far."""
        if self.sweep.search is None:
            made = self._plan(runs_of(self.sweep))
            yield from map(described, made.records.values())
            yield f"{len(made.records)} runs, {len(made.to_do())} of them to do"
            yield from _changes(made, self.folder)
            return
        self._check_search()
        first = first_of(self.sweep)
        each = len(list(runs_of(self.sweep, {axis: first[axis] for axis in self.sweep.search.choose})))
        yield from map(described, self.folder.records().values())
        yield from each_trial(self.folder.facts().get("trials", []))
        yield f"a search by optuna: {self.sweep.search.trials} trials of {each} runs: {facts_of(self.sweep)}"

    def summary(self) -> Iterator[str]:
        """What has become of the runs."""
        yield summary(self.folder, self.names)
        if self.sweep.search is not None:
            best = best_trial(self.folder, self.sweep.search)
            if best is not None:
                number, value, parameters = best
                found = f"best trial: {number}, {self.sweep.search.metric} {value:.4f}"
                yield f"{found}: {shown_parameters(parameters)}"
        if self.all_finished():
            yield f"compare the models:  allennlp ner-compare {self.folder.path} --include-package ner_plugins"

    def all_finished(self) -> bool:
        """Whether there is nothing left to do."""
        return all((self.folder.record(name) or {}).get("status") == FINISHED for name in self.names)

    def _plan(self, runs: Iterable[PlannedRun]) -> Plan:
        return plan(runs, self.folder, self._resolved, differences, self._packages)

    def _record(self, made: Plan) -> None:
        for record in made.records.values():
            self.folder.write_record(record)
        self.names.extend(made.records)
        facts = self.folder.facts()
        known = dict.fromkeys([*facts.get("runs", ()), *made.records])
        self.folder.write_facts({**facts, "runs": list(known)})

    def _check_search(self) -> None:
        """Check all points of the axes, and the ends of all ranges, before the first trial."""
        import_optuna()
        for run in runs_of(self.sweep, setting=setting_from(self.sweep, first_of(self.sweep))):
            resolved(run, self._resolved)
        for name, parameters in ends_of(self.sweep):
            run = next(runs_of(self.sweep, setting=setting_from(self.sweep, parameters)))
            resolved(replace(run, name=f"{run.name} with {name}", model=f"{run.model} with {name}"), self._resolved)

    def _resolved(self, run: PlannedRun) -> Mapping[str, Any]:
        """The config of a run with everything applied, which is checked once for each model."""
        path = str(run.setting.config)
        if "://" not in path and not os.path.isfile(path):
            raise ConfigError(f"the run {run.name}: {path}: there is no such config")
        try:
            return self._checked_config(run)
        except Exception as error:  # whatever is wrong with a config is the user's to mend
            message = describe(error)
            if message is None:
                raise
            raise ConfigError(f"the run {run.name}: {message.replace('--overrides has', 'overrides have')}") from error

    def _checked_config(self, run: PlannedRun) -> Mapping[str, Any]:
        assert run.setting.config is not None
        with environment(run.setting.environment):
            params = Params.from_file(run.setting.config, dict(run.setting.overrides))
            config: dict[str, Any] = params.as_dict(quiet=True)
            if run.model not in self._checked:
                check_config(config, self.folder.run_folder(run.name))
                if self.sweep.search is not None:
                    _check_metric(config, self.sweep.search.metric)
        self._checked.add(run.model)
        return config


def _check_metric(config: dict[str, Any], metric: str) -> None:
    """Check that a model produces the figure that is searched for."""
    searched = {**config, "trainer": {**config["trainer"], "validation_metric": f"+{metric}"}}
    for mistake in unknown_figures(searched, walk_config(searched)):
        raise ConfigError(mistake.text.replace("trainer.validation_metric", "optuna.metric").replace('"+', '"'))


def _print_changes(made: Plan, folder: SweepFolder) -> None:
    for line in _changes(made, folder):
        print_report(line)


def _changes(made: Plan, folder: SweepFolder) -> Iterator[str]:
    """What is new in the file, and what is in it no more."""
    if folder.exists() and made.new:
        yield f"new in the file: {', '.join(made.new)}"
    if made.left:
        yield f"not in the file any more, and left as they are: {', '.join(made.left)}"


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """A context with other environment variables."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
