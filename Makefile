# Every target works in an environment of its own, made here with the tested set of constraints.txt.
# To change: PYTHON=python3.12 (the interpreter), VENV=... (the place), ARGS="-k bits -x" (what is passed on).

PYTHON ?= python3
VENV   ?= .venv
PEERS  ?= .venv-peers
JOBS   ?= 2
TORCH  ?= 2.13.0

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow test-isa test-peers test-arm test-hdl test-browser test-ray test-gpu check lint types docs readme tutorials bench claims constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

quickstart: $(VENV)/.installed ## install, train a low-bit net beside its full-precision twin, compare them
	$(VENV)/bin/bitspike quickstart $(ARGS)

test: $(VENV)/.installed-dev ## install and run the tests
	$(pytest) --numprocesses $(JOBS) $(ARGS)

test-slow: $(VENV)/.installed-dev ## run the tests that take minutes
	$(pytest) -m slow $(ARGS)

test-isa: $(VENV)/.installed-dev ## run the tests that compare floats at every instruction set of this processor
	$(VENV)/bin/python tools/instruction_sets.py -- --numprocesses $(JOBS) $(ARGS)

test-peers: $(PEERS)/.installed-peers ## run the comparisons with SpikingJelly, snnTorch and readers of other formats
	$(PEERS)/bin/python -m pytest -m peer $(ARGS)

test-arm: $(VENV)/.installed-dev ## run exported networks on emulated ARM (CONTRIBUTING.md says what to install)
	$(pytest) -m arm $(ARGS)

test-hdl: $(VENV)/.installed-dev ## simulate exported hardware (docs/hardware.md says what to install)
	$(pytest) -m 'hdl and not slow' $(ARGS)

test-browser: $(VENV)/.installed-browser ## open pages of `bitspike report` in Chromium (docs/report.md says what to install)
	$(pytest) -m browser $(ARGS)

test-ray: $(VENV)/.installed-ray ## run sweeps on a Ray cluster of this machine, with a worker killed
	$(pytest) -m ray $(ARGS)

test-gpu: $(VENV)/.installed-gpu ## run the GPU's kernels on it, or without one by Triton's interpreter
	TRITON_INTERPRET=$$($(VENV)/bin/python -c 'import torch; print(int(not torch.cuda.is_available()))') \
	  $(pytest) tests/unit/neurons/test_fused_triton.py $(ARGS)

check: lint types test test-isa docs readme tutorials ## all that a change must pass

lint: $(VENV)/.installed-dev ## check rules and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

LOOSELY = --no-warn-unused-ignores $(addprefix --disable-error-code=,import-not-found import-untyped arg-type assignment call-overload misc operator union-attr)

types: $(VENV)/.installed-dev ## check types; of benchmarks, whose peers have none, that calls and names fit
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy benchmarks $(LOOSELY)

docs: $(VENV)/.installed-dev ## build the documentation site into build/site; a link or reference that leads nowhere fails
	@rm -rf docs/reference/generated
	$(VENV)/bin/python -m sphinx -W --keep-going -q -c docs -d build/doctrees . build/site
	@echo "build/site/index.html"

tutorials: $(VENV)/.installed-dev ## run the code of docs/tutorials/ and docs/extend.md, each in a copy of the checkout
	for page in docs/tutorials/*.md docs/extend.md; do $(VENV)/bin/python tools/readme_blocks.py $$page || exit 1; done

readme: $(VENV)/.installed-dev ## run the code of the README (but for `make test`) and of pages of docs/, in a copy of the checkout
	$(VENV)/bin/python tools/readme_blocks.py README.md --done "make test"
	$(VENV)/bin/python tools/readme_blocks.py docs/shipping.md
	$(VENV)/bin/python tools/readme_blocks.py docs/allocate.md
	$(VENV)/bin/python tools/readme_blocks.py docs/convert.md
	$(VENV)/bin/python tools/readme_blocks.py docs/own.md
	$(VENV)/bin/python tools/readme_blocks.py docs/detection.md
	$(VENV)/bin/python tools/readme_blocks.py docs/scale.md

bench: $(PEERS)/.installed-peers ## time a training step beside SpikingJelly's
	$(PEERS)/bin/python benchmarks/train_step.py $(ARGS)

claims: $(VENV)/.installed ## run what results/claims/ does not have yet
	$(VENV)/bin/python -m claims $(ARGS)

constraints: ## renew constraints.txt: the newest versions that pyproject.toml allows
	$(call venv,.venv-constraints)
	.venv-constraints/bin/python -m pip install --quiet torch==$(TORCH) '.[dev,browser,ray]' $(PEER_NEEDS)
	.venv-constraints/bin/python -m pip install --quiet --no-deps $(PEERS_ALONE)
	grep '^#' constraints.txt > .venv-constraints/new
	.venv-constraints/bin/python -m pip freeze --exclude bitspike | sed 's/+[^ ]*$$//' \
	  | grep -viE '^(nvidia|cuda|triton)' >> .venv-constraints/new
	mv .venv-constraints/new constraints.txt
	rm -rf .venv-constraints

clean: ## remove the environments, and what tools leave behind
	rm -rf .venv .venv-peers .venv-constraints build dist docs/reference/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(VENV),$(QUICKSTART))
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,$(VENV),dev)
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-browser $(VENV)/.installed-ray $(VENV)/.installed-gpu: $(VENV)/.installed-%: pyproject.toml constraints.txt
	$(call install,$(VENV),dev$(COMMA)$*)
	@touch $@ $(VENV)/.installed-dev $(VENV)/.installed

$(PEERS)/.installed-peers: pyproject.toml constraints.txt
	$(call install,$(PEERS),dev)
	@$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt $(PEER_NEEDS)
	@$(PEERS)/bin/python -m pip install --quiet --constraint constraints.txt --no-deps $(PEERS_ALONE)
	@touch $@

QUICKSTART = train,data
COMMA = ,

# These ask for torchvision, torchaudio, tonic or numba too; what they are compared in needs none, so they come alone,
# and what they do need comes before them.
PEERS_ALONE = spikingjelly==2.0.0 snntorch==1.0.0 nirtorch neurobench==2.3.0 qonnx
PEER_NEEDS = loguru tqdm attrs bitstring clize importlib-metadata onnxscript sigtools toposort

# A worker a core with one thread each: the tests' tensors are too small to share.
pytest = OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest

define venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "bitspike needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) -V 2>&1). Try make PYTHON=python3.12" >&2; \
  exit 1; }
@test -x $(1)/bin/pip || $(PYTHON) -m venv $(1)
endef

define install
$(venv)
@echo "installing into $(1): some minutes the first time"
@$(1)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[$(2)]'
endef
