# The two commands of the README are `make run` and `make test`; each does all of its own set-up.
# PYTHON picks the interpreter (3.10 to 3.13), RUN the experiment's folder, TRACK its track, EXPERIMENTS how many to add.
PYTHON ?= python3
TRACK ?= pystd-20s
RUN ?= runs/$(TRACK)
EXPERIMENTS ?= 4
PYTEST_ARGS ?= -n 2 --dist loadfile
AGENTS ?= claude codex gemini opencode qwen aider mini
BIN := .venv/bin
DEMO := runs/demo
DEMO_AUTHOR := -c user.name=demo -c user.email=demo@localhost

.DEFAULT_GOAL := help
.PHONY: help run test-agents demo test check format coverage versions bench pictures wheel clean

help:  ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

run: .venv/.run  ## real experiments on this machine, judged and plotted; a second run continues
	@test -e "$(RUN)/autoresearch.toml" || $(BIN)/autoresearch init "$(RUN)" --track "$(TRACK)"
	@$(BIN)/autoresearch run "$(RUN)" --experiments "$(EXPERIMENTS)"
	@$(BIN)/autoresearch report "$(RUN)"
	@printf '\nnext: a whole night           %s run %s --hours 8\n' "$(BIN)/autoresearch" "$(RUN)"
	@printf '      with a coding agent     %s run %s --agent command --command claude\n' "$(BIN)/autoresearch" "$(RUN)"
	@printf '      on a hub of your own    %s serve --local\n' "$(BIN)/agenthub"

demo: .venv/.run  ## research within a minute: a sort that asks fewer questions, judged and plotted
	@test -e "$(DEMO)" || { rm -rf "$(DEMO).new" && mkdir -p runs && cp -r examples/sorting "$(DEMO).new" && \
	  git -C "$(DEMO).new" init -q && git -C "$(DEMO).new" add . && git -C "$(DEMO).new" $(DEMO_AUTHOR) commit -qm "A simple merge sort" && \
	  mv "$(DEMO).new" "$(DEMO)"; }
	@$(BIN)/autoresearch run "$(DEMO)" --experiments 12
	@$(BIN)/autoresearch report "$(DEMO)"
	@printf '\nnext: a small language model on this machine, about 8 minutes    make run\n'

test: .venv/.test check  ## everything the project promises, checked with real parts
	@echo "== tests"
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

check: .venv/.test  ## format, lint and types
	@echo "== format, lint, types"
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

format: .venv/.test  ## let ruff put the files in shape
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

wheel: .venv/.run  ## dist/autoresearch-VERSION.whl, the file that a hub hands out
	@$(BIN)/python -c 'from autoresearch.installation import write_wheel; print(write_wheel("dist"))'

test-agents: .venv/.test  ## the real coding agents, pinned, against a model on loopback (needs npm)
	@PYTHON="$(PYTHON)" sh scripts/install_agents.sh isomorphic-git inspector $(AGENTS)
	@AGENTS="$(AGENTS)" $(BIN)/python -m pytest tests/agents/real_agents.py tests/agents/isomorphic_git.py tests/agents/mcp_clients.py

coverage: .venv/.test  ## which lines and branches of src the unit and contract tests run
	@$(BIN)/python -m pytest -q tests/unit tests/contract --cov --cov-report=term

versions: .venv/.test  ## the tests that need no torch, on the oldest and the newest Python
	@sh scripts/test_versions.sh 3.10 3.13

bench: .venv/.test  ## lab, hub, judging and pages, each against its stated baseline (about 40 minutes)
	@$(BIN)/python bench/lab.py && $(BIN)/python bench/hub.py && $(BIN)/python bench/judging.py && $(BIN)/python bench/pages.py

pictures: .venv/.test  ## docs/pictures anew: every page of the hub, light and dark, wide and narrow
	@$(BIN)/python scripts/pictures.py

clean:  ## remove the environment and caches; runs/ stays, it is yours
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

.venv/.run: pyproject.toml requirements.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh run && touch $@

.venv/.test: pyproject.toml requirements.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh test && touch $@
