"""Rules that add, forbid and correct predicted spans: the option `post_processing` of every model."""

from ner_plugins.post_processing.post_processing import PostProcessing
from ner_plugins.post_processing.span_matcher import SpanMatcher
from ner_plugins.post_processing.span_rule import SpanRule
from ner_plugins.post_processing.span_rules import AddRule, ForbidRule, RetypeRule, StripRule

__all__ = ["AddRule", "ForbidRule", "PostProcessing", "RetypeRule", "SpanMatcher", "SpanRule", "StripRule"]
