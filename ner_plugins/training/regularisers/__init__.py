"""
Callbacks of the trainer `ner` that regularise: adversarial training (`fgm`, `pgd`, `awp`), `r_drop`, and averages of
the weights (`ema`, `swa`). They compose: the passes of the attacks go through `r_drop`, each attack starts from the
unperturbed weights and the batch's own gradient, and averages follow the update.
"""
