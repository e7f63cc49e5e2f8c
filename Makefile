# What a newcomer types: make run, make test. `make help` lists the rest.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test coverage check bench rules screenshots help
.DEFAULT_GOAL := help

run: .venv/run.stamp ## Start everything on 127.0.0.1:$PORT (8000); Ctrl-C stops it
	@RODCORP_HTTPS=$${RODCORP_HTTPS:-0} exec $(BIN)/python manage.py serve --port $(PORT)

test: .venv/dev.stamp ## Run the whole test suite
	@$(BIN)/python -m pytest

coverage: .venv/dev.stamp ## Run the suite and show which branches it never took
	@$(BIN)/python -m pytest --cov --cov-report=term-missing

check: .venv/dev.stamp ## Lint, types, layers, templates, deployment, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --check --lint --quiet
	RODCORP_HTTPS=1 RODCORP_DATA_DIR=.venv/check $(BIN)/python manage.py check --deploy --fail-level WARNING
	RODCORP_DATA_DIR=.venv/check $(BIN)/python manage.py makemigrations --check --dry-run

bench: .venv/dev.stamp ## Measure, each figure beside its bound
	@$(BIN)/python -m tests.bench

rules: .venv/dev.stamp ## Take out each rule of the two databases and see who notices
	@$(BIN)/python -m tests.rules

screenshots: .venv/dev.stamp ## Retake the screenshots in docs/images
	$(BIN)/python -m tests.browser.screenshots

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit(f"Rod-Corp needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}. Name another: make run PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/run.stamp
