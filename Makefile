# make demo    three nodes on loopback, calls up, owners killed, losses counted
# make test    the tests (SIPp and real processes included)
# make dev     a cluster of three nodes that stays up until Ctrl-C
# make verify  format, lints, tests, docs, purity, file lengths; only reads
# make fix     writes what can be fixed
# make bench   what a call costs, beside Kamailio; rates, memory, takeover, PoPs (ARGS='--help')
# make bench-store  the replicated store by itself: proposals per second, beside the disk (ARGS='--help')
# make bench-micro  single steps beside the stored baseline (ARGS=--accept stores a new one; FILTER=call)
# make chaos   the long version: simulated clusters, faults of all kinds at random, the demo with new seeds (MINUTES=20)

CARGO ?= cargo
ARGS ?=
FILTER ?=
MINUTES ?= 20
SHELL := /bin/bash

# ccache makes RocksDB's C++ a matter of two minutes instead of fifteen; it is used when it is there.
ifneq ($(shell command -v ccache 2>/dev/null),)
ifeq ($(origin CXX),default)
export CXX := ccache g++
endif
ifeq ($(origin CC),default)
export CC := ccache gcc
endif
endif

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: demo dev test verify fix bench bench-micro bench-store chaos build setup

setup:
	@.ci/setup

build: setup
	@$(CARGO) build --locked -p holdline -p holdline-cluster-tests -p jepsen --bins

demo: build
	@$(TARGET)/debug/demo $(ARGS)

dev: build
	@$(TARGET)/debug/holdline dev $(ARGS)

# Four fuzz tests, each for as long: a minute in all, beside everything else.
test: export HOLDLINE_FUZZ_SECONDS ?= 15
test:
	@.ci/setup test
	@$(CARGO) build --locked --workspace --all-targets
	@# Real processes are tested by themselves, so that nothing else takes their two cores.
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --locked --workspace -E 'not package(holdline-cluster-tests) and not package(jepsen)' && \
		$(CARGO) nextest run --locked --workspace -E 'package(holdline-cluster-tests) or package(jepsen)'; \
	else \
		echo "cargo-nextest is not installed: using cargo test, one test at a time (cargo install cargo-nextest --locked)"; \
		$(CARGO) test --locked --workspace -- --test-threads=1; \
	fi
	@.ci/purity

verify:
	@.ci/setup test
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory test
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; \
	else echo "cargo-deny is not installed: licences and advisories were NOT checked (cargo install cargo-deny --locked)"; fi

fix:
	@$(CARGO) fmt --all
	@$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Measured is what would be run: the release profile.
bench:
	@.ci/setup test
	@$(CARGO) build --release --locked -p holdline -p holdline-cluster-tests -p holdline-store-bench --bins
	@$(TARGET)/release/bench $(ARGS); status=$$?; \
	case " $(ARGS) " in \
	*" --only"* | *" --quick "*) echo "Left out, because of --only or --quick: the store by itself (make bench-store), the micro-benchmarks (make bench-micro)" ;; \
	*) $(MAKE) --no-print-directory bench-store ARGS= && $(MAKE) --no-print-directory bench-micro ARGS= ;; \
	esac; exit $$status

bench-store: setup
	@$(CARGO) build --release --locked -p holdline-store-bench
	@$(TARGET)/release/bench-store $(ARGS)

# The counts come first: if somebody interrupts the minutes of timing, they are there.
bench-micro: setup
	@$(CARGO) bench --locked -p holdline-micro --bench counts -- $(FILTER)
	@$(CARGO) bench --locked -p holdline-micro --bench time -- $(FILTER)
	@$(CARGO) run --locked --quiet -p holdline-micro-report -- $(ARGS)

chaos: build
	@.ci/setup chaos
	@$(CARGO) build --locked -p holdline-sim
	@MINUTES=$(MINUTES) .ci/chaos $(ARGS)
