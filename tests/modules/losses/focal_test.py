import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from allennlp.common import Params
from loss_cases import random_cells

from ner_plugins.errors import ConfigError
from ner_plugins.modules.losses import CellLoss, CrossEntropyLoss, FocalLoss


def test_no_focus_is_cross_entropy():
    cells = random_cells()
    torch.testing.assert_close(FocalLoss(gamma=0.0)(*cells, 3), CrossEntropyLoss()(*cells, 3))


def test_a_config_names_it():
    loss = CellLoss.from_params(Params({"type": "focal", "gamma": 3}))
    assert isinstance(loss, FocalLoss) and loss.gamma == 3


def test_wrong_settings_are_named():
    with pytest.raises(ConfigError, match=r"loss\.gamma must be >= 0, got -1\.0"):
        FocalLoss(gamma=-1.0)
