//! What somebody meets who has just got the program.

use crate::place::Place;

#[test]
fn the_program_alone_says_what_to_type_next() {
    let ran = Place::new().run("").exits(0);
    insta::assert_snapshot!(ran.stdout);
    assert_eq!(ran.stderr, "");
}

#[test]
fn every_command_has_help_with_examples() {
    let place = Place::new();
    for command in
        ["export", "import", "check", "inspect", "status", "letters", "ledger", "mapping", "sandbox", "completions"]
    {
        let ran = place.run(&format!("{command} --help")).exits(0);
        assert!(ran.stdout.contains("Examples:\n  foxferry "), "{command}: {}", ran.stdout);
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = place.run(&format!("completions {shell}")).exits(0);
        assert!(ran.stdout.contains("inspect"), "{shell}");
    }
}

#[test]
fn built_in_mappings_are_listed_and_shown_and_can_be_used_as_files() {
    let place = Place::new();
    let list = place.run("mapping list").exits(0).stdout;
    for name in ["zendesk", "intercom", "zammad", "osticket", "jira", "mbox", "csv"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
        let text = place.run(&format!("mapping show {name}")).exits(0).stdout;
        place.write(&format!("{name}.toml"), text);
    }
    place.write("one.mbox", crate::place::mbox_of(1));
    place.run("check one.mbox --mapping ./mbox.toml").exits(0);
    place.run("mapping show nonesuch").exits(2);
}
