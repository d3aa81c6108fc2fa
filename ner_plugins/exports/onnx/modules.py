"""The parts of a model as modules of tensors alone, which can be exported as graphs."""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.exports.onnx.recurrent import RecurrentGraph
from ner_plugins.heads.activations import ACTIVATIONS, Activation
from ner_plugins.heads.biaffine import BiaffineHead
from ner_plugins.heads.biaffine_scorer import BiaffineSpanScorer
from ner_plugins.heads.global_pointer import GlobalPointerHead, PointerTerms
from ner_plugins.heads.pair_scorer import PairSpanScorer
from ner_plugins.heads.pairs import PairsHead
from ner_plugins.heads.pointer import PointerHead
from ner_plugins.heads.span_scorer import WidthFeatures
from ner_plugins.models.ner_model import NerModel
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.token_embedders.unpadded import supports_interface


class EncoderGraph(nn.Module):
    """
    A pretrained encoder: ids of pieces to their vectors.

    # Parameters

    embedder : `TransformerEmbedder`
    """

    def __init__(self, embedder: TransformerEmbedder) -> None:
        super().__init__()
        self.encoder, self.scalar_mix = embedder.encoder, embedder.scalar_mix
        self.fused = supports_interface(self.encoder.config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """
        # Parameters

        input_ids, attention_mask : `torch.LongTensor`
            Shape: (windows, positions)

        # Returns

        `torch.Tensor`
            Shape: (windows, positions, dim)
        """
        # An encoder passes a mask of four dimensions on to its attention as it is (`fused_attention`).
        mask = attention_mask[:, None, None, :] if self.fused else attention_mask
        output = self.encoder(
            input_ids=input_ids, attention_mask=mask, output_hidden_states=self.scalar_mix is not None, return_dict=True
        )
        if self.scalar_mix is None:
            last: Tensor = output.last_hidden_state
            return last
        mixed: Tensor = self.scalar_mix(list(output.hidden_states[1:]))
        return mixed


class TokensGraph(nn.Module):
    """
    What comes after the encoder, up to the head's scores, or to the vectors that spans are scored by.

    # Parameters

    model : `NerModel`
        Without a lattice.
    embedders : `list[Optional[nn.Module]]`
        Those of token ids, in the order of the inputs; `None` where an input is vectors.
    """

    def __init__(self, model: NerModel, embedders: list[Optional[nn.Module]]) -> None:
        super().__init__()
        self.embedders = nn.ModuleList([nn.Identity() if one is None else one for one in embedders])
        encoder = model.encoder
        self.recurrent = None if encoder is None else RecurrentGraph(encoder._module)
        self.head = model.head

    def forward(self, lengths: Tensor, *inputs: Tensor) -> Any:
        """
        # Parameters

        lengths : `torch.LongTensor`
            The number of tokens of each text. Shape: (batch,)
        *inputs : `torch.Tensor`
            Ids of tokens, (batch, tokens), or vectors, (batch, tokens, dim).

        # Returns

        `torch.Tensor`, or a tuple of them
            Emissions; log-probabilities of first and of last tokens' labels; or vectors of first and of last tokens.
        """
        vectors = torch.cat([embed(given) for embed, given in zip(self.embedders, inputs, strict=True)], -1)
        mask = torch.arange(vectors.size(1)) < lengths.unsqueeze(1)  # Shape: (batch, tokens)
        if self.recurrent is not None:
            vectors = self.recurrent(vectors, lengths)
        encoded = vectors.masked_fill(~mask.unsqueeze(-1), 0.0)
        head = self.head
        if isinstance(head, PointerHead):
            scores = head.score(encoded, mask)
            return scores.start.log_softmax(-1), head.end_logits(scores).log_softmax(-1)
        if isinstance(head, PairsHead):
            starts, ends, _ = head._terms(encoded)
            return starts, ends
        if isinstance(head, BiaffineHead):
            starts, ends = head.start_projection(encoded), head.end_projection(encoded)
            if isinstance(head.scorer, PairSpanScorer):
                hidden = head.scorer.hidden
                of_start, of_end = torch.split(hidden.weight, head.scorer.input_dim, dim=1)
                return F.linear(starts, of_start, hidden.bias), F.linear(ends, of_end)
            return starts, ends
        if isinstance(head, GlobalPointerHead):
            return _of_tokens(head.terms(encoded))
        return head.score(encoded, mask)


def _of_tokens(terms: PointerTerms) -> tuple[Tensor, Tensor]:
    """The terms of a span's score as a vector of its first, and one of its last, token (`PointerGraph`)."""
    starts, ends = (one.transpose(1, 2).flatten(2) for one in (terms.queries, terms.keys))
    if terms.of_start is None or terms.of_end is None:
        return starts, ends
    return torch.cat((starts, terms.of_start.mT), -1), torch.cat((ends, terms.of_end.mT), -1)


class BiaffineGraph(nn.Module):
    """
    The biaffine score of some spans (`BiaffineSpanScorer`), from the vectors of a block of tokens.

    # Parameters

    scorer : `BiaffineSpanScorer`
    """

    bilinear: Tensor
    of_start: Tensor
    of_end: Tensor
    bias: Tensor

    def __init__(self, scorer: BiaffineSpanScorer) -> None:
        super().__init__()
        dim, classes = scorer.input_dim, scorer.num_classes
        weight = scorer.weight.detach()
        # W_c = [[U_c, a_c], [b_cᵀ, d_c]]: E_j is multiplied by U_cᵀ S_i + b_c; the rest is a_cᵀ S_i + d_c.
        self.register_buffer("bilinear", weight[:, :dim, :dim].transpose(1, 2).flatten(0, 1).contiguous())
        self.register_buffer("of_end", weight[:, dim, :dim].flatten().contiguous())
        self.register_buffer("of_start", weight[:, :dim, dim].contiguous())
        self.register_buffer("bias", weight[:, dim, dim].contiguous())
        self.dim, self.classes = dim, classes
        self.widths = None if scorer.width_features is None else WidthTable(scorer.width_features)

    def forward(self, starts: Tensor, ends: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """
        # Parameters

        starts : `torch.Tensor`
            Shape: (batch, rows, dim)
        ends : `torch.Tensor`
            Of the same tokens and those after them. Shape: (batch, columns, dim)
        first, last : `torch.LongTensor`
            The first and the last token of each span, counted from the first of the block. Shape: (cells,)

        # Returns

        `torch.Tensor`
            Shape: (batch, classes, cells)
        """
        batch, rows, _ = starts.shape
        columns = ends.size(1)
        queries = F.linear(starts, self.bilinear, self.of_end).view(batch, rows * self.classes, self.dim)
        dense = queries @ ends.transpose(1, 2)  # Shape: (batch, rows * classes, columns)
        by_class = dense.view(batch, rows, self.classes, columns).transpose(1, 2)
        by_class = by_class + F.linear(starts, self.of_start, self.bias).transpose(1, 2).unsqueeze(3)
        cells = by_class.flatten(2).index_select(2, first * columns + last)
        return cells if self.widths is None else cells + self.widths(last - first).t()


class PairsGraph(nn.Module):
    """
    The score of some spans by a feed-forward network (`score_pairs`), from the hidden units of a block of tokens.

    # Parameters

    head : `PairsHead` or `PairSpanScorer`
    """

    table: Optional[Tensor]

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.widths: Optional[nn.Module] = None
        self.activation: Activation = F.relu
        if isinstance(head, PairsHead):
            self.classifier = head.classifier
            _, _, widths = head._terms(head.width_embedding.weight.new_zeros(1, 1, head.encoding_dim))
            self.register_buffer("table", widths.detach()[1:].clone())
        else:
            self.classifier, self.activation = head.output, ACTIVATIONS[head.activation]
            self.register_buffer("table", None)
            if head.width_features is not None:
                self.widths = WidthTable(head.width_features)

    def forward(self, starts: Tensor, ends: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """`BiaffineGraph.forward`."""
        hidden = starts.index_select(1, first) + ends.index_select(1, last)  # Shape: (batch, cells, hidden)
        if self.table is not None:
            hidden = hidden + self.table.index_select(0, last - first)
        elif self.widths is not None:
            hidden = hidden + self.widths(last - first)
        scores: Tensor = self.classifier(self.activation(hidden))  # Shape: (batch, cells, classes)
        return scores.transpose(1, 2)


class PointerGraph(nn.Module):
    """
    The score of some spans by products (`GlobalPointerHead`), from the vectors of a block of tokens.

    # Parameters

    head : `GlobalPointerHead`
    """

    def __init__(self, head: GlobalPointerHead) -> None:
        super().__init__()
        self.products, self.dim = head.products, head.inner_dim

    def forward(self, starts: Tensor, ends: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """`BiaffineGraph.forward`."""
        sizes = self.products * self.dim
        batch, rows, _ = starts.shape
        columns = ends.size(1)
        queries = starts[..., :sizes].view(batch, rows, self.products, self.dim).transpose(1, 2)
        keys = ends[..., :sizes].view(batch, columns, self.products, self.dim).permute(0, 2, 3, 1)
        dense = queries @ keys  # Shape: (batch, products, rows, columns)
        scores = dense.flatten(2).index_select(2, first * columns + last)  # Shape: (batch, products, cells)
        if starts.size(2) > sizes:
            scores = scores + starts[..., sizes:].mT.index_select(2, first) + ends[..., sizes:].mT.index_select(2, last)
        return F.pad(scores, (0, 0, 1, 0))


class WidthTable(nn.Module):
    """The vectors of spans' widths (`WidthFeatures`)."""

    bounds: Tensor
    weight: Tensor

    def __init__(self, features: WidthFeatures) -> None:
        super().__init__()
        self.register_buffer("bounds", features.bounds.clone())
        self.register_buffer("weight", features.weight.detach().clone())

    def forward(self, more: Tensor) -> Tensor:
        """The vectors of spans of `more` + 1 tokens. Shape: (cells,) to (cells, dim)"""
        bucket = ((more.unsqueeze(1) + 1) >= self.bounds).long().sum(1) - 1
        return self.weight.index_select(0, bucket)


def spans_graph(model: NerModel) -> Optional[nn.Module]:
    """The module that scores spans; `None` for a head that scores tokens."""
    head = model.head
    if isinstance(head, PairsHead):
        return PairsGraph(head)
    if isinstance(head, GlobalPointerHead):
        return PointerGraph(head)
    if not isinstance(head, BiaffineHead):
        return None
    return BiaffineGraph(head.scorer) if isinstance(head.scorer, BiaffineSpanScorer) else PairsGraph(head.scorer)
