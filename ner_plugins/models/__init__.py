"""The models: each is a head over the encoding that `NerModel` shares."""
