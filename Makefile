# The commands of the house; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SEEDS ?= seeds
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --use-pep517

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

# The lock files are whole, hence --no-deps: pip looks nothing up, and nothing at all when they have not changed.
$(VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Name it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	@touch $@

$(VENV)/.ready-bench: $(VENV)/.ready-dev requirements-bench.txt
	$(PIP) -r requirements-bench.txt
	@touch $@

run: export SYNDICATION_PORT := $(or $(PORT),$(SYNDICATION_PORT))
run: export SYNDICATION_DATA_DIR := $(or $(DATA_DIR),$(SYNDICATION_DATA_DIR))
run: $(VENV)/.ready ## the whole service on this machine, until Ctrl-C (PORT=, DATA_DIR=, SEEDS=)
	@exec $(PY) -m syndication up --seeds "$(SEEDS)"

check: $(VENV)/.ready-dev ## format, lint, types, import contracts
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as check; check()'

test: $(VENV)/.ready-dev ## the whole suite, real servers included
	scripts/setup
	$(PY) -m pytest -n 3

bench: $(VENV)/.ready-bench ## the benchmark tables (NAME=publish for one, ARGS= for its options)
	scripts/setup bench
	@for name in $(if $(NAME),$(NAME),publish poll freeze hub mail soak pacing lifetime latency); do echo "== $$name"; $(PY) bench/$$name.py $(ARGS) || exit 1; done

migration: $(VENV)/.ready-dev ## write the initial migration anew from the models
	$(PY) -m syndication.ledger.migrations.generate
	$(PY) -m ruff format --quiet syndication/ledger/migrations

.PHONY: help run check test bench migration
