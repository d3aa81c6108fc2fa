// The peer of cluener.py: everything of training_config/biaffine.jsonnet but the model.
local base = import '../training_config/lib/base.libsonnet';

base { model+: { type: 'softmax_peer', metrics:: null } }
