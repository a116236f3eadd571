# Two commands matter: `make run` and `make test`. The rest is for those who
# change Cofferdam; `make help` lists them.

CARGO ?= cargo
PROFILE ?= release
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Arguments for `cofferdam dev`, such as ARGS='--workspace /srv/project'.
ARGS ?=

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Builds every program, optimised
	@tests/scripts/prerequisites build
	$(CARGO) build --profile $(PROFILE) --workspace --exclude cofferdam-tests --bins

.PHONY: run
run: build ## Builds everything and starts a gateway, an agent and a warden on this machine
	@exec target/$(PROFILE)/cofferdam dev $(ARGS)

.PHONY: test
test: ## Every test that belongs to a change: lints, units, end to end, real clients
	@tests/scripts/prerequisites test
	@tests/scripts/test

.PHONY: lint
lint: ## Formatting, clippy, documentation, dependency policy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --quiet
	@tests/scripts/dependencies

.PHONY: test-conformance
test-conformance: ## The official MCP conformance suite against a running gateway
	@tests/scripts/conformance

.PHONY: package
package: ## The .deb and .rpm of agent, gateway and command, in target/packages
	@tests/scripts/prerequisites build
	@packaging/scripts/build

.PHONY: test-packages
test-packages: ## Packages built twice and compared, installed, upgraded and removed under a real systemd
	@tests/scripts/prerequisites build
	@tests/packages/run

.PHONY: test-vm
test-vm: ## What needs a kernel, on kernels 6.1 and 6.12 with cgroup v2, in virtual machines
	@tests/vm/run

.PHONY: test-vm-packages
test-vm-packages: test-packages ## The same as test-packages in virtual machines with cgroup v2, on kernels 6.1 and 6.12
	@tests/vm/packages

.PHONY: test-containers
test-containers: ## Images and manifests: schemas, both images built and started, a call through both
	@tests/containers/manifests
	@tests/containers/run

.PHONY: test-chaos
test-chaos: ## Random kills and cuts of three hosts and a gateway at work (SECONDS_OF_CHAOS=600)
	$(CARGO) build --workspace --bins
	COFFERDAM_CHAOS_SECONDS=$${SECONDS_OF_CHAOS:-600} $(CARGO) test --package cofferdam-tests --test journey chaos:: -- --ignored --nocapture

.PHONY: fuzz
fuzz: ## Each fuzz target for a bounded time (SECONDS_EACH=60)
	@tests/scripts/fuzz

.PHONY: bench
bench: ## Ratios against a bare spawn, calls per second, output, copies, memory; writes tests/bench/RESULTS.md (ARGS="--only output": a part, printed only)
	$(CARGO) build --release --workspace --bins
	@exec target/release/cofferdam-bench $(ARGS)

.PHONY: bench-policy
bench-policy: ## Ten thousand rules: how long they take to read and to decide, against trying each
	$(CARGO) bench --package cofferdam-policy --bench decide

.PHONY: bench-sandbox
bench-sandbox: ## The sandbox against a bare spawn and other sandboxes; writes tests/bench/SANDBOX.md
	$(CARGO) build --release --workspace --bins
	@exec target/release/cofferdam-bench-sandbox $(ARGS)
