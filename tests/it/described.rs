//! Archives that no reader was written for, read by a mapping alone.

use crate::place::{Place, Ran, Sandbox, archive, sample};
use crate::records::require_equal;

fn mapping(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappings").join(name)
}

#[test]
fn a_help_desk_of_odd_json_in_several_files_moves_with_a_mapping_under_60_lines() {
    let place = Place::new();
    let desk = sample("json").join("desk.toml");
    assert!(std::fs::read_to_string(&desk).unwrap().lines().count() < 60);
    let sandbox = Sandbox::start(&place, &[]);
    let ran = Ran::of(sandbox.import(&place, &sample("json"), "--journal a.ferry").arg("-m").arg(&desk)).exits(0);
    let sums = ran.sums();
    assert_eq!((sums.read, sums.done), (3, 3), "{}", ran.stderr);
    assert_eq!((sandbox.count("conversations"), sandbox.count("threads"), sandbox.count("outbox")), (3, 6, 0));
    for unexpected in ["map-lost-field", "map-unmapped-value"] {
        assert!(!ran.stderr.contains(unexpected), "{}", ran.stderr);
    }
    let checked = Ran::of(place.command(["check"]).arg(sample("json")).arg("-m").arg(&desk)).exits(3);
    for expected in ["posts.jsonl:4", "only a link", "`photo.jpg` is not in the archive"] {
        assert!(checked.stderr.contains(expected), "{expected}: {}", checked.stderr);
    }
}

#[test]
fn a_mapping_alone_reads_a_zendesk_dump_as_the_reader_for_zendesk_does() {
    let Some(dump) = archive("zendesk/go-zendesk") else { return };
    let place = Place::new();
    let described = std::fs::read_to_string(mapping("go_zendesk.toml")).unwrap();
    let rules = described.split_once("[status]").unwrap().1;
    place.write("reader.toml", format!("source = \"zendesk\"\n[status]{rules}"));
    let (by_reader, by_mapping) = (Sandbox::start(&place, &[]), Sandbox::start(&place, &[]));
    let read = Ran::of(&mut by_reader.import(&place, &dump, "-m reader.toml --concurrency 1 --journal a.ferry"));
    let mut import = by_mapping.import(&place, &dump, "--concurrency 1 --journal b.ferry");
    let mapped = Ran::of(import.arg("-m").arg(mapping("go_zendesk.toml"))).exits(0);
    assert_eq!(mapped.last_line(), read.last_line(), "{}", mapped.stderr);
    assert_eq!(mapped.sums().done, 3);
    require_equal(&by_reader, &by_mapping, "go-zendesk");
}

#[test]
fn tables_of_a_warehouse_are_joined() {
    let Some(dump) = archive("zendesk/dbt_zendesk-seeds-csv") else { return };
    let place = Place::new();
    let ran =
        Ran::of(place.command(["import", "--sandbox"]).arg(dump).arg("-m").arg(mapping("dbt_zendesk.toml"))).exits(0);
    let sums = ran.sums();
    assert_eq!((sums.read, sums.done, sums.skipped), (10, 8, 2), "{}", ran.stderr);
    assert!(ran.stderr.contains("20 messages belong to tickets that the archive does not hold"), "{}", ran.stderr);
}

#[test]
fn what_is_wrong_about_a_shape_is_told_with_what_to_do() {
    let place = Place::new();
    place.write("a.json", "[{\"id\": 1}]");
    let ran = place.run("check a.json --format json").exits(5);
    assert!(ran.stderr.contains("nothing says where the tickets are"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: name a mapping with `--mapping`"), "{}", ran.stderr);
    place.write("m.toml", "source = \"json\"\n[shape.json]\ntickets = \"b*.json\"\n[shape.json.ticket]\nid = \"id\"\n");
    let ran = place.run("check a.json -m m.toml").exits(5);
    assert!(ran.stderr.contains("nothing was found where tickets should be: in `b*.json`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the files are `a.json`"), "{}", ran.stderr);
    place.write("m.toml", "source = \"json\"\n[shape.json]\ntickets = \"a.json\"\n[shape.json.ticket]\nidd = \"id\"\n");
    let ran = place.run("check a.json -m m.toml").exits(5);
    assert!(ran.stderr.contains("m.toml:5:1") && ran.stderr.contains("did you mean `id`?"), "{}", ran.stderr);
}
