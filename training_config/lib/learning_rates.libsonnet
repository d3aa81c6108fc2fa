// Learning rates of their own for the parts of a model, and no weight decay on biases and layer norms.
//   local learning_rates = import 'lib/learning_rates.libsonnet';
//   trainer+: { optimizer: { type: 'huggingface_adamw' } + learning_rates.of({ encoder: 2e-5, head: 1e-3, crf: 1e-2 }) }
// `head` is required: it is the rate of the head and of every part that has no rate of its own. Name only parts that the
// model has: AllenNLP warns of a group without parameters.
local parts = {
  encoder: @'token_embedder_[^.]*\.(encoder|transformer_model)\.',  // a pretrained transformer
  embeddings: @'(token_embedder_[^.]*|\.words\.embedding)\.weight$',  // of characters and bigrams; of a lexicon's words
  crf: @'^head\.crf\.',  // scores of transitions, which are few and do not decay
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
  // Where vectors of tokens and words are, for a callback's `freeze`.
  embeddings:: parts.embeddings,

  // `rates`: { head, encoder, embeddings, crf }, the last three as the model has them. What it gives is added to an
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
