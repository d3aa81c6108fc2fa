"""
Predictions against gold: the rooms behind `allennlp ner-report` and `allennlp ner-threshold`.

`collect` runs a model over labelled data. `figures` computes all figures of a report, from `breakdowns` (by width and
length), `calibration` and `mistakes`. `page` renders them as HTML, with the sentences from `marks`; `confusion_files`
draws the confusion matrix; `visible` makes texts safe to show. `thresholds` finds the best threshold of each type.
"""
