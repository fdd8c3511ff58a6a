"""Knows whether this process inherited opened devices through fork().

PoCL hangs in a child once the parent has listed platforms, so a child must never touch them again.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


class _Lineage:
    """Whether this process, or an ancestor before it was forked, has listed OpenCL platforms."""

    opened = False
    inherited = False


_resets: weakref.WeakSet[Resettable] = weakref.WeakSet()


class Resettable:
    """An object whose locks and threads do not survive fork(); `reset_after_fork` runs in the child."""

    def __init__(self) -> None:
        _resets.add(self)

    def reset_after_fork(self) -> None:
        """Make fresh locks and drop threads; called in the child."""
        raise NotImplementedError


_module_resets: list[Callable[[], None]] = []


def on_child(reset: Callable[[], None]) -> None:
    """Run `reset` in every forked child."""
    _module_resets.append(reset)


def note_opened() -> None:
    """Say that this process has listed OpenCL platforms."""
    _Lineage.opened = True


def inherited() -> bool:
    """Whether an ancestor had listed platforms before this process was forked."""
    return _Lineage.inherited


def _after_in_child() -> None:
    _Lineage.inherited = _Lineage.inherited or _Lineage.opened
    for reset in _module_resets:
        reset()
    for resettable in list(_resets):
        resettable.reset_after_fork()


os.register_at_fork(after_in_child=_after_in_child)
