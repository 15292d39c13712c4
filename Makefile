# Everything on a fresh machine: `make demo` shows mmisl at work, `make test`
# checks it. Both make .venv when it is missing and find it done otherwise.
#
#   make setup   .venv with what training and the demo need; no compiler
#   make demo    ISL on real digits, on the CPU
#   make demo-detection
#                a detector from ISL, NPID and random weights, on the CPU
#   make lint    ruff, codespell, mypy
#   make test    all tests, two files at a time (15 to 35 minutes on 2
#                cores)
#   make proposals-env
#                .venv-proposals, where tools/make_proposals.py runs selective
#                search: OpenCV's contrib wheel cannot stand beside mmcv's
#   make browser
#                a Chromium, where none is: tests open reports in it
#
# The first `make demo-detection` or `make test` of a machine compiles mmcv's
# ops (10 to 40 minutes); without CUDA pip keeps them in ~/.cache/mmisl for the
# next .venv.
#
# PYTHON=/path/to/python3.11 names the interpreter that .venv is made with.

PYTHON ?= python3.12 python3.11 python3.10 python3
SUPPORTED := (3, 10) <= sys.version_info[:2] <= (3, 12)

VENV := .venv
PROPOSALS_VENV := .venv-proposals
PY := $(VENV)/bin/python
CONSTRAINTS := requirements/constraints.txt
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check \
	--constraint $(CONSTRAINTS)
BROWSERS := chromium chromium-browser google-chrome
JOBS := $(shell getconf _NPROCESSORS_ONLN)
USER_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)

.PHONY: setup demo demo-detection test lint proposals-env browser
.DELETE_ON_ERROR:

setup: $(VENV)/.setup-done

demo: $(VENV)/.setup-done
	$(PY) tools/demo.py

proposals-env: $(PROPOSALS_VENV)/.done

demo-detection: $(VENV)/.det-done
	$(PY) tools/demo_detection.py

test: $(VENV)/.det-done $(PROPOSALS_VENV)/.done browser
	$(PY) -m pytest tests -q -n 2 --dist loadfile

lint: $(VENV)/.dev-done
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -m mypy

# A candidate must run (pyenv leaves commands that only fail) and must bring
# venv and ensurepip, which Debian packs apart. A .venv that works is kept.
$(VENV)/.venv-done:
	@if $(PY) -c 'import sys, pip; sys.exit(not $(SUPPORTED))' 2>/dev/null; \
	then touch $@; exit 0; fi; \
	for python in $(PYTHON); do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(not $(SUPPORTED))' \
			2>/dev/null; \
		then \
			echo "Making $(VENV) with $$($$python --version)"; \
			$$python -m venv --clear $(VENV) && touch $@; exit $$?; \
		fi; \
	done; \
	echo "No Python 3.10 to 3.12 with its venv module among: $(PYTHON)." \
		"Install one (Debian: apt install python3-venv)" \
		"or name it: make PYTHON=/path/to/python" >&2; \
	exit 1

# onedl-mmcv is built here in isolation, where no torch is to be seen, so it
# comes out without compiled ops. Pip must not keep that wheel: under the same
# name it would later be taken for one with ops.
$(VENV)/.setup-done: $(VENV)/.venv-done setup.py $(CONSTRAINTS)
	@echo 'Installing pip, setuptools, wheel into $(VENV)'
	@$(PIP_INSTALL) --upgrade pip setuptools wheel
	@echo 'Installing torch, torchvision (5 GB; minutes the first time)'
	@$(PIP_INSTALL) torch torchvision
	@echo 'Installing onedl-mmcv without compiled ops'
	@$(PIP_INSTALL) --no-cache-dir onedl-mmcv
	@echo 'Installing mmisl and what is left'
	@$(PIP_INSTALL) --editable '.[cpu,report]'
	@touch $@

$(VENV)/.dev-done: $(VENV)/.setup-done
	@echo 'Installing the tools of make lint and make test'
	@$(PIP_INSTALL) --editable '.[cpu,report,dev]'
	@touch $@

# The ops are compiled against the torch in .venv, once: ops that load are
# kept. Without nvcc the GPUs are hidden from the build, which would fail. A
# wheel without CUDA hangs on nothing but torch and Python, and stays in a pip
# cache of its own: in the usual one a wheel without ops would pass for it. One
# that does not load is thrown away.
TORCH_WITHOUT_GPU := import torch; \
	print("" if torch.cuda.is_available() else torch.__version__)
$(VENV)/.det-done: $(VENV)/.dev-done
	@echo 'Installing onedl-mmdetection'
	@$(PIP_INSTALL) --editable '.[cpu,report,dev,det]'
	@if $(PY) -c 'import torch, mmcv._ext' 2>/dev/null; \
	then touch $@; exit 0; fi; \
	echo "Compiling the ops of onedl-mmcv with $(JOBS) jobs:" \
		"10 to 40 minutes on 2 cores, if no .venv of this machine had them"; \
	$(PIP_INSTALL) ninja packaging psutil setuptools wheel || exit 1; \
	command -v nvcc >/dev/null || test -n "$$CUDA_HOME" \
		|| export CUDA_VISIBLE_DEVICES=; \
	cache=--no-cache-dir; kept=; \
	torch="$$($(PY) -c '$(TORCH_WITHOUT_GPU)')"; \
	if test -n "$$torch" && test -z "$$FORCE_CUDA"; then \
		kept="$(USER_CACHE)/mmisl/mmcv-ops-torch-$$torch"; \
		cache="--cache-dir=$$kept"; \
	fi; \
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" MAX_JOBS=$(JOBS) $(PIP_INSTALL) \
		"$$cache" --no-build-isolation --no-deps --force-reinstall \
		--no-binary onedl-mmcv onedl-mmcv || exit 1; \
	$(PY) -c 'import torch, mmcv._ext' || { rm -rf "$$kept"; exit 1; }; \
	touch $@

$(PROPOSALS_VENV)/.done: $(VENV)/.venv-done requirements/proposals.txt
	@echo 'Making $(PROPOSALS_VENV) with numpy and the contrib wheel of OpenCV'
	@$(PY) -m venv --clear $(PROPOSALS_VENV)
	@$(PROPOSALS_VENV)/bin/python -m pip install -qq \
		--disable-pip-version-check --requirement requirements/proposals.txt
	@$(PROPOSALS_VENV)/bin/python -c 'import cv2; cv2.ximgproc.segmentation'
	@touch $@

# Without one the tests that need it are skipped, and only they (with CI set
# in the environment they fail). It is the system's: pip has none.
browser:
	@for name in $(BROWSERS); do \
		command -v $$name >/dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'Installing chromium'; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium \
			>/dev/null && exit 0; \
	fi; \
	echo "No browser among: $(BROWSERS). Reports are not tested;" \
		"install one (Debian: apt install chromium)" >&2
