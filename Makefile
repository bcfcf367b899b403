# Targets install what is missing into .venv (or the environment that VENV names) and then do one thing.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
EXTRAS ?= dev,onnx,ray
RUN ?= run pipelines/maps_cyclegan.yaml --profile quick

.PHONY: run results test same bench lint types imports format docs install wheel sdist clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]' -c constraints.txt
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/translate $(RUN)

# Trains what has no result yet and writes docs/results.md. DATA: the folder of the images (docs/results.yaml: root).
# In minutes, to see that it works: make results DATA=FOLDER RESULTS="--steps 2 --output /tmp/results"
results: $(STAMP)
	$(BIN)/python docs/results.py $(if $(DATA),--data $(DATA)) $(RESULTS)

# Tests start hundreds of processes. Each would compile the package anew where Python is told to write no bytecode.
test: $(STAMP)
	$(BIN)/python -m compileall -q -x plugins/templates translate plugins tests/helpers
	$(BIN)/python -m pytest -n auto --dist worksteal -q

# Compares the results of two commits byte for byte, in two to five minutes: make same OLD=v0.1.0 NEW=. SAME="--only convert"
OLD ?= HEAD~1
NEW ?= .
same: $(STAMP)
	$(BIN)/python tests/tools/same_results.py $(OLD) $(NEW) $(SAME)

# Benchmarks of speed into bench/bench.json and bench/bench.md, on a machine that does nothing else.
# One of them: make bench BENCH="--only busy"
bench: $(STAMP)
	$(BIN)/python tests/benchmarks/all.py $(BENCH)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages that are generated from the code, and the site, without a warning and without the network. Not --quiet, which
# would keep mkdocs from counting its warnings.
docs: $(STAMP)
	$(BIN)/python docs/tools/architecture.py
	$(BIN)/python docs/tools/generate.py
	$(BIN)/python docs/tools/contract.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel sdist: $(STAMP)
	$(BIN)/python -m hatchling build -t $@ -d dist

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
