"""The callbacks `wandb` and `mlflow`, whose libraries are imported when a config names them."""

import importlib
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any, ClassVar, Mapping, Optional, Sequence

from allennlp.common.util import SigTermReceived
from allennlp.training.callbacks import TrainerCallback, WandBCallback
from allennlp.training.callbacks.log_writer import LogWriterCallback

from ner_plugins.errors import ConfigError
from ner_plugins.training.watching.epoch_figures import EpochFigures, EpochWatcher

logger = logging.getLogger(__name__)

_LONGEST_VALUE = 500  # characters; what every version of MLflow takes
_PARAMETERS_AT_ONCE = 100


def tracking_library(name: str) -> Any:
    """
    The module `name`.

    # Raises

    `ConfigError` if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(f"trainer.callbacks: {name} {missing_library(name)}") from None


def missing_library(name: str) -> str:
    """The message about a library that is not installed."""
    return f"needs the package {name}: pip install 'ner_plugins[tracking]'"


@TrainerCallback.register("wandb", exist_ok=True)
class NerWandBCallback(WandBCallback):
    """
    AllenNLP's callback `wandb`, with its options, for current versions of Weights & Biases.

    AllenNLP 2.10.1 calls a function that wandb no longer has, and reports a missing wandb only after it has read the
    data. `WANDB_MODE=offline` writes to `<serialization_dir>/wandb` without an account.

    # Raises

    `ConfigError` if wandb is not installed.
    """

    library: ClassVar[str] = "wandb"
    _run_id: Optional[str]

    def __init__(self, serialization_dir: str, **kwargs: Any) -> None:
        self.wandb = tracking_library(self.library)
        super().__init__(serialization_dir, **kwargs)
        given = kwargs.get("wandb_kwargs") or {}
        if "anonymous" not in given:  # deprecated, and without effect
            self._wandb_kwargs.pop("anonymous", None)

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Start the run, or resume that of the checkpoint."""
        LogWriterCallback.on_start(self, trainer, is_primary=is_primary, **kwargs)
        if not is_primary:
            return
        run = self.wandb.init(id=self._run_id, **self._wandb_kwargs)
        self._run_id = run.id
        for name in self._files_to_save:
            self.wandb.save(str(Path(self.serialization_dir, name)), base_path=str(self.serialization_dir))
        if self._watch_model:
            self.wandb.watch(trainer.model)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the run of a checkpoint."""
        self._wandb_kwargs["resume"] = "allow"
        self._run_id = state_dict["run_id"]


@TrainerCallback.register("mlflow")
class MlflowCallback(EpochWatcher):
    """
    Logs a run to MLflow: the config as parameters, and the losses, learning rates and figures of the validation data of
    each epoch, whose number is the step. A resumed run goes on with its MLflow run.

    A figure that cannot be logged, as with a server that is away, is a warning: it does not end the training.

    # Parameters

    serialization_dir : `str`
    tracking_uri : `Optional[str]`
        The server or store; left out: `MLFLOW_TRACKING_URI`, or else MLflow's default.
    experiment : `Optional[str]`
        Left out: `MLFLOW_EXPERIMENT_NAME`, or else MLflow's default.
    run_name : `Optional[str]`
        Left out: the name of the serialization directory.
    tags : `Optional[dict[str, str]]`
    files_to_save : `list[str]`, optional (default=`["config.json", "out.log"]`)
        Files of the serialization directory to save with the run when training ends.

    # Raises

    `ConfigError` if MLflow is not installed, or does not accept the run.
    """

    library: ClassVar[str] = "mlflow"

    def __init__(
        self,
        serialization_dir: str,
        tracking_uri: Optional[str] = None,
        experiment: Optional[str] = None,
        run_name: Optional[str] = None,
        tags: Optional[dict[str, str]] = None,
        files_to_save: Sequence[str] = ("config.json", "out.log"),
    ) -> None:
        super().__init__(serialization_dir)
        self._mlflow = tracking_library(self.library)
        self._uri, self._experiment = tracking_uri, experiment
        self._name = run_name or Path(serialization_dir).name
        self._tags = tags
        self._files = files_to_save
        self._run_id: Optional[str] = None
        self._is_resumed = False
        self._failed = False

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Start the run, or resume that of the checkpoint."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if not is_primary:
            return
        try:
            if self._uri is not None:
                self._mlflow.set_tracking_uri(self._uri)
            if self._experiment is not None:
                self._mlflow.set_experiment(self._experiment)
            run = self._mlflow.start_run(run_id=self._run_id, run_name=self._name, tags=self._tags)
        except Exception as error:
            raise ConfigError(f"trainer.callbacks: mlflow cannot start a run: {error}") from error
        self._run_id = run.info.run_id
        if not self._is_resumed:  # MLflow does not let a run change its parameters
            self._guard(self._log_config)

    def report(self, trainer: Any, figures: EpochFigures) -> None:
        """Log the figures of an epoch."""
        self._guard(lambda: self._mlflow.log_metrics(mlflow_metrics(figures), step=figures.epoch))

    def on_end(
        self,
        trainer: Any,
        metrics: Optional[dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Save the files, and end the run."""
        super().on_end(trainer, metrics, epoch, is_primary=is_primary, **kwargs)
        if not is_primary:
            return
        interrupted = isinstance(sys.exc_info()[1], (KeyboardInterrupt, SigTermReceived))
        status = "FINISHED" if metrics is not None else "KILLED" if interrupted else "FAILED"
        self._guard(self._save_files)
        self._guard(lambda: self._mlflow.end_run(status))

    def state_dict(self) -> dict[str, Any]:
        """The id of the MLflow run."""
        return {"run_id": self._run_id}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume the MLflow run of a checkpoint."""
        self._run_id = state_dict["run_id"]
        self._is_resumed = self._run_id is not None

    def _log_config(self) -> None:
        config = json.loads(Path(self.serialization_dir, "config.json").read_text(encoding="utf-8"))
        leaves = list(flat_parameters(config).items())
        for start in range(0, len(leaves), _PARAMETERS_AT_ONCE):
            self._mlflow.log_params(dict(leaves[start : start + _PARAMETERS_AT_ONCE]))

    def _save_files(self) -> None:
        for name in self._files:
            if Path(self.serialization_dir, name).is_file():
                self._mlflow.log_artifact(str(Path(self.serialization_dir, name)))

    def _guard(self, act: Any) -> None:
        try:
            act()
        except Exception as error:  # training is worth more than its log
            if not self._failed:
                logger.warning("mlflow: not everything could be logged: %s", error)
            self._failed = True


def mlflow_metrics(figures: EpochFigures) -> dict[str, float]:
    """`training/loss`, `learning_rate`, and `validation/…`, in the characters that MLflow accepts in a name."""
    found: dict[str, Optional[float]] = {"training/loss": figures.training_loss, "seconds": figures.seconds}
    for name, rate in figures.rates.items():
        found[f"learning_rate/{name}" if name else "learning_rate"] = rate
    found |= {f"validation/{name}": value for name, value in figures.validation.items()}
    return {_accepted(name): value for name, value in found.items() if value is not None}


def flat_parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A config's values by their dotted keys, in the characters and the length that MLflow accepts."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flat_parameters(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[_accepted(f"{prefix}{key}")] = text[:_LONGEST_VALUE]
    return flat


def _accepted(name: str) -> str:
    return re.sub(r"[^\w.\-/ ]", "_", name)
