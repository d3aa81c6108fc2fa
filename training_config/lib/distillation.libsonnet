// A teacher for any config: (import 'crf_tagger.jsonnet') + (import 'lib/distillation.libsonnet').of('teacher.tar.gz')
{
  of(teacher, temperature=1, weight=0.5):: {
    model+: { distillation: { teacher: teacher, temperature: temperature, weight: weight } },
  },
}
