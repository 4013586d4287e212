# Everything a user or a developer runs, by name. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Named, because Ansible does not look for it in a directory that everybody may write to.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Ansible works with UTF-8 only.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := C.UTF-8
endif

# Arguments for the playbook or the tests, for example ARGS="-e static_nodes=5"
ARGS ?=
BIN := .venv/bin
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: help venv venv-dev up down test lint unit node browser molecule containers integration test-setup bench lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

venv:  ## Make the virtual environment .venv from requirements.txt
	@scripts/venv.sh requirements.txt

venv-dev:  ## The same with what the checks need besides
	@scripts/venv.sh requirements.txt requirements-dev.txt

up: venv  ## Bring the cluster up or reconcile it; ARGS="-e static_nodes=5"
	@scripts/play.sh site.yml $(ARGS)

down: venv  ## Remove the cluster and leave nothing of it behind
	@scripts/play.sh playbooks/teardown.yml $(ARGS)

test: venv-dev  ## Run every check
	@scripts/test.sh

lint: venv-dev  ## Run the linters
	@scripts/lint.sh

unit: venv-dev  ## Run the unit tests
	@echo '==> unit tests'
	@$(BIN)/python -m pytest tests/unit $(ARGS)

node: venv-dev  ## Run the tests of the Node.js applications
	@scripts/node-tests.sh

test-setup: venv-dev  ## Bring up this machine's Docker and what the tests below need
	@scripts/play.sh site.yml
	@scripts/play.sh tests/setup.yml

browser: venv-dev  ## Look at the report in Chromium
	@echo '==> browser tests'
	@$(BIN)/python -m pytest tests/browser $(ARGS)

molecule: venv-dev  ## Test the roles on hosts of their own
	@PATH="$(CURDIR)/$(BIN):$$PATH" molecule test --all $(ARGS)

containers: venv-dev  ## Test the images and the role portainer on containers of their own
	@echo '==> tests on containers of their own'
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest tests/containers $(ARGS)

integration: venv-dev  ## Test the cluster on this machine's own Docker; it must be up
	@echo '==> integration tests'
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest tests/integration $(ARGS)

bench: venv-dev  ## Measure beside other tools on this machine; ARGS=--smoke only shows that it works
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=collections python -m tests.bench.run $(ARGS)

lock: venv-dev  ## Lock requirements*.in anew, with hashes
	@$(PIP_COMPILE) --output-file=requirements.txt requirements.in
	@$(PIP_COMPILE) --output-file=requirements-dev.txt requirements-dev.in

clean:  ## Remove the virtual environment and all caches
	@rm -rf .venv .ansible .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +
