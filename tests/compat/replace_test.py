"""`replace`: every kind of function, once."""

import inspect
from types import ModuleType
from typing import Any

from ner_plugins.compat.replace import replace


def doubled(original: Any) -> Any:
    def double(*args: Any, **kwargs: Any) -> Any:
        return 2 * original(*args, **kwargs)

    return double


def negated(original: Any) -> Any:
    def negate(*args: Any, **kwargs: Any) -> Any:
        return -original(*args, **kwargs)

    return negate


class Base:
    factor = 1

    def method(self, x: int) -> int:
        """A docstring."""
        return x * self.factor

    @classmethod
    def class_method(cls, x: int) -> int:
        return x * cls.factor

    @staticmethod
    def static_method(x: int) -> int:
        return x


def test_every_kind_of_function() -> None:
    class Child(Base):
        factor = 3

    for name in ("method", "class_method", "static_method"):
        replace(Child, name, doubled)
    assert Child().method(1) == Child.class_method(1) == Child().class_method(1) == 6
    assert Child.static_method(1) == Child().static_method(1) == 2
    assert Base().method(1) == Base.class_method(1) == 1  # an inherited method is replaced in the subclass only

    class Grandchild(Child):
        factor = 5

    assert Grandchild.class_method(1) == 10

    module = ModuleType("module")
    setattr(module, "function", lambda x: x + 1)  # noqa: B010
    replace(module, "function", doubled)
    assert module.function(1) == 4


def test_the_same_wrapper_once_and_others_on_top() -> None:
    class Owner(Base):
        pass

    for _ in range(2):
        replace(Owner, "class_method", doubled)
        replace(Owner, "class_method", negated)
    replace(Owner, "class_method", doubled)
    assert Owner.class_method(1) == -2


def test_name_signature_and_original_are_kept() -> None:
    class Owner(Base):
        pass

    original = Owner.method
    replace(Owner, "method", doubled)
    assert Owner.method.__name__ == "method" and Owner.method.__doc__ == "A docstring."
    assert inspect.signature(Owner.method) == inspect.signature(original)
    assert Owner.method.__wrapped__ is original
    assert not hasattr(original, "_replaced_by_ner_plugins")
