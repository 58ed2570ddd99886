# `make` alone says what there is. One training run = one target = one papermill process.
# Variables count only when they are given on make's command line: a site's own DATA or JOBS have no influence.

ifneq ($(findstring e,$(firstword -$(MAKEFLAGS))),)
$(error make -e (or an e in MAKEFLAGS) lets variables of your shell in that were meant for something else; leave it out)
endif
# No lines about directories from the makes that this one calls.
MAKEFLAGS += --no-print-directory

PROFILE = demo
PYTHON =
VENV = .venv
# Put before every training run: LAUNCH="srun --gres=gpu:1"
LAUNCH =
# Runs at a time: the demo's are small enough for two; real ones use all cores or the whole GPU.
JOBS = $(if $(filter demo%,$(PROFILE)),2,1)
# cpu, gpu (TensorFlow's CUDA packages) or gpu-jax: which locked requirements the environment gets.
DEVICE = cpu
# tensorflow or jax: what computes.
BACKEND = $(if $(filter gpu-jax,$(DEVICE)),jax,tensorflow)
DATA =
WEIGHTS =
BUDGET =
ARGS =
ADDRESS =
AUDIT = $(addprefix requirements/,$(addsuffix .txt,uv book run gpu gpu-jax dev)) .binder/requirements.txt
# For predict: one or more images or folders, a run of your own, a new CSV, a new folder. For external: a folder.
IMAGE =
RUN =
OUT =
MAPS =
EXTERNAL =

# What is passed on as it was typed, whatever characters a path has.
ifneq ($(value DATA),)
export HAM10000_DIR := $(value DATA)
endif
ifneq ($(value WEIGHTS),)
export WAGF_WEIGHTS_DIR := $(value WEIGHTS)
endif
export IMAGE OUT MAPS EXTERNAL
export KERAS_BACKEND := $(BACKEND)
export WAGF_DEVICE := $(DEVICE)
export WAGF_LAUNCH := $(LAUNCH)
export TF_CPP_MIN_LOG_LEVEL = 2
export PYTHONUNBUFFERED = 1

oneword = $(if $(filter 1,$(words $($(1)))),,$(error $(1) is "$($(1))", but must be one word without blanks))
oneof = $(if $(and $(filter 1,$(words $($(1)))),$(filter $($(1)),$(2))),,$(error $(1) is "$($(1))", but must be one of: $(2)))
$(call oneword,VENV)
$(call oneword,PROFILE)
$(call oneof,DEVICE,cpu gpu gpu-jax)
$(call oneof,BACKEND,tensorflow jax)

BIN := $(VENV)/bin
WAGF := $(BIN)/python -m wagf_src
# A profile is known by its file's name without the ending; dots inside a name are part of it.
NAME := $(patsubst %.yml,%,$(patsubst %.yaml,%,$(notdir $(PROFILE))))
WORK := results/$(NAME)/.work
# An outer `make -j` keeps its job count.
SUBMAKE = $(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
# Any Python starts the installer; it finds the one to build on.
install = @$(or $(shell command -v python3 || command -v python),python3) requirements/install.py $(1) $(or $(2),$(VENV)) --python "$(PYTHON)"

# On Ctrl-C every process of the recipe is told; what is left to say is one line, of the make that was typed.
stopped = printf "\n%s\n" "Stopped. The same command goes on: what is finished stays, a run goes on from its last saved epoch." >&2;
stop = trap '$(if $(filter 0,$(MAKELEVEL)),$(stopped)) exit 0' INT;

.DEFAULT_GOAL := help
.PHONY: help reproduce sweep work report runs tables chapters book check links advisories address release architecture data test lint bench torture lab keep publish clean lock env-book env-run env-dev env-peers predict external

help:  ## what there is (this list)
	@echo "make TARGET [PROFILE=$(PROFILE)] [DATA=folder] [WEIGHTS=folder] [JOBS=n] [DEVICE=cpu|gpu|gpu-jax] [LAUNCH=...]"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "profiles: $(sort $(notdir $(basename $(wildcard notebooks/profiles/*.yaml)))) (each also with -trial: a few images)"

reproduce: env-run  ## everything for one profile: data, runs, chapters, book; does nothing when nothing changed
	@$(stop) $(WAGF) prepare "$(PROFILE)"
	@$(stop) if [ -e "$(WORK)/todo" ]; then $(MAKE) work; fi

work:
	@$(stop) $(MAKE) runs
	@$(stop) $(MAKE) report
	@$(WAGF) summary "$(PROFILE)"

sweep: env-run  ## train the missing runs of PROFILE in one process, for a GPU; BUDGET=seconds in all; then reproduce
	@$(stop) $(WAGF) sweep "$(PROFILE)" $(if $(BUDGET),--seconds $(BUDGET))

report: chapters  ## tables, chapters and book again, from the runs that are there (yours, else the committed ones); trains nothing
	@$(stop) $(WAGF) book "$(PROFILE)"

runs:
	@$(stop) todo="$$(cat "$(WORK)/stale_runs")"; [ -z "$$todo" ] || $(SUBMAKE) -k $$(printf 'run.%s ' $$todo)

# What fails says so in one line and ends with code 2; any other code is of what killed it.
run.%:
	@$(stop) $(LAUNCH) $(WAGF) run "$(PROFILE)" $* || { code=$$?; [ $$code -eq 2 ] || \
	  echo "error: run $* ended with code $$code and no error of its own; killed, or out of memory? (log: $(WORK)/$*/log)" >&2; exit $$code; }

chapters: env-run
	@$(stop) $(WAGF) chapters "$(PROFILE)"

tables: env-run  ## every table of PROFILE as CSV, from the runs that are there
	@$(stop) $(WAGF) tables "$(PROFILE)"

book: env-book  ## the committed reference book, from book/; runs nothing
	@$(BIN)/jupyter-book build book/ --path-output . -n -W --keep-going -q
	@echo "Book: _build/html/index.html"

check: env-dev  ## the book as it stands: links, alternative texts, formulas, small windows
	@$(BIN)/python -m pytest tests/test_book.py

links: env-book  ## whether every address that the book names still answers (needs the network)
	@$(BIN)/jupyter-book build book/ --path-output . --builder linkcheck -q

advisories:  ## known weaknesses of the locked packages, as PyPI lists them (needs the network)
	@python3 -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install -q pip-audit
	@$(VENV)-audit/bin/pip-audit --disable-pip --require-hashes $(AUDIT:%=-r %)

address: env-book  ## say once where the repository lives, ADDRESS=https://github.com/owner/name; buttons follow
	@$(WAGF) address "$(ADDRESS)"

release: book  ## book and code as archives with checksums, manifest and metadata: _build/release
	@$(WAGF) release

data: env-run  ## HAM10000 from Kaggle into data/ham10000, checked; does nothing when it is there
	@$(stop) $(WAGF) download

test: env-dev  ## all tests
	@$(BIN)/python -m pytest

lint: env-dev  ## style and the floors of the house
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

architecture: env-dev  ## draw the picture of CONTRIBUTING from the package's imports
	@$(BIN)/python -m wagf_src.report.architecture

bench: env-dev env-peers  ## measure speed and cost on this machine (hours, best left alone): results/bench
	@$(BIN)/python -m wagf_src.bench --peers $(VENV)-peers/bin/python

torture: env-dev  ## kill `make reproduce` of a tiny profile 100 times and start it again (an hour), try bad inputs and faults: results/bench
	@$(BIN)/python tests/torture.py $(ARGS)
	@$(BIN)/python -m pytest $(addprefix tests/test_,$(addsuffix .py,bad_inputs book_is_computed determinism faults lock \
	  no_typed_result supply torture)) --figures results/bench/tests.csv

lab: env-run  ## JupyterLab on notebooks/; ARGS="--allow-root --no-browser" and the like are passed on
	@$(BIN)/jupyter lab notebooks/ $(ARGS)

predict: env-run  ## what the shipped model (or RUN=profile/run) says of IMAGE=file or folder; OUT=new.csv MAPS=newfolder
	@$(WAGF) predict $(if $(value IMAGE),"$$IMAGE",$(error IMAGE is empty; give a photograph or a folder: make predict IMAGE=...)) \
	  $(if $(RUN),--run "$(RUN)") $(if $(value OUT),--out "$$OUT") $(if $(value MAPS),--maps "$$MAPS")

external: env-run  ## test PROFILE's kept models and the shipped one on the labelled images of EXTERNAL=folder; recorded
	@$(WAGF) external "$(PROFILE)" $(if $(value EXTERNAL),"$$EXTERNAL",$(error EXTERNAL is empty; give a folder: make external EXTERNAL=...))

keep: env-run  ## copy a profile's runs into results/reference, beside what is published
	@$(WAGF) keep "$(PROFILE)"

publish: env-run  ## copy a profile's chapters into book/chapters, its runs and tables into results/reference
	@$(WAGF) publish "$(PROFILE)"

clean:  ## remove built books, caches and your results of PROFILE (never what is committed)
	@case '$(NAME)' in ''|.*|reference|bench|*[!A-Za-z0-9._-]*) \
	  echo "error: PROFILE is \"$(NAME)\", which names no results of yours; say whose to remove, for instance PROFILE=demo" >&2; exit 2;; esac
	rm -rf _build "results/$(NAME)" data/cache

lock:  ## resolve pyproject.toml again into requirements/ (needs uv)
	echo uv | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" -o requirements/uv.txt -
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package wagf-src \
	  --custom-compile-command "make lock" --extra dev -o requirements/dev.txt pyproject.toml
	for extra in book run gpu gpu-jax peers notebooks; do \
	  [ $$extra = notebooks ] && lock=.binder/requirements.txt || lock=requirements/$$extra.txt; \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package wagf-src \
	    --custom-compile-command "make lock" -c requirements/dev.txt --extra $$extra -o $$lock pyproject.toml \
	  || exit 1; done

# --- environments: book is the light one, run has it within, dev has run within ---

env-book:
	$(call install,book)

env-run:
	$(call install,$(if $(filter cpu,$(DEVICE)),run,$(DEVICE)))

env-dev:
	$(call install,dev)

env-peers:
	$(call install,peers,$(VENV)-peers)
