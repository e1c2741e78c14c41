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
