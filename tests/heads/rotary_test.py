import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import pytest
import torch
from literal_global_pointer import rotation

from ner_plugins.heads.rotary import rotate


@pytest.mark.parametrize("dim", [2, 8])
def test_rotation_is_that_of_the_matrices_and_knows_distances_alone(dim):
    torch.manual_seed(0)
    query, key = torch.randn(2, dim, dtype=torch.float64)
    queries, keys = (rotate(one.expand(9, dim)) for one in (query, key))
    for i in range(9):
        torch.testing.assert_close(queries[i], rotation(i, dim) @ query)
        torch.testing.assert_close(queries[i] @ keys[8], queries[0] @ keys[8 - i])
    far = rotate(query.float().expand(2000, dim))
    torch.testing.assert_close(far[1999].double(), rotation(1999, dim) @ query, atol=1e-3, rtol=1e-3)
    assert rotate(query.half().expand(3, dim)).dtype == torch.float16
