use std::sync::Arc;

use super::*;
use crate::conversation::{Author, Conversation, Customer, Kind, Status, Thread, ThreadKind, UserRef};
use crate::finding::{Finding, codes};
use crate::mapping::{Converted, Mapped};
use crate::record::{Origin, RecordId};
use crate::report::{Outcome, Summary};

/// A text that would run, break out of an attribute, a comment or a style, or turn the line round.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>--></style></title>`<svg onload=alert(3)>`\u{202e}\0&amp;";

fn conversation(id: u64, hostile: &str) -> Conversation {
    let customer = Customer {
        key: format!("{hostile}{id}@example.net"),
        emails: vec![format!("{hostile}{id}@example.net")],
        ..Customer::default()
    };
    let at: Timestamp = format!("2024-{:02}-03T10:00:00Z", id % 12 + 1).parse().unwrap();
    let thread = Thread {
        entry: "1".to_owned(),
        kind: ThreadKind::Message,
        author: Author::User(UserRef::Address(format!("{hostile}ada@example.org"))),
        shown_name: None,
        body: "<p>Hello</p>".to_owned(),
        cc: Vec::new(),
        bcc: Vec::new(),
        created_at: at,
        attachments: Vec::new(),
    };
    Conversation {
        id: RecordId::new("zendesk", format!("{hostile}{id}")),
        origin: Origin::line(&Arc::from(format!("{hostile}tickets.json")), id),
        mailbox: Some(format!("{hostile}support@example.org")),
        kind: Kind::Email,
        status: Status::Active,
        subject: format!("{hostile}Subject {id}"),
        customer,
        assignee: Some(UserRef::Address(format!("{hostile}ada@example.org"))),
        created_at: at,
        closed_at: None,
        threads: vec![thread],
        tags: vec![format!("{hostile}tag")],
        fields: Vec::new(),
    }
}

/// Lets a report hear of some records.
fn told(report: &HtmlReport, records: u64, hostile: &str) {
    report.event(&Event::Opened { format: "zendesk", records });
    for id in 1..=records {
        let conversation = conversation(id, hostile);
        let (record, origin) = (conversation.id.clone(), conversation.origin.clone());
        let mapped = Mapped { conversation, findings: Vec::new(), rules: Vec::new(), lines: Vec::new() };
        report.event(&Event::Converted(&Converted::Ready(Box::new(mapped))));
        for (code, field) in [
            (codes::MAP_LOST_FIELD, "fields.x"),
            (codes::MAP_UNMAPPED_VALUE, "status"),
            (codes::MAP_UNKNOWN_AGENT, "assignee"),
            (codes::ATTACHMENT_MISSING, "threads[0]"),
        ] {
            let finding = Finding::new(code, format!("{hostile} was noticed")).about(&record, &origin);
            report.event(&Event::Finding(&finding.in_field(format!("{hostile}{field}"))));
        }
        let (outcome, reason) =
            if id % 3 == 0 { (Outcome::Rejected, Some(format!("{hostile} reason"))) } else { (Outcome::Done, None) };
        report.event(&Event::Outcome {
            record: &record,
            origin: &origin,
            outcome,
            conversation: None,
            reason: reason.as_deref(),
            is_from_before: false,
        });
    }
}

fn report(place: &Path, hostile: &str) -> HtmlReport {
    let mut about = About::new("check");
    about.archive = vec![format!("{hostile}export.json")];
    about.settings = vec![("mapping".to_owned(), format!("{hostile}zendesk"))];
    HtmlReport::create(place, about).unwrap()
}

fn written(ending: &Ending, records: u64, hostile: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let report = report(&path, hostile);
    told(&report, records, hostile);
    assert!(!path.exists(), "a report appears when it is whole");
    report.finish(ending).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    fs::read_to_string(path).unwrap()
}

/// Every tag of a page, with its attributes as they stand.
///
/// Strict: what is no tag of the form that the template writes is a failure, so that nothing hides in broken HTML.
fn tags(html: &str) -> Vec<(String, Vec<String>)> {
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let mut tags = Vec::new();
    for part in [head, body] {
        let mut rest = part;
        while let Some((before, after)) = rest.split_once('<') {
            assert!(!before.contains('>'), "a bare `>` in {before}");
            let (tag, after) = after.split_once('>').unwrap_or_else(|| panic!("an open tag in {after}"));
            let name: String = tag.chars().take_while(|c| !c.is_whitespace()).collect();
            let mut attributes = Vec::new();
            let mut left = tag[name.len()..].trim_start();
            while !left.is_empty() {
                let end = left.find(['=', ' ']).unwrap_or(left.len());
                attributes.push(left[..end].to_ascii_lowercase());
                left = &left[end..];
                if let Some(value) = left.strip_prefix("=\"") {
                    let (_, after) = value.split_once('"').unwrap_or_else(|| panic!("an open attribute in {tag}"));
                    assert!(after.is_empty() || after.starts_with(' '), "an attribute that ends early in {tag}");
                    left = after;
                }
                left = left.trim_start();
            }
            tags.push((name, attributes));
            rest = after;
        }
        assert!(!rest.contains('>'), "a bare `>` in {rest}");
    }
    tags
}

#[test]
fn hostile_texts_make_no_tag_and_no_attribute() {
    let tame = written(&Ending::Failed("x".to_owned()), 5, "");
    let hostile = written(&Ending::Failed(HOSTILE.to_owned()), 5, HOSTILE);
    let known: std::collections::BTreeSet<_> = tags(&tame).into_iter().collect();
    for (name, attributes) in tags(&hostile) {
        let is_ours = known.contains(&(name.clone(), attributes.clone()));
        // Backticks in a text are shown as code.
        assert!(is_ours || name == "code" || name == "/code", "<{name} {attributes:?}>");
        assert!(attributes.iter().all(|name| !name.starts_with("on") && name != "src"), "<{name} {attributes:?}>");
    }
    assert!(known.iter().all(|(name, _)| name != "script"));
    assert!(hostile.contains("&lt;script&gt;alert(1)"), "what was there is shown");
    assert!(!hostile.contains('\0'));
}

#[test]
fn the_policy_lets_nothing_run_or_load() {
    let html = written(&Ending::Finished, 1, "");
    let policy =
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\"";
    assert!(html.contains(policy));
    let (head, _) = html.split_once("<style>").unwrap();
    assert!(head.find(policy) < head.find("<title>"), "the policy stands before anything from outside");
    for (_, attributes) in tags(&html) {
        assert!(attributes.iter().all(|name| !["src", "srcset", "action", "ping"].contains(&name.as_str())));
    }
    assert!(!html.contains("url(") && !html.contains("@import"), "the style loads nothing");
}

#[test]
fn a_report_says_how_its_run_ended() {
    let finished = written(&Ending::Finished, 6, "");
    assert!(finished.contains("<p>4 of 6 records are ready to be sent, 2 not.</p>"), "{finished}");
    assert!(!finished.contains("class=\"state\""));
    let interrupted = written(&Ending::Interrupted, 6, "");
    assert!(interrupted.contains("<strong>Interrupted</strong>"));
    let failed = written(&Ending::Failed("the disk is full".to_owned()), 6, "");
    assert!(
        failed.contains("<strong>Failed</strong>") && failed.contains("The run could not go on: the disk is full.")
    );
}

#[test]
fn a_report_of_nothing_is_a_report() {
    let html = written(&Ending::Finished, 0, "");
    assert!(html.contains("Nothing was read.") && html.contains("id=\"run\""));
    tags(&html);
}

#[test]
fn ids_are_unique_and_links_lead_somewhere() {
    let html = written(&Ending::Finished, 6, "");
    let all = |before: &str| -> Vec<String> {
        html.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let ids = all(" id=\"");
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
    for target in all("href=\"#") {
        assert!(ids.contains(&target), "#{target}");
    }
    for names in all("aria-labelledby=\"") {
        assert!(ids.contains(&names), "{names}");
    }
}

#[test]
fn tables_have_headings_for_those_who_do_not_see() {
    let html = written(&Ending::Finished, 6, "");
    for table in html.split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap();
        assert!(
            table.contains("<caption") && table.contains("scope=\"col\"") && table.contains("scope=\"row\""),
            "{table}"
        );
    }
    for heading in ["<h1>", "<h2 id=\"conversations-title\">", "<h3>By status</h3>"] {
        assert!(html.contains(heading), "{heading}");
    }
}

#[test]
fn a_hundred_thousand_findings_are_a_small_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let report = report(&path, "");
    let (record, origin) = (RecordId::new("zendesk", "7"), Origin::line(&Arc::from("t.json"), 3));
    for n in 0..100_000 {
        let (code, ..) = codes::ALL[n % codes::ALL.len()];
        let finding = Finding::new(code, format!("value {n} was noticed")).about(&record, &origin);
        report.event(&Event::Finding(&finding.in_field(format!("fields.{}", n % 997))));
    }
    report.finish(&Ending::Finished).unwrap();
    let size = fs::metadata(path).unwrap().len();
    assert!(size < 512 * 1024, "{size} bytes");
}

#[test]
fn a_place_that_cannot_be_written_fails_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing/report.html"), folder.path().to_owned()] {
        assert!(HtmlReport::create(&path, About::new("check")).is_err(), "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn what_a_link_leads_to_is_replaced_and_not_the_link() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file.html"), folder.path().join("link.html"));
    fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    report(&link, "").finish(&Ending::Finished).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().starts_with("<!doctype html>"));
    assert_ne!(fs::metadata(&file).unwrap().permissions().mode() & 0o040, 0, "as any file, not as a secret one");
}

#[test]
fn sums_of_the_work_are_shown_where_something_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let report = report(&path, "");
    report.about(|about| about.sends = true);
    told(&report, 2, "");
    report.event(&Event::PassedOver { records: 3 });
    let sums = Summary { requests: 1234, done_before: 3, ..Summary::default() };
    report.event(&Event::Finished(&sums));
    report.finish(&Ending::Finished).unwrap();
    let html = fs::read_to_string(path).unwrap();
    assert!(html.contains("All 5 records are in FreeScout."), "{html}");
    assert!(html.contains("<dt>requests</dt><dd>1,234</dd>"));
    assert!(html.contains("3 records were done by earlier runs and not read again"));
}

#[test]
fn an_exact_account_of_fields_takes_the_place_of_findings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let report = report(&path, "");
    told(&report, 1, "");
    let mut lost = FieldAccount::new("brand", Fate::Lost);
    lost.values = vec![("lamps".to_owned(), 7)];
    let mut ignored = FieldAccount::new("via.*", Fate::Ignored);
    ignored.reason = Some("covered by the requester".to_owned());
    report.coverage(Coverage { fields: vec![ignored, lost] });
    report.finish(&Ending::Finished).unwrap();
    let html = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> =
        html.split("<code>").filter(|part| part.starts_with("brand<") || part.starts_with("via.*<")).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("brand<"), "lost ones first");
    assert!(html.contains("lamps (7)") && html.contains("covered by the requester"));
    assert!(!html.contains("<th scope=\"row\"><code>fields.x</code>"), "findings tell less");
}
