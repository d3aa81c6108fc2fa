// The config with a teacher; the Makefile names data in another layout, which can hold weights.
(import 'config.jsonnet') + (import '../../training_config/lib/distillation.libsonnet').of('runs/ccks_address/vote.tar.gz')
