# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Documentation shared by the modules that change nothing."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of a module that only reads or measures."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Runs the same; there is nothing to change.
    support: full
  diff_mode:
    description: There is nothing to change.
    support: none
  idempotent:
    description: Changes nothing.
    support: full
"""
