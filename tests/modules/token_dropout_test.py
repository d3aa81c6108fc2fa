import torch

from ner_plugins.modules.token_dropout import drop_tokens


def test_share_of_the_tokens_that_are_dropped():
    torch.manual_seed(0)
    ids = torch.randint(2, 50, (300, 400))
    ids[:, 300:] = 0
    dropped = drop_tokens(ids, 0.1, unknown=1)
    changed = dropped != ids
    assert (dropped[changed] == 1).all() and not changed[:, 300:].any()
    assert abs(changed[:, :300].float().mean() - 0.1) < 0.005
    rows = changed[:, :300].float().mean(1)
    assert rows.std() < 0.03  # each token by itself


def test_nothing_is_dropped_at_0():
    ids = torch.tensor([[3, 0]])
    assert drop_tokens(ids, 0.0, 1) is ids
    assert drop_tokens(ids[:, :0], 0.5, 1).shape == (1, 0)
