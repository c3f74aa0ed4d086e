# make demo    set up, then train a small comparison and a paper's table on real images; ends in the table and its page
# make test    set up, then lint and test
# make bench   speed on this machine, as ratios: benchmarks/results/, and docs/speed.md from it
# make bench-scale  what 100,000 runs and two hosts on one folder cost: docs/scale.md
# make wheel   dist/tricktable-<version>-py3-none-any.whl: one package, tricktable, with its configs
# make test-long    the tests that take longer, such as hundreds of compositions at random
# make test-faults  kills, flipped bits, full disks, hostile files: each as often as docs/reliability.md then says
# make reproduce MINUTES=60 BUDGET=paper TYPED='--gpus 0 compute=gpu'   papers' tables by priority, until the time is up
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup bench bench-scale demo reproduce wheel test test-long test-faults lint docs format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "tricktable needs Python 3.11 to 3.13, and $(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	$(BIN)/tricktable train -m --jobs 2 study=demo model=resnet8 data.subset=20 batch_size=32 epochs=20 \
		'augment=[],[mixup],[cutout]' 'seed=range(5)' compute.threads=1
	$(BIN)/tricktable table liu2020_radam/sec5.2_warmup --budget smoke --run --jobs 2 compute=cpu compute.threads=1

# 75 is how a command ends whose time was up: it has saved, and the next `make reproduce` goes on.
reproduce: setup
	$(BIN)/tricktable reproduce $(if $(MINUTES),--minutes $(MINUTES)) $(if $(BUDGET),--budget $(BUDGET)) $(TYPED); ended=$$?; \
	$(BIN)/tricktable reproduce --markdown > docs/reproductions.md && exit $$(( ended == 75 ? 0 : ended ))

test: setup lint
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not long and not faults"

test-faults: setup
	@mkdir -p build && rm -f build/faults.jsonl
	$(BIN)/python -m tests.faults.peers > build/peers.jsonl
	TRICKTABLE_FAULTS=build/faults.jsonl $(BIN)/python -m pytest --numprocesses 2 --dist load --maxschedchunk 1 -p tests.faults.results \
		$$($(BIN)/python -m tests.faults.rows) || failed=1; \
	$(BIN)/python -m tests.faults.page build/faults.jsonl build/peers.jsonl docs/reliability.md; exit $$failed

test-long: setup
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m long

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	mkdir -p build/typed && ln -sfn ../.. build/typed/tricktable
	$(BIN)/mypy

wheel: setup
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

# Speed, each question once on this machine. Others write benchmarks/launches.json (kernels a step); packed and decoders
# want a folder of pictures: python -m benchmarks.packed FOLDER --json benchmarks/results/packed.json.
bench: setup
	for each in startup plan folders collect compiled; do $(BIN)/python -m benchmarks.$$each --json benchmarks/results/$$each.json || exit 1; done
	$(BIN)/python -m benchmarks.page > docs/speed.md

# What many runs cost, and what two hosts on one NFS do (as root; see benchmarks/nfs/run.sh): docs/scale.md.
bench-scale: setup
	mkdir -p build
	$(BIN)/python -m benchmarks.scale --json benchmarks/results/scale/steps.json
	benchmarks/nfs/run.sh build/nfs $(BIN)/python
	$(BIN)/python -m benchmarks.nfs.rows build/nfs/rows.jsonl benchmarks/results/scale/nfs.json
	$(BIN)/python -m benchmarks.scale_page > docs/scale.md

docs: setup
	$(BIN)/tricktable count --all --markdown > docs/models.md
	$(BIN)/tricktable list --markdown > docs/tricks.md
	$(BIN)/tricktable list tables --markdown > docs/recipes.md
	$(BIN)/tricktable reproduce --markdown > docs/reproductions.md
	$(BIN)/tricktable list tables --hours 90 --markdown > docs/cpu-budget.md
	$(BIN)/python docs/badges.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
