# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Words that results use and reports repeat: how a node is known, and why a count is not."""

from __future__ import annotations

#: Every answer of a tier is named in the same way. Header: an answer without it is a fault where others have it.
HEADER = "header"
LOG = "log"
#: Neither: the image sends no header, and the log was not read.
UNNAMED = ""
NAMED_BY = {HEADER: "named by its header", LOG: "named by the balancer's log", UNNAMED: "not named"}

#: Why a node's own count is not known: its image has none, or it was not to be had now.
NOT_OFFERED = "not offered"
NOT_READ = "not read"
