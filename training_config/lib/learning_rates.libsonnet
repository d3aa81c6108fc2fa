// Separate learning rates for the parts of a model, and no weight decay for biases and layer norms.
//   local learning_rates = import 'lib/learning_rates.libsonnet';
//   trainer+: { optimizer: { type: 'huggingface_adamw' } + learning_rates.of({ encoder: 2e-5, head: 1e-3, crf: 1e-2 }) }
// `head` is required: the rate of the head and of all parts without a rate of their own. Name only parts that the model
// has, since a group without parameters is refused.
local parts = {
  encoder: @'token_embedder_[^.]*\.(encoder|transformer_model)\.',  // a pretrained transformer
  embeddings: @'(token_embedder_[^.]*|\.words\.embedding)\.weight$',  // characters and bigrams; a lexicon's words
  crf: @'^head\.crf\.',  // transition scores: few, and without weight decay
};
local undecayed = '(bias|[Nn]orm)';

local groups(rates, decays) =
  local given = std.filter(function(name) std.objectHas(rates, name), std.objectFields(parts));
  local of_part(name) =
    local pattern = '^(?=.*' + parts[name] + ')';
    if name == 'encoder' && decays then [
      [[pattern + '(?=.*' + undecayed + ')'], { lr: rates[name], weight_decay: 0.0 }],
      [[pattern + '(?!.*' + undecayed + ')'], { lr: rates[name] }],
    ] else [
      [[pattern], { lr: rates[name] } + (if name == 'crf' then { weight_decay: 0.0 } else {})],
    ];
  local of_head = '^' + std.join('', ['(?!.*' + parts[name] + ')' for name in given]) + '.*' + undecayed;
  std.flatMap(of_part, given) + (if decays then [[[of_head], { weight_decay: 0.0 }]] else []);

{
  // The vectors of tokens and words, for a callback's `freeze`.
  embeddings:: parts.embeddings,

  // Add this to an experiment: the rate of a layer of the encoder is `decay` times that of the layer above it, and the
  // embeddings come last.
  //   (import 'biaffine.jsonnet') + learning_rates.layerwise_decay(0.9)
  layerwise_decay(decay):: {
    trainer+: {
      local given = super.optimizer,
      optimizer: { type: 'layerwise_decay', decay: decay, optimizer: given },
    },
  },

  // `rates`: { head, encoder, embeddings, crf }, the last three only if the model has them. Add the result to an
  // optimizer's type.
  of(rates, weight_decay=0.01)::
    local unknown = [name for name in std.objectFields(rates) if !std.objectHas(parts { head: '' }, name)];
    assert unknown == [] : 'learning_rates.of: there is no part ' + unknown[0] + '; there are head, ' +
                           std.join(', ', std.objectFields(parts));
    assert std.objectHas(rates, 'head') : 'learning_rates.of: give head a rate; it is of all that is no other part';
    {
      lr: rates.head,
      weight_decay: weight_decay,
      parameter_groups: groups(rates, weight_decay > 0),
    },
}
