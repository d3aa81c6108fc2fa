"""
A lazy import hook: runs a function just before or just after a module is first imported.

`PATCHES` lists every function with the module that triggers it. The functions' own modules are imported only then, so
that a Python that never imports AllenNLP pays for one set look-up per import and nothing else.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import Any, Callable, Iterator, Optional, Sequence

# (module that triggers, when, module below ner_plugins, function). A function "before" or "after" the import takes
# no argument; one "around" it takes the module's name and returns a context. Order matters within a trigger.
PATCHES: tuple[tuple[str, str, str, str], ...] = (
    ("allennlp", "before", "compat.requirements", "check_allennlp_requirements"),
    ("allennlp", "before", "compat.home", "supply_home"),
    ("allennlp", "before", "compat.stand_ins", "supply_torchvision"),
    ("allennlp", "before", "compat.stand_ins", "supply_fairscale"),
    ("allennlp", "before", "compat.stand_ins", "supply_spacy"),
    ("allennlp", "around", "compat.deferred", "offered"),
    ("allennlp_models", "before", "compat.stand_ins", "replace_broken_spacy"),
    ("allennlp.common.push_to_hf", "before", "compat.names", "supply_hub_names"),
    ("allennlp.modules.transformer", "before", "compat.names", "supply_file_utils"),
    ("allennlp.training.optimizers", "before", "compat.names", "supply_adamw"),
    ("allennlp.nn.parallel.ddp_accelerator", "before", "compat.sparse_gradients", "clip_sparse_gradients"),
    ("allennlp.training.gradient_descent_trainer", "before", "compat.sparse_gradients", "clip_sparse_gradients"),
    ("allennlp.training.util", "before", "compat.sparse_gradients", "clip_sparse_gradients"),
    ("allennlp.training.optimizers", "after", "compat.deferred", "leave_compiler_alone"),
    ("allennlp.common.logging", "after", "console", "keep_details_in_log_files"),
    ("allennlp.common.tqdm", "after", "progress", "steady_progress"),
    ("allennlp.evaluation.evaluator", "after", "progress", "title_evaluation"),
    ("allennlp.training.util", "after", "progress", "title_test_evaluation"),
    ("allennlp.common.from_params", "after", "options", "refuse_unknown_options"),
    ("allennlp.common.from_params", "after", "options", "locate_construction_errors"),
    ("allennlp.common.params", "after", "settings", "supply_external_variables"),
    ("allennlp.common.params", "after", "options", "name_few_choices"),
    ("allennlp.common.params", "after", "options", "merge_nested_overrides"),
    ("allennlp.common.registrable", "after", "compat.plugins", "complete_registries_on_demand"),
    ("allennlp.common.registrable", "after", "compat.plugins", "let_this_package_win"),
    ("allennlp.common.registrable", "after", "archives.trust", "refuse_class_paths"),
    ("allennlp.common.file_utils", "after", "archives.trust", "refuse_remote_files"),
    ("allennlp.common.util", "after", "archives.trust", "refuse_spacy_downloads"),
    ("allennlp.common.util", "after", "compat.submodules", "look_into_folders_once"),
    ("allennlp.common.plugins", "after", "compat.plugins", "import_plugins_on_demand"),
    ("allennlp_models.rc.tools.narrativeqa", "around", "compat.plugins", "nltk_kept_offline"),
    ("allennlp.nn.parallel.ddp_accelerator", "after", "compat.ddp_names", "keep_parameter_names"),
    ("allennlp.models.model", "after", "archives.reading", "announce_loading_model"),
    ("allennlp.models.model", "after", "archives.new_types", "offer_new_types"),
    ("allennlp.models.archival", "after", "archives.reading", "announce_loading_readers"),
    ("allennlp.models.archival", "after", "archives.writing", "write_whole_archives"),
    ("allennlp.models.archival", "after", "archives.reading", "extract_safely"),
    ("allennlp.models.archival", "after", "archives.reading", "load_as_data"),
    ("allennlp.models.archival", "after", "archives.pretrained_modules", "take_modules_from_archives"),
    ("allennlp.common.cached_transformers", "after", "archives.weights", "load_weights_only"),
    ("allennlp.common.cached_transformers", "after", "compat.stock_tokenizers", "keep_tokenizers"),
    ("allennlp.common.file_utils", "after", "archives.weights", "load_weights_only"),
    ("allennlp.nn.initializers", "after", "archives.weights", "load_weights_only"),
    ("allennlp.nn.util", "after", "archives.weights", "load_weights_only"),
    ("allennlp.training.checkpointer", "after", "archives.weights", "load_weights_only"),
    ("allennlp.training.checkpointer", "after", "compat.checkpoints", "recover_from_whole_checkpoints"),
    ("allennlp.training.gradient_descent_trainer", "after", "archives.weights", "load_weights_only"),
    ("allennlp.training.gradient_descent_trainer", "after", "training.mixed_precision", "offer_amp_dtype"),
    ("allennlp.training.gradient_descent_trainer", "after", "training.bar_titles", "title_epochs"),
    ("allennlp.training.learning_rate_schedulers.pytorch_lr_schedulers", "after", "compat.schedulers", "drop_verbose"),
    ("allennlp.common.util", "around", "compat.deferred", "offered"),
    ("allennlp.data.fields.text_field", "around", "compat.deferred", "offered"),
    ("allennlp.data.token_indexers.spacy_indexer", "around", "compat.deferred", "offered"),
    ("allennlp.data.tokenizers.sentence_splitter", "around", "compat.deferred", "offered"),
    ("allennlp.data.tokenizers.spacy_tokenizer", "around", "compat.deferred", "offered"),
    ("allennlp.data.data_loaders.data_collator", "around", "compat.deferred", "offered"),
    ("allennlp.data.data_loaders.multiprocess_data_loader", "after", "compat.workers", "share_locks"),
    ("allennlp.data.data_loaders.multiprocess_data_loader", "after", "compat.workers", "keep_order"),
    ("allennlp.modules.token_embedders.pretrained_transformer_embedder", "around", "compat.deferred", "offered"),
    ("allennlp.modules.transformer.activation_layer", "around", "compat.deferred", "offered"),
    ("cached_path.schemes", "around", "compat.deferred", "offered"),
    ("torch._dynamo", "after", "compat.deferred", "prepare_for_compiler"),
    ("transformers.distributed.checkpoint", "around", "compat.deferred", "offered"),
    ("transformers.distributed.expert_parallel", "around", "compat.deferred", "offered"),
    ("transformers.distributed.fsdp", "around", "compat.deferred", "offered"),
    ("transformers.distributed.parallel_utils", "around", "compat.deferred", "offered"),
    ("transformers.distributed.sharding_utils", "around", "compat.deferred", "offered"),
    ("transformers.distributed.tensor_parallel", "around", "compat.deferred", "offered"),
    ("transformers.generation.candidate_generator", "around", "compat.deferred", "offered"),
    ("transformers.generation.continuous_batching.cache", "around", "compat.deferred", "offered"),
    ("transformers.integrations.deepgemm", "around", "compat.deferred", "offered"),
    ("transformers.integrations.finegrained_fp8", "around", "compat.deferred", "offered"),
    ("transformers.integrations.flash_paged", "around", "compat.deferred", "offered"),
    ("transformers.integrations.flex_attention", "around", "compat.deferred", "offered"),
    ("transformers.integrations.sonicmoe", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_deformable_detr", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_for_object_detection", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_grounding_dino", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_lw_detr", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_rf_detr", "around", "compat.deferred", "offered"),
    ("transformers.loss.loss_rt_detr", "around", "compat.deferred", "offered"),
    ("transformers.masking_utils", "around", "compat.deferred", "offered"),
    ("transformers.modeling_utils", "around", "compat.deferred", "offered"),
    ("allennlp.training.callbacks.tensorboard", "around", "compat.deferred", "offered"),
    ("allennlp.training.metrics.auc", "around", "compat.deferred", "offered"),
    ("allennlp.training.metrics.evalb_bracketing_scorer", "around", "compat.deferred", "offered"),
    ("allennlp.training.metrics.spearman_correlation", "around", "compat.deferred", "offered"),
    ("allennlp.commands.build_vocab", "after", "compat.stock_commands", "build_vocabularies_of_experiments"),
    ("allennlp.commands.checklist", "after", "compat.stock_commands", "explain_checklist"),
    ("allennlp.commands.find_learning_rate", "after", "compat.stock_commands", "search_rates_for_our_trainer"),
    ("allennlp.commands.print_results", "after", "compat.stock_commands", "find_figures_by_name"),
    ("allennlp.commands.push_to_hf", "after", "compat.stock_commands", "explain_push_to_hf"),
    ("allennlp.commands.train", "after", "commands.checks.built", "check_built_experiments"),
    ("allennlp.commands.train", "after", "training.final_evaluation", "evaluate_on_all_ranks"),
    ("allennlp.commands", "after", "commands.command_line", "register_commands"),
    ("allennlp.commands", "after", "commands.command_line", "report_mistakes_in_one_message"),
)


class _PatchingLoader(importlib.abc.Loader):
    """Runs the patches of one module around its real loader."""

    def __init__(self, name: str, loader: importlib.abc.Loader) -> None:
        self._name = name
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        """As the real loader creates it."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with the real loader, and its patches before, around and after that."""
        # `inspect` and `pkgutil` look at a module's loader, so restore the real one.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        run_patches(self._name, "before")
        with contextlib.ExitStack() as stack:
            for surround in patches(self._name, "around"):
                stack.enter_context(surround(self._name))
            self._loader.exec_module(module)
        run_patches(self._name, "after")


class _PatchingFinder(importlib.abc.MetaPathFinder):
    """Finds the modules that `PATCHES` names, through the finders behind it."""

    names = frozenset(patch[0] for patch in PATCHES)

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """The module's spec with a loader that patches it; `None` for any module that `PATCHES` does not name."""
        if fullname not in self.names:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _PatchingLoader(fullname, spec.loader)
                return spec
        return None


def patches(name: str, moment: str) -> Iterator[Callable[..., Any]]:
    """The functions listed for module `name` at `moment` (`before`, `around` or `after` its import), in order."""
    for trigger, when, module, function in PATCHES:
        if trigger == name and when == moment:
            yield getattr(importlib.import_module(f"ner_plugins.{module}"), function)


def run_patches(name: str, moment: str) -> None:
    """Run, in order, the functions listed for module `name` at `moment` (`before` or `after` its import)."""
    for patch in patches(name, moment):
        patch()


def install() -> None:
    """Install the hook, once, and patch at once the modules imported earlier (as in a notebook)."""
    if any(isinstance(finder, _PatchingFinder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _PatchingFinder())
    for name in dict.fromkeys(patch[0] for patch in PATCHES):
        if name in sys.modules and not _is_being_imported(name):
            run_patches(name, "before")
            run_patches(name, "after")


def _is_being_imported(name: str) -> bool:
    spec = getattr(sys.modules[name], "__spec__", None)
    return bool(getattr(spec, "_initializing", False))
