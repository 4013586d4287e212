# The commands for users and developers. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Set explicitly, because Ansible ignores ansible.cfg in a world-writable directory.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Ansible requires UTF-8.
ifneq ($(shell locale charmap 2>/dev/null),UTF-8)
export LC_ALL := C.UTF-8
endif

# Arguments for the playbook or the tests, for example ARGS="-e static_nodes=5"
ARGS ?=
BIN := .venv/bin
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

# What the ansible-test in .venv installs into its environments: it pins versions, which differ from ours, but no hashes.
SANITY_PINS = $(filter-out %.changelog.txt,$(wildcard .venv/lib/python3*/site-packages/ansible_test/_data/requirements/sanity.*.txt))

.PHONY: help venv venv-dev up down test lint sanity unit node hold browser console molecule containers integration test-setup bench readmes lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

venv:  ## Create the virtual environment .venv from requirements.txt
	@scripts/venv.sh requirements.txt

venv-dev:  ## The same, with the tools for the checks
	@scripts/venv.sh requirements.txt requirements-dev.txt

up: venv  ## Bring the cluster up or reconcile it; ARGS="-e static_nodes=5"
	@scripts/play.sh site.yml $(ARGS)

down: venv  ## Remove the cluster completely
	@scripts/play.sh playbooks/teardown.yml $(ARGS)

test: venv-dev  ## Run every check
	@scripts/test.sh

lint: venv-dev  ## Run the linters
	@scripts/lint.sh

sanity: venv-dev  ## Check the collection as the ecosystem does, and that it works from its archive
	@scripts/sanity.sh
	@echo '==> tests of the collection archive'
	@$(BIN)/python -m pytest tests/collection $(ARGS)

unit: venv-dev  ## Run the unit tests
	@echo '==> unit tests'
	@$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit $(ARGS)

node: venv-dev  ## Run the tests of the Node.js application
	@scripts/node-tests.sh

hold: venv-dev  ## Build and test hold, the first process of images that are not ours; needs gcc and musl-tools
	@echo '==> tests of hold'
	@$(BIN)/python -m pytest tests/hold $(ARGS)

test-setup: venv-dev  ## Bring up the cluster and install what the tests below need
	@scripts/play.sh site.yml
	@scripts/play.sh tests/setup.yml

browser: venv-dev  ## Check the report in Chromium
	@echo '==> browser tests'
	@$(BIN)/python -m pytest tests/browser $(ARGS)

console: venv-dev  ## Use the console as people do, in Chromium; the cluster must be up
	@echo '==> console tests'
	@$(BIN)/python -m pytest tests/console $(ARGS)

molecule: venv-dev  ## Test the roles on separate hosts
	@PATH="$(CURDIR)/$(BIN):$$PATH" molecule test --all $(ARGS)

containers: venv-dev  ## Test the images and the role portainer on separate containers
	@echo '==> tests on containers of their own'
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest tests/containers $(ARGS)

integration: venv-dev  ## Test the cluster on this machine; it must be up
	@echo '==> integration tests'
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest tests/integration $(ARGS)

bench: venv-dev  ## Compare with other tools on this machine; ARGS=--smoke only checks that it works
	@PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=collections python -m tests.bench.run $(ARGS)

readmes: venv-dev  ## Write each role's README again from what the role specifies
	@$(BIN)/python scripts/role_readmes.py $(ARGS)

lock: venv-dev  ## Lock requirements*.in again, with hashes
	@$(PIP_COMPILE) --output-file=requirements.txt requirements.in
	@$(PIP_COMPILE) --output-file=requirements-dev.txt requirements-dev.in
	@for part in agent web; do \
		$(PIP_COMPILE) --constraint requirements.txt --output-file=files/console/requirements-$$part.txt files/console/requirements-$$part.in; \
	done
	@$(PIP_COMPILE) --no-annotate --output-file=requirements-sanity.txt $(SANITY_PINS)

clean:  ## Remove the virtual environment and all caches
	@rm -rf .venv .ansible .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +
