# make demo   the pipeline on a real chest CT and real radiographs; says where its results are
# make test   formatting, types and tests
# make clean  removes what these two installed and wrote (fetched samples stay in the cache)
#
# Each sets up its own virtual environment first, once. Variables:
#   PYTHON=python3.12        interpreter to start from (3.11 or later)
#   TORCH=torch==2.13.0      what `make test` installs as torch; a CPU build is enough
#   PIP_OPTIONS=...          further options for every `pip install`
#   CONSTRAINTS=...          versions to install; empty takes the newest

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
CONSTRAINTS ?= Testing/constraints.txt
PIP_OPTIONS ?=

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) \
	$(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
LISTS := pyproject.toml BoneXray/BoneXrayLib/requirements.txt $(CONSTRAINTS)

.PHONY: demo test check suite clean
.DELETE_ON_ERROR:

demo: $(VENV)/demo.stamp
	$(BIN)/python Testing/demo.py demo-output

test: check suite

check: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/ty check --python $(VENV)

# Ordered after the checks, so that the last lines are pytest's own summary. Each process computes with
# one thread: as many processes as cores leave no core for a second, and waiting for it costs time.
suite: export OMP_NUM_THREADS ?= 1
suite: check
	$(BIN)/python -m pytest

$(VENV)/made.stamp:
	$(PYTHON) Testing/system_packages.py python
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/demo.stamp: $(VENV)/made.stamp $(LISTS)
	$(INSTALL) --editable '.[slicer]'
	touch $@

$(VENV)/test.stamp: $(VENV)/made.stamp $(LISTS)
	$(PYTHON) Testing/system_packages.py panel
	$(INSTALL) --editable '.[slicer,train,test]' '$(TORCH)'
	touch $@ $(VENV)/demo.stamp

clean:
	rm -rf $(VENV) demo-output build .pytest_cache .ruff_cache *.egg-info
