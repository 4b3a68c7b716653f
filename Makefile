# Two commands do everything on a fresh machine: `make demo` and `make test`. One build configuration serves both.
SWIFT  ?= swift
CONFIG := -c release
N      ?= 20

.PHONY: demo test build check tidy contracts python soak demo-soak bench libraries clean

## the main job, end to end; exits 0 only if every check held
demo: build
	.build/release/entente demo $(DEMO)

## the program: .build/release/entente
build: libraries
	@tools/build

## every test
test: libraries python
	@tools/build --tests
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(SWIFT) test $(CONFIG) --skip-build --disable-testable-imports
	tools/first-alliance
	tools/first-alliance --postgres
	.venv/bin/python -m pytest -q -rs Tests/EndToEnd
	.venv/bin/python contracts/build.py --check
	.venv/bin/python -m pytest -q -n 2 contracts/tests

## the fast part, all day long: tidy, and the engines' tests
check: tidy
	ENTENTE_ROOMS=Primitives,Ciphers,Trie,EVM,Consensus,MPC,Compute,Contracts,RPC,Evidence,Storage $(SWIFT) build $(CONFIG) --build-tests --scratch-path .build-check
	ENTENTE_ROOMS=Primitives,Ciphers,Trie,EVM,Consensus,MPC,Compute,Contracts,RPC,Evidence,Storage ENTENTE_SEEDS=500 \
	  $(SWIFT) test $(CONFIG) --skip-build --disable-testable-imports --scratch-path .build-check

## format, banned words, import directions
tidy:
	@tools/tidy

## compiles the Vyper contracts and rewrites contracts/artifacts
contracts: python
	.venv/bin/python contracts/build.py

## 100,000 seeds of the consensus simulator; every deviation from every message of the joint question
soak: libraries
	@tools/build --tests
	ENTENTE_SEEDS=100000 $(SWIFT) test $(CONFIG) --skip-build --disable-testable-imports --filter Seed

## the demo N times in a row
demo-soak: build
	@tools/demo-soak $(N)

## EVM workloads beside revm's figures, as ratios (with ../shared/bench beside the checkout)
bench:
	cd Benchmarks && ENTENTE_ROOMS=EVM $(SWIFT) run $(CONFIG) evm-benchmarks ../../shared/bench/evm-workloads ../../shared/bench/evm-anchors.json

## Debian's C libraries: installed where we may, else named in one line ready to paste
libraries:
	@tools/libraries

## the virtual environment of the tests: Vyper, titanoboa, web3.py
python:
	@tools/python

clean:
	rm -rf .build .build-check .venv
