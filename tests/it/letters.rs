//! What was not carried, and what became of everything: `letters`, `retry`, `explain`, `ledger` and the manual pages.

use crate::place::{KEY, Place, Ran, Sandbox, mbox_of};

#[test]
fn dead_letters_are_listed_explained_and_taken_up_again() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &["--fault", "413:100@POST /conversations"]);
    let archive = place.write("mail.mbox", mbox_of(5));
    let sums = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(3).sums();
    assert_eq!((sums.done, sums.dead), (0, 5));
    for (options, count) in [
        ("", 5),
        ("--dead", 5),
        ("--rejected", 0),
        ("--reason LARGE", 5),
        ("--reason nonsense", 0),
        ("--only q3@example.net", 1),
    ] {
        let ran = place.run(&format!("letters {options}")).exits(0);
        assert_eq!(ran.stdout.lines().count(), count, "{options}: {}", ran.stdout);
        assert_eq!(ran.stderr.contains("client_max_body_size"), count > 0, "{options}: {}", ran.stderr);
    }
    let ran = place.run("letters --json").exits(0);
    let first: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(first["hint"].as_str().unwrap().contains("post_max_size"), "{first}");
    // A plain import leaves them, a retry of one takes that one up.
    let sums = Ran::of(&mut sandbox.import(&place, &archive, "")).exits(3).sums();
    assert_eq!(sums.dead, 5);
    sandbox.clear_faults();
    let retry = |options: &str| {
        let mut command = place.command(["retry", "mail.mbox", "--url", &sandbox.url]);
        command.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
        Ran::of(&mut command)
    };
    let sums = retry("--only q3@example.net").exits(0).sums();
    assert_eq!((sums.read, sums.done), (1, 1));
    retry("--only q3@example.net").exits(2);
    let sums = retry("").exits(0).sums();
    assert_eq!((sums.read, sums.done), (4, 4));
    let ran = retry("").exits(0);
    assert!(ran.stderr.contains("nothing to take up again"), "{}", ran.stderr);
    assert_eq!((sandbox.count("conversations"), sandbox.count("outbox")), (5, 0));

    let ran = place.run("explain q3@example.net --json").exits(0);
    let told = ran.json();
    let id = told["conversation"].as_u64().unwrap();
    assert_eq!((&told["state"], told["threads"].as_array().unwrap().len()), (&"done".into(), 2));
    assert!(told["steps"].as_array().unwrap().iter().any(|step| step["kind"] == "create" && step["made"] == id));
    let text = place.run(&format!("explain {id}")).exits(0).stdout;
    for part in ["mbox:q3@example.net", "mail.mbox", "create sent 20", "is thread ", &format!("/conversation/{id}")] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    place.run("explain nothing").exits(2);
}

#[test]
fn a_letter_is_shown_to_others_without_anybody_in_it() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &["--fault", "413:100@POST /conversations"]);
    let archive = place.write("mail.mbox", mbox_of(3).replace("What about 2?", "Zebras eat quinces in Timbuktu"));
    Ran::of(&mut sandbox.import(&place, &archive, "")).exits(3);
    let ran = place.run("letters --bundle q2@example.net mail.mbox").exits(0);
    assert!(ran.stderr.contains("what became of it: "), "{}", ran.stderr);
    for word in ["Ann", "ann2", "Zebras", "Timbuktu", "quinces"] {
        assert!(!ran.stdout.contains(word), "`{word}` in {}", ran.stdout);
    }
    place.write("letter.jsonl", &ran.stdout);
    // It fails as the original does, and is fine where the original would be.
    let copy = place.path().join("letter.jsonl");
    let options = "--format records -m mbox --journal copy.ferry";
    assert_eq!(Ran::of(&mut sandbox.import(&place, &copy, options)).exits(3).sums().dead, 1);
    let sums = place.run("import letter.jsonl --format records -m mbox --sandbox").exits(0).sums();
    assert_eq!((sums.read, sums.done), (1, 1));
    place.run("letters --journal mail.ferry --bundle nobody mail.mbox").exits(3);
    place.run("letters --journal mail.ferry --bundle q2@example.net").exits(2);
}

#[test]
fn old_addresses_are_redirected() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &[]);
    Ran::of(&mut sandbox.import(&place, &crate::place::sample("zendesk"), "--mapping zendesk --journal z.ferry"));
    let done = place.run("status --json --journal z.ferry").exits(0).json()["done"].as_u64().unwrap();
    for (format, begins) in [
        ("nginx", "    \"/agent/tickets/"),
        ("apache", "RedirectMatch 301 \"^/agent/tickets/"),
        ("caddy", "redir /agent/tickets/"),
    ] {
        let ran = place.run(&format!("ledger --journal z.ferry --format {format}")).exits(0);
        let rules = ran.stdout.lines().filter(|line| line.starts_with(begins) && line.contains("/conversation/"));
        assert_eq!(rules.count() as u64, done, "{}", ran.stdout);
    }
    place.run("ledger --journal z.ferry --format caddy --from /t?id={id}").exits(2);
    place.run("ledger --journal z.ferry --format nginx --from /t/").exits(2);
    let ran = place.run("ledger --journal z.ferry --format nginx --from /t?id={id}").exits(0);
    assert!(ran.stdout.contains("\"/t?id="), "{}", ran.stdout);
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    assert!(place.run("man").exits(0).stdout.contains(".TH foxferry 1"));
    place.run("man --dir pages").exits(0);
    for page in ["foxferry", "foxferry-import", "foxferry-verify", "foxferry-backup-verify", "foxferry-mapping-lint"] {
        let text = std::fs::read_to_string(place.path().join(format!("pages/{page}.1"))).unwrap();
        assert!(text.contains("foxferry"), "{page}");
    }
}
