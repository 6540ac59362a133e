# Each target does its own set-up first; `scripts/setup` says what it installs or what is missing.
.PHONY: demo test bench fmt

demo:
	@scripts/setup build
	@cargo build --release --locked --bin ringfence
	@target/release/ringfence demo

test:
	@scripts/setup test
	@scripts/gates

bench:
	@scripts/setup build
	@cargo bench --workspace --locked --benches

fmt:
	@cargo fmt --all
