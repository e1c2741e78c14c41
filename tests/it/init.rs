//! `init`, then `check`, then `import --sandbox`, with no edit in between.

use std::path::{Path, PathBuf};

use crate::place::{KEY, Place, Ran, Sandbox, archive, mbox_of, sample};

fn init(place: &Place, archive: &Path, options: &[&str]) -> Ran {
    Ran::of(place.command(["init".as_ref(), archive.as_os_str(), "-o".as_ref(), "my.toml".as_ref()]).args(options))
}

/// The whole way; every count must agree, and nothing may be lost or unknown to a table.
fn goes_all_the_way(archive: &Path, options: &[&str]) {
    let place = Place::new();
    let shown = archive.display();
    init(&place, archive, options).exits(0);
    let checked = Ran::of(place.command(["check", "-m", "my.toml"]).arg(archive));
    let sums = checked.sums();
    // What the archive itself lacks stays an error; the mapping adds none.
    let without = Ran::of(place.command(["check"]).arg(archive));
    assert!(checked.code <= without.code, "{shown}: {}\n{}", checked.code, checked.stderr);
    for code in ["map-lost-field", "map-unmapped-value", "map-expression"] {
        assert!(!checked.stderr.contains(code), "{shown}: {}", checked.stderr);
    }
    let imported = Ran::of(place.command(["import", "--sandbox", "-m", "my.toml"]).arg(archive));
    assert_eq!(imported.sums(), sums, "{shown}: {}", imported.stderr);
    assert_eq!(sums.dead, 0, "{shown}: {}", imported.stderr);
    assert!(imported.stderr.contains("0 mails queued"), "{shown}: {}", imported.stderr);
}

#[test]
fn every_sample_moves_with_the_mapping_that_was_written_for_it() {
    for name in ["zendesk", "mbox", "csv", "csv-tickets"] {
        goes_all_the_way(&sample(name), &[]);
        goes_all_the_way(&sample(name), &["--people", "people.csv"]);
    }
    for name in ["csv-rounded-ids", "csv-ragged", "zendesk-missing-people", "mbox-charset-lies.mbox"] {
        goes_all_the_way(&sample("broken").join(name), &["--people", "people.csv"]);
    }
}

#[test]
fn an_archive_that_a_mapping_describes_moves_with_one_that_extends_it() {
    let described = sample("json").join("desk.toml");
    goes_all_the_way(&sample("json"), &["-m", described.to_str().unwrap()]);
    if let Some(tables) = archive("zendesk/dbt_zendesk-seeds-csv") {
        let joined = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mappings/dbt_zendesk.toml");
        goes_all_the_way(&tables, &["-m", joined]);
    }
}

#[test]
fn tables_that_do_not_belong_together_get_the_advice_that_check_gives() {
    let place = Place::new();
    let archive = sample("broken").join("csv-two-tables");
    let refused = init(&place, &archive, &[]).exits(5);
    assert!(refused.stderr.contains("are tables with different columns"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`[shape.csv]`"), "{}", refused.stderr);
}

#[test]
fn every_readable_folder_of_real_archives_moves_with_the_mapping_that_was_written_for_it() {
    let Some(root) = archive("README.md").and_then(|path| path.parent().map(Path::to_path_buf)) else { return };
    let mut seen = 0;
    for folder in folders(&root) {
        let place = Place::new();
        if Ran::of(place.command(["check", "-q"]).arg(&folder)).code == 5 {
            continue;
        }
        goes_all_the_way(&folder, &["--people", "people.csv"]);
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} folders were readable");
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let mut all = below(root);
    all.extend(all.clone().iter().flat_map(|folder| below(folder)));
    all.sort();
    all
}

#[test]
fn a_mapping_for_the_sample_reads_like_this() {
    let place = Place::new();
    let ran = Ran::of(place.command(["init", "-o", "-"]).arg(sample("csv-tickets"))).exits(0);
    let text = ran.stdout.replace(&sample("csv-tickets").display().to_string(), "tickets/");
    insta::assert_snapshot!("init_csv_tickets", text);
    let ran = Ran::of(place.command(["init", "-o", "-"]).arg(sample("zendesk"))).exits(0);
    let text = ran.stdout.replace(&sample("zendesk").display().to_string(), "export/");
    insta::assert_snapshot!("init_zendesk", text);
}

#[test]
fn files_that_are_there_are_kept_unless_forced() {
    let place = Place::new();
    place.write("my.toml", "precious");
    place.write("people.csv", "precious");
    let ran = init(&place, &sample("mbox"), &[]).exits(2);
    assert!(ran.stderr.contains("`my.toml` is there already"), "{}", ran.stderr);
    let ran =
        Ran::of(place.command(["init", "-o", "other.toml", "--people", "people.csv"]).arg(sample("mbox"))).exits(2);
    assert!(ran.stderr.contains("`people.csv` is there already"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(place.path().join("my.toml")).unwrap(), "precious");
    init(&place, &sample("mbox"), &["--force"]).exits(0);
    assert!(std::fs::read_to_string(place.path().join("my.toml")).unwrap().contains("source = \"mbox\""));
}

#[test]
fn questions_need_a_terminal() {
    let place = Place::new();
    let ran = init(&place, &sample("mbox"), &["--interactive"]).exits(2);
    assert!(ran.stderr.contains("needs a terminal"), "{}", ran.stderr);
}

#[test]
fn people_are_reviewed_in_a_file_and_read_back() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    init(&place, &place.path().join("a.mbox"), &["--people", "people.csv"]).exits(0);
    let people = std::fs::read_to_string(place.path().join("people.csv")).unwrap();
    assert!(people.starts_with("\u{FEFF}address,role,user,name,why,"), "{people}");
    let before = place.run("import a.mbox -m my.toml --sandbox").exits(0);

    // A customer becomes an agent, as somebody would type it.
    let address = people.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    place.write("people.csv", format!("address;role;user\r\n{address};Agent;ada@example.org\r\n"));
    let after = place.run("import a.mbox -m my.toml --sandbox -v").exits(0);
    assert_eq!(after.sums(), before.sums());
    assert_ne!(after.stderr, before.stderr);

    place.write("people.csv", "address,role\nx@example.org,boss\n");
    let ran = place.run("check a.mbox -m my.toml").exits(5);
    assert!(ran.stderr.contains("people.csv") && ran.stderr.contains("line 2"), "{}", ran.stderr);
    assert!(ran.stderr.contains("my.toml:"), "{}", ran.stderr);
}

#[test]
fn a_target_is_matched_by_address_and_name() {
    let place = Place::new();
    let fixture = place.write(
        "fixture.json",
        r#"{"users": [{"email": "admin@example.org", "firstName": "Ada", "lastName": "Admin", "role": "admin"},
                      {"email": "kb@example.org", "firstName": "Kaethe", "lastName": "Bruehl", "role": "user"}],
            "mailboxes": [{"name": "Köln", "email": "koeln@example.org"}, {"name": "Bonn", "email": "bonn@example.org"}]}"#,
    );
    let sandbox = Sandbox::start(&place, &["--fixture", fixture.to_str().unwrap()]);
    let ran = Ran::of(
        place
            .command(["init", "-o", "my.toml", "--url", &sandbox.url])
            .arg(sample("csv-tickets"))
            .env("FREESCOUT_API_KEY", KEY),
    )
    .exits(0);
    let text = std::fs::read_to_string(place.path().join("my.toml")).unwrap();
    assert!(text.contains("\"Käthe Brühl\" = \"kb@example.org\""), "{text}\n{}", ran.stderr);
    assert!(text.contains("default = \"admin@example.org\""), "{text}");
    let ran = Ran::of(&mut sandbox.import(&place, &sample("csv-tickets"), "-m my.toml")).exits(0);
    assert_eq!(ran.sums().done, 5);
    assert!(!ran.stderr.contains("map-unknown-agent"), "{}", ran.stderr);
}
