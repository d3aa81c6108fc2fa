"""The peer in `cluener.py`: a plain softmax BIO tagger over the same encoder, decoded by the seqeval library."""

import torch
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.modules import TextFieldEmbedder
from allennlp.nn.util import get_text_field_mask
from seqeval.metrics.sequence_labeling import get_entities

from ner_plugins.entities import Entity
from ner_plugins.metrics import CluenerMetric, SeqevalMetric


@Model.register("softmax_peer")
class SoftmaxPeer(Model):
    """Tag 0 is O, tag 2t + 1 is B-t, tag 2t + 2 is I-t."""

    def __init__(self, vocab: Vocabulary, text_field_embedder: TextFieldEmbedder, dropout: float = 0.1) -> None:
        super().__init__(vocab)
        self.types = list(vocab.get_token_to_index_vocabulary("entity_labels"))
        self.tags = ["O"] + [f"{chunk}-{i}" for i in range(len(self.types)) for chunk in "BI"]
        self.embedder, self.dropout = text_field_embedder, torch.nn.Dropout(dropout)
        self.linear = torch.nn.Linear(text_field_embedder.get_output_dim(), len(self.tags))
        self.metrics = {"seqeval": SeqevalMetric(), "cluener": CluenerMetric()}

    def forward(self, tokens, metadata, entities=None):
        mask = get_text_field_mask(tokens)
        logits = self.linear(self.dropout(self.embedder(tokens)))
        gold = torch.zeros(mask.shape, dtype=torch.long, device=logits.device)
        for sentence, rows in enumerate(entities.tolist()):
            for start, end, type_id in (row for row in rows if row[2] >= 0):
                gold[sentence, start:end] = 2 * type_id + 2
                gold[sentence, start] = 2 * type_id + 1
        loss = torch.nn.functional.cross_entropy(logits[mask], gold[mask])
        if not self.training:
            self.measure(logits.argmax(-1).tolist(), metadata)
        return {"loss": loss}

    def measure(self, paths, metadata) -> None:
        tags = [[self.tags[tag] for tag in path] for path in paths]
        found = [get_entities(row[: len(m["offsets"])]) for row, m in zip(tags, metadata, strict=True)]
        predicted = [[Entity(s, e + 1, self.types[int(t)]) for t, s, e in spans] for spans in found]
        gold = [[Entity.from_json(entity) for entity in m["entities"]] for m in metadata]
        for metric in self.metrics.values():
            metric(predicted, gold, [m["text"] for m in metadata])

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        if self.training:
            return {}
        return {f"{n}/{k}": v for n, metric in self.metrics.items() for k, v in metric.get_metric(reset).items()}
