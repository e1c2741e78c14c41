# Recipes for people who work on foxferry. `just` alone lists them.

default:
    @just --list

# What CI runs.
ci:
    .ci/run

# The README's two commands, the other way round.
tour:
    cargo run --release -- import samples/zendesk --sandbox

# Prints figures, each beside something else measured in the same run.
bench:
    cargo bench --bench backup
    cargo bench --bench check_mail
    cargo bench --bench csv
    cargo bench --bench export
    cargo bench --bench import
    cargo bench --bench journal
    cargo bench --bench json
    cargo bench --bench resume
    cargo bench --bench sandbox
    cargo bench --bench verify

# Kills an import so many times at random instants while FreeScout misbehaves: `just kill-loop 1000`; with a seed, as it was tried before.
kill-loop kills="200" seed="":
    FOXFERRY_KILLS={{kills}} FOXFERRY_SEED={{seed}} cargo test --test it -- --nocapture killed_again_and_again_while_freescout_fails

# Backs up a help desk that is written to all the while, and kills the backup at random instants: `just backup-soak 20000`; with a seed, as it was tried before.
backup-soak conversations="20000" kills="30" seed="":
    FOXFERRY_SOAK={{conversations}} FOXFERRY_KILLS={{kills}} FOXFERRY_SEED={{seed}} cargo test --test it -- --nocapture backup_soak

# Gives every reader hostile bytes, so many seconds each (`just fuzz`, `just fuzz mbox 600`); needs a nightly compiler and `cargo install cargo-fuzz`.
fuzz target="all" seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    targets="{{target}}"
    if [ "$targets" = all ]; then targets=$(cargo +nightly fuzz list); fi
    # No sanitizer: there is no unsafe code here to watch, and without one more is tried in the same time.
    run="cargo +nightly fuzz run --sanitizer none"
    flags="-timeout=10 -rss_limit_mb=2048 -print_final_stats=1"
    for name in $targets; do
        printf '\n== %s\n' "$name"
        $run "$name" -- -max_total_time={{seconds}} -max_len=65536 $flags
        # A megabyte made of each input must be read within a second.
        mkdir -p "fuzz/corpus/grown-$name"
        $run "$name" "fuzz/corpus/grown-$name" -- --grown -max_total_time=$(( {{seconds}} / 4 + 1 )) -max_len=16384 $flags
    done

# Replays the recorded FreeScout cases against a running server: `just contract http://127.0.0.1:8025 KEY`.
contract url key:
    FREESCOUT_CONTRACT_URL={{url}} FREESCOUT_CONTRACT_KEY={{key}} cargo test --test contract -- --ignored --nocapture

# Pictures of the report in Chromium, for looking at and for the handbook: telephone and desktop, light, dark and on paper.
report-pictures archive="samples/zendesk" to="target/report-pictures":
    packaging/report-pictures {{archive}} {{to}}

# Looks at snapshots that changed.
review:
    cargo insta review

# The program as it is given away, and its size.
binary:
    cargo build --release --locked
    @ls -l target/release/foxferry
    @objdump -p target/release/foxferry | awk '$1 == "NEEDED" { print "needs", $2 }'

# What the program is made of, by section and crate. Builds it once more, with symbols.
binary-parts:
    CARGO_PROFILE_RELEASE_STRIP=false cargo build --release --locked --target-dir target/parts
    packaging/size target/parts/release/foxferry

# How long a cold build takes, and which crates it waits for: a page of timings beside it.
build-time:
    rm -rf target/cold
    time cargo build --release --locked --target-dir target/cold --timings
    rm -rf target/cold/release

# The licences of everything that the program is made of.
licences:
    packaging/licences target/package/third-party-licences.txt

# The Debian package, installed into a root of its own, used and removed.
deb: binary licences
    packaging/debian/build target/release/foxferry target/package/third-party-licences.txt target/package
    packaging/debian/try target/package/foxferry_*.deb

# The source with all crates; it is built once with nothing else.
source-release:
    packaging/source-release target/package
    packaging/try-source-release target/package/foxferry-*.tar.gz

# An image around the program; needs docker, and the registry for what it stands on.
image:
    docker build -f packaging/Containerfile -t foxferry .

# Everything that is given away, each tried.
package: deb source-release

# Advisories and licences of all dependencies; needs `cargo install cargo-deny`.
audit:
    cargo deny check

# The handbook as pages in target/book, if mdBook is installed.
book:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! command -v mdbook > /dev/null; then
        echo 'mdBook is not installed: `cargo install mdbook`, then `just book` again. The pages in docs/ can be read as they are.' >&2
        exit 1
    fi
    mdbook build
    echo 'open target/book/index.html'
