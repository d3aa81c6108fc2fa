"""Names of parameters in distributed training."""

from typing import Any

from ner_plugins.compat.replace import replace


def keep_parameter_names() -> None:
    """
    AllenNLP 2.10.1 gives the parameters of distributed training to the optimizer under the names of torch's wrapper,
    `module.head.crf…`. A parameter group or `no_grad` pattern that says `^head` then matches nothing: all parameters
    would learn with the default rate. They keep the names that they have in the model.
    """
    from allennlp.nn.parallel.ddp_accelerator import TorchDdpAccelerator

    def named_as_in_the_model(wrap_model: Any) -> Any:
        def wrap_with_names(self: Any, model: Any) -> Any:
            model, wrapped = wrap_model(self, model)
            wrapped.model.named_parameters = model.named_parameters
            return model, wrapped

        return wrap_with_names

    replace(TorchDdpAccelerator, "wrap_model", named_as_in_the_model)
