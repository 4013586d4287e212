# Copyright: Evenkeel contributors
# SPDX-License-Identifier: MIT
"""Thin I/O: whether the console's certificate and key can be used, and belong together."""

from __future__ import annotations

import os
import ssl

from ..core.errors import Problem, quote


def certificate_problems(certificate: str, key: str) -> list[Problem]:
    """Why they cannot be used; none if they can.

    Args:
        certificate: file with the chain, PEM.
        key: file with its key, PEM, without a password.
    """
    named = {"console_certificate": certificate, "console_key": key}
    unread = [
        Problem(knob, quote(path), "a file on this machine that this user can read", "mend the path")
        for knob, path in named.items()
        if not os.path.isfile(path) or not os.access(path, os.R_OK)
    ]
    if unread:
        return unread
    try:
        # A key with a password would be asked for at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        why = getattr(error, "reason", None) or str(error)
        want = "a certificate in PEM, and its key without a password"
        fix = "openssl x509 -in CERTIFICATE -noout -text; openssl pkey -in KEY -noout -check"
        return [Problem("console_certificate and console_key", f"'{why}'", want, fix)]
    return []
