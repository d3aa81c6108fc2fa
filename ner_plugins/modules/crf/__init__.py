"""
The linear-chain CRF (Lafferty, McCallum & Pereira 2001): a map of what it computes, and where.

The score of a tagging y of a sentence with n tokens adds up its emissions, transitions, start and end scores:

    score(y) = start[y_1] + sum_i emission[i, y_i] + sum_i transition[y_(i-1), y_i] + end[y_n]
    log Z    = log sum_y exp score(y),   P(y) = exp(score(y) - log Z),   loss = log Z - score(gold)

One recursion over the tokens computes every sum over taggings. ⊗ is the addition of scores, ⊕ that of a semiring:

    alpha[1, t] = start[t] ⊗ emission[1, t]
    alpha[i, t] = (⊕_s alpha[i-1, s] ⊗ transition[s, t]) ⊗ emission[i, t]
    total       = ⊕_t alpha[n, t] ⊗ end[t]

    ⊕ = logsumexp   total = log Z
    ⊕ = max         total = the best score; Viterbi follows the maxima back to the best tagging
    ⊕ = k best      total = the k best scores; likewise
    ⊕ = a mixture   total = log Z and the entropy of P

    marginal[i, t] = d log Z / d emission[i, t] = exp(alpha[i, t] + beta[i, t] - log Z)

where beta is the recursion from the last token to the first, without token i's own emission.

| file | purpose |
| --- | --- |
| `crf` | `ConditionalRandomField`: parameters, loss and everything a model calls |
| `tagging` | `TagSet`: gold spans to tags, tags to spans, and which tag may follow which |
| `semiring` | the recursion above in plain torch: the definition that every faster way is tested against |
| `inference` | chooses among the ways: kernels (CPU, float32), batched torch (GPU), the definition (float64) |
| `batched` | forward-backward in few torch operations per token, with its gradient |
| `compiled` | the same compiled by numba (`ner_plugins.kernels`): the bridge from torch to it |
| `compaction` | moves the tokens of a mask to the left of their row, and results back |
| `entity_probabilities` | the exact probability of an entity: alpha, the path through its span, beta |
"""

from ner_plugins.modules.crf.crf import ConditionalRandomField
from ner_plugins.modules.crf.inference import BestTagging
from ner_plugins.modules.crf.semiring import Potentials
from ner_plugins.modules.crf.tagging import Constraints, Spans, TagSet

__all__ = ["BestTagging", "ConditionalRandomField", "Constraints", "Potentials", "Spans", "TagSet"]
