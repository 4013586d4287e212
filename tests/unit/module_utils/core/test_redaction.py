"""Secrets do not reach a report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.evenkeel.cluster.plugins.module_utils.core.redaction import (
    REMOVED,
    is_secret,
    redacted,
    without_address_credentials,
    without_credentials,
    without_variables,
)

CANARY = "CANARY-7f3a"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "db_passwd",
        "passphrase",
        "ansible_become_pass",
        "secret",
        "clientSecret",
        "API_TOKEN",
        "apiKey",
        "api_key",
        "KEY",
        "ssh_private_key",
        "AWS_SECRET_ACCESS_KEY",
        "credentials",
        "Authorization",
        "basic_auth",
        "htpasswd",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)
    assert redacted({name: CANARY}) == {name: REMOVED}
    assert redacted({name: {"deep": [CANARY]}} if name == "password" else {name: [CANARY]}) != {name: [CANARY]}
    assert redacted([f"{name}={CANARY}"]) == [f"{name}={REMOVED}"]


@pytest.mark.parametrize(
    "name",
    [
        "api_password_file",
        "secrets_path",
        "monkey",
        "keyboard",
        "path",
        "author",
        "passive",
        "compass",
        "sticky",
        "turkey",
    ],
)
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret(name)
    assert redacted({name: "shown"}) == {name: "shown"}


@pytest.mark.parametrize(
    "text, shown",
    [
        ("postgres://u:CANARY@db:5432/x", "postgres://(removed)@db:5432/x"),
        ("https://CANARY@example.org/", "https://(removed)@example.org/"),
        ("see http://a:b@c@h/ and ftp://x:y@z", "see http://(removed)@h/ and ftp://(removed)@z"),
        ("http://localhost:8080/a@b", "http://localhost:8080/a@b"),
        ("mail me@example.org", "mail me@example.org"),
    ],
)
def test_credentials_in_addresses(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "name", ["environment", "lab_environment", "load_balancer_environment", "env", "Env", "appEnv"]
)
def test_of_variables_every_value_is_removed(name: str) -> None:
    given_ = {"MYSQL_PWD": CANARY, "JWT": CANARY, "PIN": 7_358, "DEBUG": True, "EMPTY": "", "NONE": None}
    told = {**dict.fromkeys(["MYSQL_PWD", "JWT", "PIN", "DEBUG"], REMOVED), "EMPTY": "", "NONE": None}
    lists = [f"PWD={CANARY}", CANARY], [f"PWD={REMOVED}", REMOVED]
    for remove in (redacted, without_variables):
        assert remove({"tiers": [{name: given_}]}) == {"tiers": [{name: told}]}
        assert remove({name: lists[0]}) == {name: lists[1]}
        assert remove({name: {"deep": {"er": [CANARY]}}}) == {name: {"deep": {"er": [REMOVED]}}}
        assert remove({name: CANARY}) == {name: REMOVED}


@pytest.mark.parametrize("name", ["envelope", "environment_file", "seven", "convenient"])
def test_names_of_no_variables(name: str) -> None:
    assert redacted({name: {"A": "shown"}}) == without_variables({name: {"A": "shown"}}) == {name: {"A": "shown"}}


def test_texts_of_tiers_secrets_are_removed_whatever_their_names_are() -> None:
    given = {"tiers": [{"secrets": {"pin": "canary", "empty": ""}}, {"secrets": {"files": ["pin"], "folder": ""}}]}
    shown = {"tiers": [{"secrets": {"pin": REMOVED, "empty": ""}}, {"secrets": {"files": ["pin"], "folder": ""}}]}
    assert redacted(given) == without_variables(given) == shown
    # Elsewhere the word is that of a list of paths.
    assert without_variables({"secrets": ["/etc/x"]}) == {"secrets": ["/etc/x"]}


def test_without_variables_all_else_stays() -> None:
    given_ = {"password": CANARY, "n": (1, None), "url": "http://u:p@h/", "environment": {}}
    assert without_variables(given_) == {**given_, "n": [1, None]}


def test_numbers_and_truth_say_which_but_not_what() -> None:
    given_ = {"password": None, "token": True, "keys": 3, "secret": ""}
    assert redacted(given_) == given_


def test_the_names_of_a_measurement_say_nothing() -> None:
    found = without_address_credentials({"keys": ["drill-1"], "url": "http://u:p@h/", "n": (1, None)})
    assert found == {"keys": ["drill-1"], "url": "http://(removed)@h/", "n": [1, None]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.sampled_from(["password", "TOKEN", "api-key", "secret"]))
def test_a_secret_is_removed_wherever_it_is(around: Any, name: str) -> None:
    shown = redacted({"a": [around, {"b": {name: CANARY}}, f"http://me:{CANARY}@host/"], "environment": {name: CANARY}})
    assert CANARY not in json.dumps(shown)
