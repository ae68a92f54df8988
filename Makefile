# `make demo` and `make test` need Python >= 3.10 and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
BIN := $(VENV)/bin
# Exact versions for the environments of `make test` and `make test-unite`, such as LOCK=requirements/ci.txt; empty: the newest.
LOCK ?=
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check $(if $(LOCK),--constraint $(LOCK))
PYTEST := -m pytest -n 2 --dist worksteal
# Two workers with one thread each: with more, torch and Faiss wait for each other's threads most of the time.
THREADS := OMP_NUM_THREADS=1

.PHONY: help demo test test-unite test-unpinned test-explore ci lock check docs site benchmark starter gpu-check clean

help:
	@echo "make demo            draw a small library, index it, search it, write a gallery"
	@echo "make demo MEDIA=DIR  the same on a folder of your own, such as MEDIA=\"\$$HOME/Pictures\""
	@echo "make test            all checks and all tests"
	@echo "make test-unite      all tests, those that need torch too, in .venv-unite (8 GB)"
	@echo "make test-unpinned   all checks and tests in a fresh environment with the newest dependencies"
	@echo "make test-explore    the property tests on new random examples, more of them"
	@echo "make ci              everything that CI runs, with a summary at the end"
	@echo "make lock            write requirements/*, the exact versions that CI and the container install"
	@echo "make check           format, lint, types and layers only"
	@echo "make docs            write the pages that are made from code and results"
	@echo "make site            build the documentation site in build/site"
	@echo "make benchmark       write docs/results/*.json (needs ../shared/data)"
	@echo "make starter         train the starter's head and write its weights (needs ../shared/data)"
	@echo "make gpu-check       check tests, encoder and search on an NVIDIA GPU and write docs/results/gpu.json"
	@echo "make clean           remove the virtual environment and what tools left behind"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --editable ".[cpu,dev]"
	touch $@

$(DEMO_VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[cpu,demo]"
	touch $@

demo: $(DEMO_VENV)/installed
	$(DEMO_VENV)/bin/unite-search demo $(if $(MEDIA),"$(MEDIA)") --out demo

test: check
	$(THREADS) $(BIN)/python $(PYTEST)

test-unpinned:
	rm -rf .venv-unpinned
	$(MAKE) test VENV=.venv-unpinned LOCK=

test-explore: $(VENV)/installed
	$(THREADS) HYPOTHESIS_PROFILE=explore $(BIN)/python $(PYTEST) -m "not slow"

ci:
	.ci/run

# With the newest pip: older ones leave out licences that are stated as SPDX expressions.
lock: .venv-audit/installed
	.venv-audit/bin/python -m tools.lock

.venv-unite/installed: pyproject.toml
	$(PYTHON) -m venv .venv-unite
	.venv-unite/bin/python $(PIP_INSTALL) torch==2.14.1 torchvision==0.29.1
	.venv-unite/bin/python $(PIP_INSTALL) --editable ".[cpu,dev,train]" mteb
	touch $@

.venv-audit/installed:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip pip-audit
	touch $@

test-unite: .venv-unite/installed
	$(THREADS) .venv-unite/bin/python $(PYTEST)

check: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/installed
	$(BIN)/python -m tools.module_list
	$(BIN)/python -m tools.cli_reference
	$(BIN)/python -m tools.http_reference
	$(BIN)/python -m tools.licences
	$(BIN)/python -m tools.results_page
	$(BIN)/python -m tools.reliability_page
	$(BIN)/python -m tools.speed_tables
	$(BIN)/python -m tools.typed_queries_page

site: docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

benchmark: $(VENV)/installed
	$(BIN)/python -m benchmarks all --data ../shared/data

.venv-train/installed: pyproject.toml
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python -m pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1
	.venv-train/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[cpu,train]"
	touch $@

starter: .venv-train/installed
	.venv-train/bin/python -m train.starter.make
	.venv-train/bin/python -m benchmarks starter-seeds --data ../shared/data

.venv-gpu/installed: pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[gpu]" pytest hypothesis
	touch $@

gpu-check: .venv-gpu/installed
	.venv-gpu/bin/python -m tools.gpu_check

clean:
	rm -rf $(VENV) $(DEMO_VENV) .venv-unite .venv-train .venv-gpu .venv-unpinned .venv-audit .venv-python* demo build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
