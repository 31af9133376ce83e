# lge_sweep: `make help` lists what there is. Everything runs in .venv, which is made when needed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What a user may set: make phase1 stage=2 data=emidec_png root=FOLDER profile=laptop workers=2 runs=FOLDER
stage   ?= both
data    ?= phantom
root    ?=
profile ?= auto
workers ?= auto
executor ?=
cluster ?=
gpus_per_trial ?=
runs    ?=
set     ?=
port    ?= 5000
full    ?=
only    ?=
models  ?=
seeds   ?=
trials  ?=
pipelines ?=
share   ?=
watch   ?=
images  ?=
installer ?= auto

ifneq ($(share),)
export LGE_SWEEP_SHARE := $(share)
endif

# What is imported is compiled once and kept: to compile it at every start takes three times as long as to load it.
unexport PYTHONDONTWRITEBYTECODE

RUNS    := $(if $(runs),--runs "$(runs)")
PLACE   := --workers $(workers) $(if $(executor),--executor "$(executor)") $(if $(cluster),--cluster "$(cluster)") \
           $(if $(gpus_per_trial),--gpus-per-trial $(gpus_per_trial))
COMMON  := --data "$(data)" --profile "$(profile)" $(RUNS) \
           $(if $(root),--root "$(root)")
# settings of the fit are for phases 3 and 4 alone, so that `make all` can have them
OPTIONS := --stage $(stage) $(PLACE) $(COMMON) $(foreach pair,$(filter-out fit.%,$(set)),--set '$(pair)')
FITTING := $(COMMON) $(if $(pipelines),--pipelines "$(pipelines)") $(foreach pair,$(set),--set '$(pair)')

.DEFAULT_GOAL := help
.PHONY: help install doctor phase1 phase2 phase3 phase4 report all search status sync ui dashboard up down test coverage bench wheel lint \
        format schema docs clean

help:  ## List the targets and their variables
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-9s %s\n", $$1, $$2}'
	@echo
	@echo "  variables: stage=1|2|both data=NAME|FILE root=FOLDER profile=auto|paper|laptop|tour|smoke|FILE"
	@echo "             executor=local|slurm|ray (where cells are trained) cluster=ADDRESS|FILE gpus_per_trial=.25 (four share each GPU)"
	@echo "             workers=auto|N runs=FOLDER set='KEY=VALUE KEY=VALUE' port=N share=nobody|group (who may read results)"
	@echo "             phase2: models=NAME,NAME seeds=N; search: models=NAME,NAME trials=N; phase3 and phase4: pipelines=NAME|FILE"
	@echo "             installer=auto|uv|pip (what installs; auto: uv, or pip where uv is not to be had)"
	@echo "             bench: only=NAME,NAME (sections) full=1 (longer)"
	@echo "  no spaces or quotes inside a value of set=; lge-sweep --set takes any"

install: $(VENV)/installed  ## Make .venv with the pinned dependencies

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v.major}.{v.minor}; give another with PYTHON=")'
	@echo "installing into $(VENV) (once; several GB with the GPU build of torch)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python install.py --by $(installer) dev
	@touch $@

doctor: install  ## What this machine is good for: what is slow and why, what will not work, what to do
	@$(BIN)/lge-sweep doctor $(RUNS)

phase1: install  ## Baseline of five architectures, ranked, for both stages
	@$(BIN)/lge-sweep phase1 $(OPTIONS)

phase2: install  ## Five losses by two optimizers for the models of phase 1; one configuration selected a stage
	@$(BIN)/lge-sweep phase2 $(OPTIONS) $(if $(models),--models "$(models)") $(if $(seeds),--seeds $(seeds))

phase3: install  ## The two selected networks as one pipeline, beside its controls, on the validation subset
	@$(BIN)/lge-sweep phase3 $(PLACE) $(FITTING)

phase4: install  ## The pipeline's one evaluation on the test subset: Tables VI, VII and VIII
	@$(BIN)/lge-sweep phase4 $(FITTING)

report: install  ## The study's report: one page for reviewers, and each table as CSV and LaTeX; images=1: with pictures of patients
	@$(BIN)/lge-sweep report --data "$(data)" --profile "$(profile)" $(RUNS) $(if $(images),--images)

all: install  ## Phases 1 to 4, both stages; goes on where it stopped
	@for phase in phase1 phase2 phase3 phase4; do $(MAKE) --no-print-directory $$phase stage=both || exit; done

search: install  ## Beyond the grid: TPE over losses, optimizers and training options, with early stopping of trials
	@$(BIN)/lge-sweep search $(OPTIONS) $(if $(models),--models "$(models)") $(if $(trials),--trials $(trials))

status: install  ## Every sweep: cells done, running, failed, waiting, best so far; watch=1: again and again
	@$(BIN)/lge-sweep status $(RUNS) $(if $(watch),--watch)

sync: install  ## Deliver to MLflow what could not be delivered while it was away
	@$(BIN)/lge-sweep sync $(RUNS)

ui: install  ## MLflow UI on 127.0.0.1, opened on the experiment
	@$(BIN)/lge-sweep ui $(RUNS) --port $(port)

dashboard: install  ## Optuna dashboard on 127.0.0.1, opened on the latest search: the trials of every sweep
	@$(BIN)/lge-sweep dashboard $(RUNS) $(if $(filter-out 5000,$(port)),--port $(port))

up:  ## PostgreSQL, MLflow's server and a Ray cluster in containers, on 127.0.0.1; says what to type next (docs/docker.md)
	@docker/stack.sh up

down:  ## Stop these containers; what is in their volumes stays
	@docker/stack.sh down

test: install  ## All tests
	@$(PYTEST)

coverage: install  ## All tests, with the branches of the code that they reach
	@$(PYTEST) --cov --cov-report=term

bench: install  ## What the program costs, beside a bare loop and other libraries: training, metrics, start, memory
	@$(BIN)/python benchmarks/bench.py $(if $(full),--full) $(if $(only),--only "$(only)") $(if $(root),--root "$(root)") \
	  $(if $(filter-out auto,$(workers)),--workers $(workers))

wheel: install  ## Build the wheel, install it into an empty environment, and run a smoke sweep from it
	@$(BIN)/python benchmarks/from_wheel.py

lint: install  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schema: install  ## Write sweeps/schema.json, which editors use to check sweep files
	@$(BIN)/lge-sweep schema sweeps/schema.json

docs: install $(VENV)/docs-installed  ## These pages and the reference as a site, in site/; strict, and nothing from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --clean
	@echo "open site/index.html"

$(VENV)/docs-installed: pyproject.toml constraints.txt
	@$(BIN)/python install.py --by $(installer) docs
	@touch $@

clean:  ## Remove .venv and caches; results in runs/ stay
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
