# Each target does its own set-up first; `scripts/setup` says what it installs or what is missing.
.PHONY: demo serve test soak fuzz bench bench-service starter fmt

demo:
	@scripts/setup build
	@cargo build --release --locked --bin ringfence
	@target/release/ringfence demo

serve:
	@scripts/setup build
	@cargo build --release --locked --bin ringfence
	@target/release/ringfence serve

test:
	@scripts/setup test
	@scripts/gates

# The kill test of `make test`, 1,000 kills instead of 20.
soak:
	@scripts/setup build
	@RINGFENCE_KILLS=1000 cargo test --release --locked -p ringfence --test service -- kills --nocapture

# Coverage-guided fuzzing of what comes from outside, FUZZ_SECONDS for each target. What it finds that is new stays in
# target/fuzz-corpus; what breaks is written to target/fuzz-artifacts.
FUZZ_SECONDS ?= 60
fuzz:
	@scripts/setup fuzz
	@scripts/fuzz $(FUZZ_SECONDS)

bench:
	@scripts/setup build
	@cargo bench --workspace --locked --benches

# The service under load, beside FastAPI with LightGBM and Redis; needs wrk and redis-server.
bench-service:
	@scripts/setup bench-service
	@cargo build --release --locked --bin ringfence
	@python3 bench/service.py target/release/ringfence target/bench-peers/bin/python target/bench-service

# Trains the starter model again, after a change of the default schema or of the features.
starter:
	@scripts/setup build
	@cargo run --release --locked --bin ringfence -- models starter crates/ringfence/starter.model

fmt:
	@cargo fmt --all
