"""
Many trainings from one file: the rooms behind `allennlp ner-sweep`.

`sweep_file` reads the file, with `ranges` of a search; `plan` makes a list of runs of it. `folder` keeps a record of
each run, and `resuming` finds what is left to do. `runner` does the runs of `sources` or of a `search`, each as a
process (`training`).
"""

from ner_plugins.sweeps.folder import SweepFolder
from ner_plugins.sweeps.plan import PlannedRun, runs_of
from ner_plugins.sweeps.runner import Runner
from ner_plugins.sweeps.sweep_file import Sweep, parse_sweep, read_sweep

__all__ = ["PlannedRun", "Runner", "Sweep", "SweepFolder", "parse_sweep", "read_sweep", "runs_of"]
