# Two commands for a newcomer, as root on Debian 12: `make demo` and `make test`. Each installs what it misses.
SHELL := /bin/bash
.DEFAULT_GOAL := help
target := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(HOME)/.cargo/bin:$(abspath $(target))/tools/bin:$(PATH)
cargo_test := cargo test --locked
FUZZ_SECONDS ?= 20
MINUTES ?= 30

.PHONY: help build demo test lint unit e2e instructions instructions-record fuzz deny-advisories pcaps bench bench-wire bench-tuning bench-wire-smoke test-tables test-tables-short test-faults test-faults-short soak soak-short test-zerocopy test-deploy test-operations test-operations-short dashboards clean

help: ## what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

build: ## the program, in target/release/synward
	scripts/setup build
	cargo build --release --locked --package synward

demo: build ## Synward at work on real programs, in network namespaces (root; under 2 minutes after the build)
	scripts/setup demo
	scripts/demo $(target)/release/synward

test: ## everything that CI checks: lint, unit, e2e, instructions, test-tables-short, bench-wire-smoke, test-faults-short, soak-short, test-deploy, test-operations-short, demo, fuzz (root)
	scripts/setup test
	scripts/test lint unit e2e instructions test-tables-short bench-wire-smoke test-faults-short soak-short test-deploy test-operations-short demo fuzz

lint: ## format, clippy, rustdoc, licences, shell scripts: a warning is an error
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	cargo clippy --locked --workspace --all-targets --no-default-features -- --deny warnings
	cargo clippy --locked --package synward --test e2e -- --deny warnings
	cargo clippy $(faults) -- --deny warnings
	cargo clippy --locked --package synward-fingerprint --test bpf_iptables --test real -- --deny warnings
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir $(target)/fuzz -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
	cargo deny --locked check bans licenses sources
	cargo deny --locked --manifest-path fuzz/Cargo.toml check bans licenses sources
	shellcheck --external-sources scripts/* .ci/run

unit: ## the tests that need no network namespaces
	$(cargo_test) --workspace

e2e: ## the end-to-end tests, in network namespaces (root)
	$(cargo_test) --package synward --test e2e -- --test-threads=1
	$(cargo_test) --package synward-fingerprint --test bpf_iptables --test real -- --test-threads=1

instructions: ## instructions of parsing and judging, which may not grow by more than 5 % (valgrind)
	scripts/instructions check

instructions-record: ## writes the counts that the next change is held against
	scripts/setup test
	scripts/instructions record

fuzz: ## each fuzz target for FUZZ_SECONDS (20)
	scripts/fuzz $(FUZZ_SECONDS)

deny-advisories: ## known vulnerabilities in the dependencies (needs the network)
	scripts/setup test
	cargo deny --locked check advisories

pcaps: ## records pcaps/ anew; the expected verdicts must then be reviewed (root)
	scripts/setup pcaps
	scripts/record-pcaps

bench: ## the targets of the tables and of judge, with peers in the same run, to bench/results (root; under 15 minutes)
	scripts/setup bench
	scripts/bench

bench-wire: ## throughput and latency beside the peers, to bench/results (root, two cores that do nothing else; about half an hour)
	scripts/setup bench-wire
	cargo build --release --locked --package synward --package synward-bench-wire
	$(target)/release/bench-wire all --synward $(target)/release/synward --out bench/results --typed "make bench-wire"

bench-tuning: ## what each knob of the frame path is worth, to bench/results (root, two cores that do nothing else; about an hour)
	scripts/setup bench-wire
	cargo build --release --locked --package synward-bench-wire
	scripts/bench-tuning $(target)/release/bench-wire

# In the builds that the other suites have made, and without a word on how fast anybody is.
bench-wire-smoke: ## that its peers start, that broken ones are found out, and that no row is empty (root; 3 minutes)
	cargo build --locked --package synward --package synward-bench-wire
	$(target)/debug/bench-wire smoke --synward $(target)/debug/synward --out $(target)/bench-wire-smoke
	scripts/interrupt-bench-wire $(target)/debug/bench-wire $(target)/debug/synward

test-tables: ## ten million look-ups at one and ten million prefixes against prefix-trie
	cargo test --release --locked --package synward-bench --test millions -- --ignored --test-threads=1

# In the build that `make instructions` has made.
test-tables-short: export CARGO_PROFILE_BENCH_LTO = off
test-tables-short: export CARGO_PROFILE_BENCH_CODEGEN_UNITS = 4
test-tables-short: ## the same at one million prefixes
	cargo test --profile bench --locked --package synward-bench --test millions -- --ignored --test-threads=1 one_million

# The program as the other suites have built it.
test-zerocopy: ## Synward in zero-copy mode on virtio_net and igb, in an emulated machine (under 10 minutes; KERNEL=6.18 for another kernel)
	scripts/setup zerocopy
	cargo build --locked --package synward
	scripts/zerocopy $(target)/debug/synward

test-deploy: ## the files of deploy/, held against systemd, which runs the unit, promtool and the code of the dashboards (root)
	scripts/setup operations
	cargo build --locked --package synward
	scripts/check-deploy $(target)/debug/synward
	scripts/service $(target)/debug/synward

# The feature has workers panic, and keep buffers from the ports.
test-operations: ## a real Prometheus watches Synward on the demo's wire: every query, every alert by its fault (root; 5 minutes)
	scripts/setup operations
	cargo build --locked --package synward --features fault-injection
	scripts/operations $(target)/debug/synward

test-operations-short: ## the same: every query, a scan, and two of the alerts
	scripts/setup operations
	cargo build --locked --package synward
	scripts/operations $(target)/debug/synward short

dashboards: ## writes the dashboards of deploy/grafana anew from their code
	scripts/setup operations
	$(target)/tools/grafana/bin/python deploy/grafana/dashboards.py deploy/grafana/dashboards

# The feature lets a worker be made to panic. Without link-time optimisation, which trebles the time of the build.
faults := --locked --package synward --features fault-injection --test faults

test-faults: ## what each fault costs, frame by frame, to bench/results/faults.md (root; about 15 minutes, on a quiet machine)
	scripts/setup test
	CARGO_PROFILE_RELEASE_LTO=off cargo test --release $(faults) -- --out $(abspath bench/results/faults.md)

test-faults-short: ## the main ones of them, in the build of the end-to-end tests
	cargo test $(faults) -- --short

soak: ## MINUTES of mixed traffic, reloads and faults by chance; memory, descriptors and buffers must stay flat (root; SEED repeats one)
	cargo test $(faults) -- --soak $(MINUTES) $(if $(SEED),--seed $(SEED))

soak-short: ## 2 minutes of it
	$(MAKE) --no-print-directory soak MINUTES=2

clean: ## removes all that was built
	cargo clean
