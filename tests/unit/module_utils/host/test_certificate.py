"""The console's certificate and key are used together, or told as one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.evenkeel.cluster.plugins.module_utils.host.certificate import certificate_problems


def make(folder: Path, name: str, *options: str) -> tuple[str, str]:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=unit"]
    made = [*options] or ["-nodes"]
    subprocess.run([*command, *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return str(certificate), str(key)


def told(certificate: str, key: str) -> list[str]:
    return [str(problem) for problem in certificate_problems(certificate, key)]


def test_a_pair_is_right(tmp_path: Path) -> None:
    assert told(*make(tmp_path, "one")) == []


def test_the_key_of_another_certificate(tmp_path: Path) -> None:
    (line,) = told(make(tmp_path, "one")[0], make(tmp_path, "two")[1])
    assert line.startswith("console_certificate and console_key: got 'KEY_VALUES_MISMATCH', want a certificate in PEM")


def test_a_key_with_a_password_is_not_asked_for(tmp_path: Path) -> None:
    (line,) = told(*make(tmp_path, "one", "-passout", "pass:secret"))
    assert "its key without a password" in line


@pytest.mark.parametrize("missing", ["console_certificate", "console_key"])
def test_a_file_that_is_not_there(tmp_path: Path, missing: str) -> None:
    certificate, key = make(tmp_path, "one")
    Path(certificate if missing == "console_certificate" else key).unlink()
    (line,) = told(certificate, key)
    assert line.startswith(f"{missing}: got '{tmp_path}")
    assert "want a file on this machine" in line


def test_text_that_is_no_certificate(tmp_path: Path) -> None:
    certificate, key = make(tmp_path, "one")
    Path(certificate).write_text("hello")
    (line,) = told(certificate, key)
    assert line.startswith("console_certificate and console_key: got '")
