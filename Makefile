# `make` alone says what there is. One training run = one target = one papermill process.

# No lines about directories from the makes that this one calls.
MAKEFLAGS += --no-print-directory

PROFILE ?= demo
PYTHON  ?= python3
VENV    ?= .venv
# Put before every training run: LAUNCH="srun --gres=gpu:1"
LAUNCH  ?=
# Runs at a time: the demo's are small enough for two; real ones use all cores or the whole GPU.
JOBS    ?= $(if $(filter demo%,$(PROFILE)),2,1)
# cpu or gpu: which locked requirements the environment gets.
DEVICE  ?= cpu

ifneq ($(DATA),)
export HAM10000_DIR := $(abspath $(DATA))
endif
ifneq ($(WEIGHTS),)
export WAGF_WEIGHTS_DIR := $(abspath $(WEIGHTS))
endif
export KERAS_BACKEND ?= tensorflow
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PYTHONUNBUFFERED = 1

BIN      := $(VENV)/bin
PIPELINE := $(BIN)/python -m wagf_src
NAME     := $(notdir $(basename $(PROFILE)))
WORK     := results/$(NAME)/.work
RUN_LOCK := requirements/$(if $(filter gpu,$(DEVICE)),gpu,run).txt
# An outer `make -j` keeps its job count.
SUBMAKE  = $(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

.DEFAULT_GOAL := help
.PHONY: help reproduce batch work report runs chapters book data test bench lab keep publish clean lock

help:  ## what there is (this list)
	@echo "make TARGET [PROFILE=$(PROFILE)] [DATA=folder] [WEIGHTS=folder] [JOBS=n] [DEVICE=cpu|gpu] [LAUNCH=...]"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "profiles: $(sort $(notdir $(basename $(wildcard notebooks/profiles/*.yaml)))) (each also with -trial: a handful of images)"

reproduce: $(VENV)/.run  ## everything for one profile: data, runs, chapters, book; does nothing when nothing changed
	@$(PIPELINE) prepare $(PROFILE)
	@if [ -e $(WORK)/todo ]; then $(MAKE) work; fi

work:
	@$(MAKE) runs
	@$(MAKE) report
	@$(PIPELINE) summary $(PROFILE)

batch: $(VENV)/.run  ## train the missing runs of PROFILE in one process, for a GPU; BUDGET=seconds in all; then reproduce
	@$(BIN)/python -m wagf_src sweep $(PROFILE) $(if $(BUDGET),--seconds $(BUDGET))

report: chapters  ## chapters and book again, from the runs that are there (yours, else the committed ones); trains nothing
	@$(PIPELINE) book $(PROFILE)

runs:
	@todo="$$(cat $(WORK)/stale_runs)"; [ -z "$$todo" ] || $(SUBMAKE) -k $$(printf 'run.%s ' $$todo)

# A failure is one line: the Python error in the log, else (killed from outside) the exit code.
run.%:
	@mkdir -p $(WORK)/$*
	@echo "run $*"
	@$(LAUNCH) $(BIN)/papermill notebooks/train.ipynb $(WORK)/$*/train.ipynb -k python3 --no-progress-bar --log-output \
	  -p profile $(PROFILE) -p run $* > $(WORK)/$*/log 2>&1 \
	  || { code=$$?; why="$$(grep -a 'Error: ' $(WORK)/$*/log | tail -n 1)"; \
	  echo "error: run $* failed: $${why:-it ended with code $$code and no error of its own; killed, or out of memory?} (log: $(WORK)/$*/log)" >&2; exit 1; }
	@$(PIPELINE) finish-run $(PROFILE) $*

chapters: $(VENV)/.run
	@$(PIPELINE) chapters $(PROFILE)

book: $(VENV)/.book  ## the committed reference book, from book/; runs nothing
	@$(BIN)/jupyter-book build book/ --path-output . -n -W --keep-going -q
	@echo "Book: _build/html/index.html"

data: $(VENV)/.run  ## HAM10000 from Kaggle into data/ham10000, checked; does nothing when it is there
	@$(BIN)/python -m wagf_src download

test: $(VENV)/.dev  ## all tests
	@$(BIN)/python -m pytest

bench: $(VENV)/.dev  ## measure speed and cost on this machine (hours, best left alone): results/bench
	@$(BIN)/python -m wagf_src.bench

lab: $(VENV)/.run  ## JupyterLab on notebooks/; ARGS="--allow-root --no-browser" and the like are passed on
	@$(BIN)/jupyter lab notebooks/ $(ARGS)

keep: $(VENV)/.run  ## copy a profile's runs into results/reference, beside what is published
	@$(PIPELINE) keep $(PROFILE)

publish: $(VENV)/.run  ## copy a profile's chapters into book/chapters, its runs and tables into results/reference
	@$(PIPELINE) publish $(PROFILE)

clean:  ## remove built books, caches and the results of PROFILE (never the committed reference)
	rm -rf _build results/$(NAME) data/cache

lock:  ## resolve pyproject.toml again into requirements/ (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package wagf-src \
	  --custom-compile-command "make lock" --extra dev -o requirements/dev.txt pyproject.toml
	for extra in book run gpu; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package wagf-src \
	    --custom-compile-command "make lock" -c requirements/dev.txt --extra $$extra -o requirements/$$extra.txt pyproject.toml \
	  || exit 1; done

# --- environments: book is the light one, run has it within, dev has run within ---

define install
	@echo "installing $(1) into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: Python 3.11 or newer is needed; say which with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# The lock is complete, so there is nothing to resolve; compiling on all cores is faster than pip's own.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true  # some packages carry files for other Pythons
endef

$(VENV)/.book: requirements/book.txt
	$(call install,$<)
	@touch $@

$(VENV)/.run: $(RUN_LOCK)
	$(call install,$<)
	@touch $(VENV)/.book $@

$(VENV)/.dev: requirements/dev.txt
	$(call install,$<)
	@touch $(VENV)/.book $(VENV)/.run $@
