"""Embeds tokens with a pretrained encoder, in texts of any length."""

import contextlib
import os
from typing import Any, Literal, Mapping, Optional, Sequence, Union

import torch
from allennlp.modules.scalar_mix import ScalarMix
from allennlp.modules.token_embedders import TokenEmbedder
from torch import Tensor

from ner_plugins.archives.assets import is_loading
from ner_plugins.errors import ConfigError
from ner_plugins.modules.dropout import CheapDropout
from ner_plugins.modules.token_dropout import Replacer
from ner_plugins.pretrained.encoder import build_encoder, read_encoder
from ner_plugins.pretrained.tokenizer import length_limit, load_config, load_tokenizer, replacement_id, special_ids
from ner_plugins.segmentation.context import lay_out_context
from ner_plugins.segmentation.windows import lay_out, plan_windows
from ner_plugins.token_embedders.encoder_dropout import set_dropout
from ner_plugins.token_embedders.pooling import piece_owners, pool
from ner_plugins.token_embedders.unpadded import Sequences, supports_interface, to_device, use_unpadded


@TokenEmbedder.register("ner_transformer")
class TransformerEmbedder(TokenEmbedder):
    """
    Encodes the pieces of each sentence and pools them to one vector per token.

    A text with more pieces than the encoder reads is encoded in overlapping windows. Each piece takes its vector from
    the window with the most context on the piece's shorter side, so nothing is cut off and offsets do not shift.

    Registered as a `TokenEmbedder` with name "ner_transformer". Use it with the `TokenIndexer` of that name.

    # Parameters

    model_name : `str`
        The encoder's folder or hub name; the same as the indexer's.
    pooling : `str`, optional (default=`"mean"`)
        A token's vector is that of its `first` piece or the `mean` of its pieces. They mostly agree for single
        characters, but SentencePiece vocabularies may put a piece for the word boundary first.
    last_layer_only : `bool`, optional (default=`True`)
        Use only the last layer; otherwise mix all layers with trained weights (`ScalarMix`; Peters et al. 2018,
        equation 1).
    train_parameters : `bool`, optional (default=`True`)
        Otherwise the encoder is frozen: no gradient, and no dropout in training.
    gradient_checkpointing : `bool`, optional (default=`False`)
        Recompute activations in the backward pass: less memory, about a third more time.
    max_length : `Optional[int]`, optional (default=`None`)
        Pieces that the encoder reads at once, special pieces included; by default the encoder's own limit.
    window_overlap : `Optional[int]`, optional (default=`None`)
        The minimum number of pieces that a window shares with the next; by default a quarter of a window.
    max_windows_per_pass : `int`, optional (default=`64`)
        Windows encoded at once if texts need more than one.
    padding : `str`, optional (default=`"padded"`)
        `padded`: the encoder reads sentences padded to the longest of the batch. `unpadded`: it reads them as one
        sequence in which each attends to itself, and computes no padding; the vectors are the same up to rounding. For
        encoders of the types `FAMILIES` in Transformers 5, and without dropout of attention weights.
    attention_dropout : `Optional[float]`, optional (default=`None`)
        Dropout of the encoder's attention weights in training; `None` for what its configuration has, mostly 0.1.
    hidden_dropout : `Optional[float]`, optional (default=`None`)
        Dropout of its embeddings and of the outputs of its attention and feed-forward layers, likewise.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP; see `load_tokenizer`.

    # Raises

    `ConfigError` if there is no such encoder, or it does not support the settings; `ArchiveError` as in
    `load_tokenizer`.
    """

    def __init__(
        self,
        model_name: str,
        pooling: Literal["first", "mean"] = "mean",
        last_layer_only: bool = True,
        train_parameters: bool = True,
        gradient_checkpointing: bool = False,
        max_length: Optional[int] = None,
        window_overlap: Optional[int] = None,
        max_windows_per_pass: int = 64,
        padding: Literal["padded", "unpadded"] = "padded",
        attention_dropout: Optional[float] = None,
        hidden_dropout: Optional[float] = None,
        serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
    ) -> None:
        super().__init__()
        if max_windows_per_pass < 1:
            raise ConfigError(f"ner_transformer.max_windows_per_pass must be >= 1, got {max_windows_per_pass}")
        tokenizer = load_tokenizer(model_name, serialization_dir)
        config = load_config(model_name, serialization_dir)
        _check_vocabulary(tokenizer, config, model_name)
        set_dropout(config, attention_dropout, hidden_dropout)
        self.encoder = build_encoder(config) if is_loading() else read_encoder(model_name, config)
        self.model_name = model_name
        self.pooling = pooling
        self.train_parameters = train_parameters
        self.max_windows_per_pass = max_windows_per_pass
        self.scalar_mix = None if last_layer_only else ScalarMix(config.num_hidden_layers)
        self._set_window(max_length, window_overlap, tokenizer)
        self.replacement_id = replacement_id(tokenizer, config.vocab_size)
        self._set_training(gradient_checkpointing)
        self.padding = padding
        if padding == "unpadded":
            use_unpadded(self.encoder, trains=train_parameters and not is_loading())

    def get_output_dim(self) -> int:
        """The size of a token's vector."""
        return int(self.encoder.config.hidden_size)

    def train(self, mode: bool = True) -> "TransformerEmbedder":
        """As in `torch.nn.Module`, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if not self.train_parameters:
            self.encoder.eval()
        return self

    def forward(
        self,
        piece_ids: Tensor,
        piece_counts: Tensor,
        mask: Tensor,
        piece_totals: Optional[Sequence[int]] = None,
        before_ids: Optional[Tensor] = None,
        after_ids: Optional[Tensor] = None,
        context_counts: Optional[Tensor] = None,
        context_totals: Optional[Sequence[tuple[int, int]]] = None,
    ) -> Tensor:
        """
        # Parameters

        piece_ids : `Tensor`
            The pieces of each sentence, padded at the end. Shape: (batch, pieces)
        piece_counts : `Tensor`
            The number of pieces of each token. Shape: (batch, tokens)
        mask : `Tensor`
            Which tokens are real. Shape: (batch, tokens)
        piece_totals : `Optional[Sequence[int]]`, optional (default=`None`)
            The number of pieces of each sentence, known to the host. Without it the host waits for the device where it
            needs it: for texts longer than a window, for `unpadded`, and for texts in a context.
        before_ids, after_ids : `Optional[Tensor]`, optional (default=`None`)
            The pieces around each sentence. The encoder reads them with it, the nearest where a window does not hold
            all; they get no vector. Shape: (batch, pieces before it), (batch, pieces after it)
        context_counts : `Optional[Tensor]`, optional (default=`None`)
            The numbers of both. Shape: (batch, 2)
        context_totals : `Optional[Sequence[tuple[int, int]]]`, optional (default=`None`)
            The same on the host; as `piece_totals`.

        # Returns

        `Tensor`
            One vector per token; zeros for padding and for tokens without pieces. Shape: (batch, tokens, dim)
        """
        counts = piece_counts * mask  # Shape: (batch, tokens)
        around = None if before_ids is None or after_ids is None else (before_ids, after_ids)
        lengths: Sequence[int] = []
        if piece_ids.size(1) > self.window_size or self.padding == "unpadded" or around is not None:
            lengths = counts.sum(dim=1).tolist() if piece_totals is None else piece_totals
            piece_ids = piece_ids[:, : max(lengths, default=0)]
        # Shape of the result: (batch, pieces, dim)
        if around is None or context_counts is None:
            pieces = self._encode_pieces(piece_ids, counts.sum(dim=1), lengths)
        else:
            totals = context_counts.tolist() if context_totals is None else context_totals
            pieces = self._encode_in_context(piece_ids, lengths, around, totals)
        return pool(pieces, counts, self.pooling)

    def token_replacer(self) -> Replacer:
        """
        `replace_tokens`, for `TokenDropout`.

        # Raises

        `ConfigError` if the tokenizer has neither a mask piece nor an unknown piece.
        """
        if self.replacement_id is None:
            raise ConfigError("model.token_dropout needs a tokenizer with a mask piece or an unknown piece")
        return self.replace_tokens

    def replace_tokens(self, tensors: Mapping[str, Any], dropped: Tensor) -> dict[str, Any]:
        """
        What the indexer made of a batch, with the mask piece in place of each piece of some tokens.

        # Parameters

        tensors : `Mapping[str, Any]`
            The arguments of `forward`.
        dropped : `torch.BoolTensor`
            The tokens to replace. Shape: (batch, tokens)
        """
        piece_ids = tensors["piece_ids"]
        owners = piece_owners(tensors["piece_counts"] * tensors["mask"], piece_ids.size(1))
        pieces = torch.nn.functional.pad(dropped, (0, 1)).gather(1, owners)  # Shape: (batch, pieces)
        return {**tensors, "piece_ids": piece_ids.masked_fill(pieces, self.replacement_id)}

    def last_layer(self, piece_ids: Tensor, lengths: Tensor, known: Sequence[int]) -> Tensor:
        """
        The encoder's last layer, as the head of a language model reads it, whatever layers the tokens' vectors mix.

        # Parameters

        piece_ids : `Tensor`
            As in `forward`. Shape: (batch, pieces)
        lengths : `Tensor`
            The number of pieces of each sentence; that of the longest is `pieces`. Shape: (batch,)
        known : `Sequence[int]`
            The same on the host.

        # Returns

        `Tensor`
            One vector per piece, meaningless after a sentence's end. Shape: (batch, pieces, dim)
        """
        mix, self.scalar_mix = self.scalar_mix, None
        try:
            return self._encode_pieces(piece_ids, lengths, known)
        finally:
            self.scalar_mix = mix

    def _encode_pieces(self, piece_ids: Tensor, lengths: Tensor, known: Sequence[int]) -> Tensor:
        """The vectors of pieces, in windows if they need some. Shape: (batch, pieces, dim)"""
        if piece_ids.size(1) > self.window_size:
            return self._encode_windows(piece_ids, known)
        return self._encode(piece_ids, lengths, known)

    def _encode_in_context(
        self,
        piece_ids: Tensor,
        lengths: Sequence[int],
        around: tuple[Tensor, Tensor],
        totals: Sequence[tuple[int, int]],
    ) -> Tensor:
        """The vectors of pieces that are encoded with those around them. Shape: (batch, pieces, dim)"""
        before, after = around
        layout = lay_out_context(lengths, totals, (before.size(1), piece_ids.size(1)), self.window_size)
        device = piece_ids.device
        row = torch.cat([before, piece_ids, after], dim=1)  # Shape: (batch, pieces before, own, and after)
        ids = row.gather(1, to_device(layout.sources, device))  # Shape: (batch, pieces in context)
        # Shape: (batch, pieces in context, dim)
        vectors = self._encode_pieces(ids, to_device(layout.lengths, device), layout.lengths.tolist())
        own = to_device(layout.own, device).unsqueeze(-1)  # Shape: (batch, pieces, 1)
        return vectors.gather(1, own.expand(-1, -1, vectors.size(-1)))

    def _encode_windows(self, piece_ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """The vectors of pieces of sentences that may not fit in one window. Shape: (batch, pieces, dim)"""
        plan = plan_windows(lengths, self.window_size, self.window_overlap)
        layout = lay_out(plan, lengths, piece_ids.shape, self.max_windows_per_pass)
        device = piece_ids.device
        encoded = []
        for window_pieces, window_lengths in zip(layout.passes, layout.lengths, strict=True):
            ids = piece_ids.reshape(-1)[to_device(window_pieces, device)]  # Shape: (windows, width)
            # Shape: (windows, width, dim)
            vectors = self._encode(ids, to_device(window_lengths, device), window_lengths.tolist())
            encoded.append(vectors.flatten(0, 1))
        return torch.cat(encoded)[to_device(layout.sources, device)]

    def _encode(self, piece_ids: Tensor, lengths: Tensor, known: Sequence[int]) -> Tensor:
        """
        The vectors of the pieces of sentences that each fit in one window.

        `piece_ids` has shape (batch, pieces), `lengths` (batch,), the result (batch, pieces, dim). Vectors after a
        sentence's end are meaningless. `known` are the lengths on the host, which `unpadded` needs.
        """
        before, after = self.prefix_ids.numel(), self.suffix_ids.numel()
        batch, width = piece_ids.shape
        position = torch.arange(before + width + after, device=piece_ids.device)  # Shape: (positions,)
        end = before + lengths.unsqueeze(1)  # Shape: (batch, 1)
        # Shape: (batch, positions)
        ids = torch.nn.functional.pad(piece_ids, (before, after), value=self.padding_id)
        ids = ids.masked_fill(position >= end, self.padding_id)
        ids[:, :before] = self.prefix_ids
        # Shape: (batch, after)
        places = end + torch.arange(after, device=piece_ids.device)
        ids = ids.scatter(1, places, self.suffix_ids.expand(batch, after))
        if self.padding == "unpadded":
            hidden = self._unpadded(ids, [max(before + length + after, 1) for length in known])
        else:
            # Attend to at least one position: a softmax over none is undefined. Shape: (batch, positions)
            attended = position < (end + after).clamp(min=1)
            hidden = self._hidden(ids, attention_mask=self._attention_mask(attended))
        return hidden[:, before : before + width]

    def _attention_mask(self, attended: Tensor) -> Tensor:
        """
        The encoder's mask, from the positions to attend to, (batch, positions). Shape: that, or (batch, 1, positions,
        positions)
        """
        config = self.encoder.config
        if attended.device.type == "cpu" or config._attn_implementation != "sdpa" or not supports_interface(config):
            return attended.long()
        # The encoder would make this mask itself, but first wait for the device to find out whether it needs one.
        return attended[:, None, None, :].expand(-1, 1, attended.size(1), -1)

    def _unpadded(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """The vectors of `ids`, (batch, positions), of these lengths; 0 past them. Shape: (batch, positions, dim)"""
        batch, width = ids.shape
        sequences = Sequences.of(lengths, width, ids.device)
        row = ids.flatten()[sequences.places].unsqueeze(0)  # Shape: (1, all positions)
        positions = (sequences.positions + self.first_position).unsqueeze(0)
        vectors = self._hidden(row, position_ids=positions, **sequences.options()).squeeze(0)
        padded = vectors.new_zeros(batch * width, vectors.size(1)).index_copy(0, sequences.places, vectors)
        return padded.view(batch, width, -1)

    def _hidden(self, ids: Tensor, **options: Any) -> Tensor:
        """Run the encoder on `ids`, (batch, positions). Shape: (batch, positions, dim)"""
        with self._dropout(ids.device), contextlib.nullcontext() if self.train_parameters else torch.no_grad():
            output = self.encoder(
                input_ids=ids, output_hidden_states=self.scalar_mix is not None, return_dict=True, **options
            )
        if self.scalar_mix is None:
            last: Tensor = output.last_hidden_state
            return last
        # Do not mix the first, the output of the embedding layer.
        mixed: Tensor = self.scalar_mix(list(output.hidden_states[1:]))
        return mixed

    def _dropout(self, device: torch.device) -> contextlib.AbstractContextManager[Any]:
        """The context for the encoder's dropout."""
        if device.type != "cpu" or not self.encoder.training:
            return contextlib.nullcontext()
        recomputed = getattr(self.encoder, "is_gradient_checkpointing", False)  # searches all modules
        return contextlib.nullcontext() if recomputed else CheapDropout()

    def _set_window(self, max_length: Optional[int], overlap: Optional[int], tokenizer: Any) -> None:
        prefix, suffix = special_ids(tokenizer)
        self.register_buffer("prefix_ids", torch.tensor(prefix, dtype=torch.int64), persistent=False)
        self.register_buffer("suffix_ids", torch.tensor(suffix, dtype=torch.int64), persistent=False)
        self.padding_id = tokenizer.pad_token_id or 0
        self.first_position = _first_position(self.encoder)
        limit = _limit(self.encoder, tokenizer)
        if max_length is not None and limit is not None and max_length > limit:
            raise ConfigError(f"ner_transformer.max_length must be <= {limit}, the encoder's limit, got {max_length}")
        length = max_length or limit or 512
        self.window_size = length - len(prefix) - len(suffix)
        if self.window_size < 1:
            special = len(prefix) + len(suffix)
            raise ConfigError(f"ner_transformer.max_length must be > {special}, the special pieces, got {length}")
        self.window_overlap = self.window_size // 4 if overlap is None else overlap
        if not 0 <= self.window_overlap < self.window_size:
            raise ConfigError(
                f"ner_transformer.window_overlap must be from 0 to {self.window_size - 1}, less than a window of "
                f"{self.window_size} pieces, got {overlap}"
            )

    def _set_training(self, gradient_checkpointing: bool) -> None:
        if gradient_checkpointing and self.train_parameters:
            if not self.encoder.supports_gradient_checkpointing:
                name = type(self.encoder).__name__
                raise ConfigError(f"ner_transformer.gradient_checkpointing must be false: {name} does not support it")
            self.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.encoder.requires_grad_(self.train_parameters)
        # Some classes have no option to leave the pooler out. Distributed training would wait for its gradients.
        for name, parameter in self.encoder.named_parameters():
            if name.startswith("pooler."):
                parameter.requires_grad_(False)
        self.train(self.training)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # Ignore computed tables, which only some versions of transformers save.
        computed = tuple(f"{prefix}encoder.embeddings.{name}" for name in ("position_ids", "token_type_ids"))
        for name in computed:
            state_dict.pop(name, None)
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _check_vocabulary(tokenizer: Any, config: Any, model_name: str) -> None:
    highest = max(tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).values())
    if highest >= config.vocab_size:
        raise ConfigError(
            f"model_name: the tokenizer of {model_name!r} has ids up to {highest}, but its encoder has only "
            f"{config.vocab_size} embeddings: they do not belong together. Take both from the same source"
        )


def _limit(encoder: Any, tokenizer: Any) -> Optional[int]:
    """The number of pieces that an encoder reads at once, special pieces included; `None` if there is no limit."""
    positions = (getattr(encoder.config, "max_position_embeddings", None) or 0) - _first_position(encoder)
    limits = [limit for limit in (positions, length_limit(tokenizer)) if limit is not None and limit > 0]
    return min(limits, default=None)


def _first_position(encoder: Any) -> int:
    """The position of a text's first piece: RoBERTa counts positions from after the padding id."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(module.padding_idx) + 1
    return 0
