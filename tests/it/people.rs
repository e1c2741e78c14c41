//! People without tickets, and agents whom the target lacks.

use crate::place::{Place, Ran, Sandbox, mbox_of, sample};

const BOOK: &str = "\u{FEFF}First Name,Last Name,Email,Phone,Company\n\
    Ada,Lovelace,ada@example.org,1,Engines\n\
    Grace,Hopper,grace@example.org,,\n\
    Ada,Lovelace,ADA@example.org,1,Engines\n\
    ,,,,\n\
    No,Address,,,\n\
    ,,,,Engines\n";

#[test]
fn an_address_book_becomes_customers_once() {
    let place = Place::new();
    let book = place.write("book.csv", BOOK);
    let sandbox = Sandbox::start(&place, &["--strict"]);
    let first = Ran::of(&mut sandbox.import(&place, &book, "--people-only")).exits(3);
    assert_eq!(first.last_line(), "5 read: 3 done, 1 skipped, 1 rejected, 0 dead letters", "{}", first.stderr);
    assert!(first.stderr.contains("people: 3 customers made, 0 were there already"), "{}", first.stderr);
    let before = sandbox.state();
    assert_eq!((&before["customers"], &before["conversations"]), (&3.into(), &0.into()));
    assert_eq!((&before["outbox"], &before["customers_without_email"]), (&0.into(), &0.into()));

    let second = Ran::of(&mut sandbox.import(&place, &book, "--people-only")).exits(3);
    assert_eq!(second.last_line(), first.last_line());
    assert_eq!(sandbox.state()["requests"]["POST /customers"], before["requests"]["POST /customers"]);

    // Without the journal they are found, and stay as they are.
    let third = Ran::of(&mut sandbox.import(&place, &book, "--people-only --journal other.ferry")).exits(3);
    assert_eq!(third.last_line(), first.last_line());
    assert!(third.stderr.contains("people: 0 customers made, 3 were there already"), "{}", third.stderr);
    assert_eq!(sandbox.state()["customers"], 3);
}

#[test]
fn the_users_of_a_zendesk_export_become_customers_and_staff_do_not() {
    let place = Place::new();
    let ran = Ran::of(place.command(["import", "--sandbox", "--people-only"]).arg(sample("zendesk"))).exits(0);
    let sums = ran.sums();
    assert!(sums.done > 0 && sums.skipped > 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("staff do not become customers"), "{}", ran.stderr);
    assert!(ran.stderr.contains("0 conversations"), "{}", ran.stderr);
}

#[test]
fn an_archive_without_a_list_of_people_is_refused() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(2));
    let ran = place.run("import a.mbox --sandbox --people-only").exits(5);
    assert!(ran.stderr.contains("has no list of people beside its records"), "{}", ran.stderr);
}

#[test]
fn missing_agents_are_created_if_asked_and_nobody_is_mailed() {
    let place = Place::new();
    let sandbox = Sandbox::start(&place, &["--strict"]);
    let users = |sandbox: &Sandbox| sandbox.request("GET", "/api/users", "").matches("\"email\"").count();
    let before = users(&sandbox);
    let listed = place
        .command(["check", "--create-agents", "--url", &sandbox.url])
        .arg(sample("zendesk"))
        .env("FREESCOUT_API_KEY", crate::place::KEY)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stderr).unwrap();
    assert!(listed.contains("agents whom the target lacks"), "{listed}");
    assert_eq!(users(&sandbox), before, "a check changes nothing");

    let ran = Ran::of(&mut sandbox.import(&place, &sample("zendesk"), "--create-agents")).exits(0);
    let created = users(&sandbox) - before;
    assert!(created > 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("{created} agents were created and nobody was mailed")), "{}", ran.stderr);
    assert!(listed.contains(&format!("{created} agents whom the target lacks")), "{listed}");
    assert_eq!(sandbox.state()["outbox"], 0);
    assert!(!ran.stderr.contains("target-unknown-user"), "{}", ran.stderr);

    Ran::of(&mut sandbox.import(&place, &sample("zendesk"), "--create-agents")).exits(0);
    assert_eq!(users(&sandbox) - before, created, "nobody is created twice");
}

#[test]
fn a_rehearsal_creates_the_agents_too() {
    let place = Place::new();
    let ran = Ran::of(place.command(["import", "--sandbox", "--create-agents"]).arg(sample("zendesk"))).exits(0);
    assert!(ran.stderr.contains("agents were created and nobody was mailed"), "{}", ran.stderr);
    assert!(ran.stderr.contains("0 mails queued"), "{}", ran.stderr);
}
