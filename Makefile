# The commands of the house; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
DATA_DIR ?= var
SEEDS ?= seeds

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: $(VENV)/.ready ## the whole service on this machine, until Ctrl-C (PORT=, DATA_DIR=, SEEDS=)
	@SYNDICATION_PORT="$(PORT)" SYNDICATION_DATA_DIR="$(DATA_DIR)" exec $(PY) -m syndication up --seeds "$(SEEDS)"

check: $(VENV)/.ready-dev ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: $(VENV)/.ready-dev ## the whole suite, real servers included
	scripts/setup
	$(PY) -m pytest -n 2

bench: $(VENV)/.ready-dev ## the benchmark tables (NAME=publish for one)
	scripts/setup bench
	@for name in $(if $(NAME),$(NAME),publish poll freeze hub); do echo "== $$name"; $(PY) bench/$$name.py || exit 1; done

migration: $(VENV)/.ready-dev ## write the initial migration anew from the models
	$(PY) -m syndication.ledger.migrations.generate
	$(VENV)/bin/ruff format --quiet syndication/ledger/migrations

.PHONY: help run check test bench migration
