//! A report in plain data: sections of facts, charts, tables and findings, as the template shows them.

use serde::Serialize;

use super::coverage::{Coverage, Fate};
use super::gather::{Big, Conversations, Gathered, SAMPLES};
use super::{About, Ending};
use crate::distinct::{Frequent, Largest, Months, Values};
use crate::finding::{self, codes};
use crate::holdings::{BigRecord, Head, Holdings};
use crate::report::Outcome;
use crate::report::figures::{counted, grouped, shortened, size, span};
use crate::report::tally::{Kind, Sample};
use crate::source::Facts;

/// How many bars a chart has.
const BARS: usize = 15;

/// How many rows a table of fields has.
const ROWS: usize = 200;

/// How many values of a field are named.
const VALUES: usize = 8;

/// Requests per second for which an import is forecast.
const PACES: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub title: String,
    pub state: &'static str,
    pub verdict: Vec<String>,
    pub totals: Vec<Total>,
    pub sections: Vec<Section>,
    pub version: &'static str,
    pub made: String,
}

/// One of the large numbers at the top.
#[derive(Debug, Serialize)]
pub(super) struct Total {
    pub name: &'static str,
    pub meaning: &'static str,
    pub count: String,
    /// In hundredths of all that were read.
    pub share: f64,
    pub class: &'static str,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    pub id: &'static str,
    pub title: &'static str,
    pub intro: Vec<String>,
    pub facts: Vec<(String, String)>,
    pub months: Option<MonthChart>,
    pub charts: Vec<Chart>,
    pub tables: Vec<Table>,
    pub findings: Vec<Group>,
}

/// Bars over time.
#[derive(Debug, Serialize)]
pub(super) struct MonthChart {
    pub title: &'static str,
    pub summary: String,
    pub width: usize,
    pub bars: Vec<MonthBar>,
    pub ticks: Vec<Tick>,
    pub most: String,
    /// A year, its twelve months, and their sum.
    pub years: Vec<(i16, Vec<String>, String)>,
    pub note: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct MonthBar {
    pub x: usize,
    pub y: f64,
    pub height: f64,
    pub title: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Tick {
    pub label: i16,
    /// In hundredths of the width.
    pub left: f64,
}

/// Bars beside each other's names.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub title: &'static str,
    pub of: &'static str,
    pub rows: Vec<Bar>,
    pub note: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub name: String,
    pub count: String,
    /// In hundredths of the longest.
    pub width: f64,
    pub is_rest: bool,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    pub title: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub note: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Column {
    pub name: &'static str,
    pub is_number: bool,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Cell {
    pub text: String,
    pub dim: Option<String>,
}

/// Findings of one kind, or records of one fate.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    pub id: String,
    pub severity: &'static str,
    pub code: Option<&'static str>,
    pub count: String,
    pub meaning: String,
    pub advice: Option<String>,
    pub fields: Vec<String>,
    pub samples: Vec<Shown>,
    pub more: Option<String>,
    pub is_open: bool,
}

/// A sample as it is shown: what, then where.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub what: String,
    pub place: Vec<String>,
}

/// Puts everything together.
pub(super) fn page(
    about: &About,
    gathered: &Gathered,
    coverage: &Coverage,
    archive: Option<(&Head, &Facts, &Holdings)>,
    ending: &Ending,
    clock: (String, f64),
) -> Page {
    let (made, seconds) = clock;
    let archive_name = shortened(&about.archive.join(" "));
    let mut sections = Vec::new();
    sections.extend(conversations(gathered));
    sections.extend(reasons(gathered));
    sections.extend(findings(gathered));
    sections.extend(coverage_of(gathered, coverage));
    sections.extend(people(gathered));
    sections.extend(archive.map(|(head, facts, holdings)| archive_of(head, facts, holdings, gathered.passed_over)));
    if about.counts_outcomes {
        sections.extend(forecast(about, gathered, ending, seconds));
    }
    sections.push(run(about, gathered, seconds));
    Page {
        title: format!("{} {archive_name}", about.command),
        state: match ending {
            Ending::Finished if needs_attention(gathered) => "attention",
            ending => ending.word(),
        },
        verdict: verdict(about, gathered, archive.map(|(.., holdings)| holdings), ending),
        totals: if about.counts_outcomes { totals(about, gathered) } else { Vec::new() },
        sections,
        version: env!("CARGO_PKG_VERSION"),
        made,
    }
}

/// Whether somebody should look before going on.
fn needs_attention(gathered: &Gathered) -> bool {
    gathered.sums.rejected + gathered.sums.dead > 0 || gathered.tally.counts().by_severity()[2] > 0
}

/// The answer to the first question, in sentences.
fn verdict(about: &About, gathered: &Gathered, holdings: Option<&Holdings>, ending: &Ending) -> Vec<String> {
    let sums = &gathered.sums;
    let mut said = Vec::new();
    match ending {
        Ending::Finished => {}
        Ending::Interrupted => said.push(
            "The run was interrupted. What follows is about the records that it had come to; the same command goes on."
                .to_owned(),
        ),
        Ending::Failed(reason) => {
            said.push(format!("The run could not go on: {}.", shortened(reason).trim_end_matches('.')));
            said.push("What follows is about the records that it had come to.".to_owned());
        }
    }
    let [_, warnings, errors] = gathered.tally.counts().by_severity();
    let unsent = sums.rejected + sums.dead;
    if about.counts_outcomes {
        let fate = if about.sends { "in FreeScout" } else { "ready to be sent" };
        let mut parts = vec![match sums.read - sums.done {
            0 => format!("All {} {} are {fate}", grouped(sums.read), about.unit),
            _ => format!("{} of {} {} are {fate}", grouped(sums.done), grouped(sums.read), about.unit),
        }];
        if sums.skipped > 0 {
            parts.push(format!("{} left out by a rule", grouped(sums.skipped)));
        }
        if unsent > 0 {
            parts.push(format!("{} not", grouped(unsent)));
        }
        said.push(if sums.read == 0 { "Nothing was read.".to_owned() } else { format!("{}.", parts.join(", ")) });
    } else if let Some(holdings) = holdings {
        let unreadable = match holdings.unreadable {
            0 => String::new(),
            count => format!("; {} cannot be read", grouped(count)),
        };
        let (records, entries) = (counted(holdings.records, "record"), grouped(holdings.entries));
        said.push(format!("The archive holds {records} with {entries} entries{unreadable}."));
    }
    if sums.read == 0 && about.counts_outcomes {
        return said;
    }
    said.push(match (errors, warnings) {
        (0, 0) => "There are no errors and no warnings.".to_owned(),
        _ => format!("Errors: {}; warnings: {}.", grouped(errors), grouped(warnings)),
    });
    said
}

fn totals(about: &About, gathered: &Gathered) -> Vec<Total> {
    let sums = &gathered.sums;
    let done = if about.sends { "in FreeScout, complete and compared" } else { "would be sent" };
    let share = |count: u64| if sums.read == 0 { 0.0 } else { rounded(count as f64 * 100.0 / sums.read as f64) };
    let total =
        |name, meaning, count: u64, class| Total { name, meaning, count: grouped(count), share: share(count), class };
    let mut totals = vec![
        total("done", done, sums.done, "done"),
        total("skipped", "left out by a rule of the mapping", sums.skipped, "skipped"),
        total("rejected", "not sendable, found before sending", sums.rejected, "bad"),
    ];
    if about.sends {
        totals.push(total("dead letters", "refused by FreeScout, or given up after trying", sums.dead, "bad"));
    }
    totals
}

fn conversations(gathered: &Gathered) -> Option<Section> {
    let it = &gathered.conversations;
    if it.count == 0 {
        return None;
    }
    let mut intro = Vec::new();
    if gathered.passed_over > 0 {
        let passed = grouped(gathered.passed_over);
        intro
            .push(format!("{passed} records were done by earlier runs and not read again: they are not counted here."));
    }
    let facts = vec![
        fact("conversations", grouped(it.count)),
        fact("threads", grouped(it.threads)),
        fact("attachments", grouped(it.attachments)),
        fact("texts and files", size(it.bytes)),
    ];
    let statuses: Vec<(&str, u64)> = it.statuses.iter().map(|(status, count)| (status.word(), *count)).collect();
    let charts = [
        Some(chart("By status", "conversations", &statuses, &[])),
        frequent("By mailbox", "conversations", &it.mailboxes, &[("no mailbox named", it.without_mailbox)]),
        frequent("By agent", "conversations", &it.assignees, &[("nobody", it.unassigned)]),
        frequent("By tag", "conversations", &it.tags, &[("no tag", it.untagged)]),
    ];
    Some(Section {
        id: "conversations",
        title: "Conversations",
        intro,
        facts,
        months: months("Conversations by month", &it.months),
        charts: charts.into_iter().flatten().collect(),
        tables: biggest(it),
        ..Section::default()
    })
}

fn biggest(it: &Conversations) -> Vec<Table> {
    let table = |title, largest: &Largest<Big>| Table {
        title,
        columns: columns(&["Conversation", "#Threads", "#Files", "#Size"]),
        rows: largest
            .iter()
            .map(|(_, big)| {
                vec![
                    Cell { text: big.subject.clone(), dim: Some(format!("{} · {}", big.record, big.origin)) },
                    cell(grouped(big.threads)),
                    cell(grouped(big.attachments)),
                    cell(size(big.bytes)),
                ]
            })
            .collect(),
        note: None,
    };
    vec![table("Most threads", &it.longest), table("Most bytes", &it.biggest)]
}

/// Why records are not done.
fn reasons(gathered: &Gathered) -> Option<Section> {
    let counts = gathered.tally.counts();
    let mut all: Vec<_> = counts.reasons.iter().collect();
    all.sort_by(|((a, _), x), ((b, _), y)| b.cmp(a).then(y.count.cmp(&x.count)));
    let groups: Vec<Group> = all
        .into_iter()
        .enumerate()
        .map(|(at, ((outcome, reason), kind))| {
            let (severity, word) = match outcome {
                Outcome::Done => ("info", "done"),
                Outcome::Skipped => ("info", "skipped"),
                Outcome::Rejected => ("error", "rejected"),
                Outcome::Dead => ("error", "dead letter"),
            };
            let meaning = format!("{word}: {}", shortened(reason));
            Group { meaning, ..group(format!("reason-{at}"), severity, kind, severity == "error") }
        })
        .collect();
    (!groups.is_empty()).then(|| Section {
        id: "left-behind",
        title: "Records that are not done",
        intro: vec!["By reason, with the first records of each.".to_owned()],
        findings: groups,
        ..Section::default()
    })
}

fn findings(gathered: &Gathered) -> Option<Section> {
    let counts = gathered.tally.counts();
    let groups: Vec<Group> = counts
        .worst_first()
        .into_iter()
        .map(|(code, kind)| {
            let severity = match kind.severity {
                finding::Severity::Info => "info",
                finding::Severity::Warning => "warning",
                finding::Severity::Error => "error",
            };
            let known = codes::ALL.iter().find(|(known, ..)| *known == code).map_or("", |(.., meaning)| meaning);
            let (meaning, advice) = match finding::explained(code) {
                Some((meaning, advice)) => (capital(meaning), Some(capital(advice))),
                None => (known.to_owned(), None),
            };
            let advice = advice.filter(|advice| advice != "Nothing");
            let is_open = kind.severity == finding::Severity::Error;
            Group { code: Some(code), meaning, advice, ..group(format!("f-{code}"), severity, kind, is_open) }
        })
        .collect();
    let [infos, warnings, errors] = counts.by_severity();
    (!groups.is_empty()).then(|| Section {
        id: "findings",
        title: "Findings",
        intro: vec![format!(
            "Errors say what is lost, warnings what changes on the way, the rest is good to know. Each kind is shown with its first \
             {SAMPLES} places; `--findings FILE` writes every one."
        )],
        facts: vec![
            fact("errors", grouped(errors)),
            fact("warnings", grouped(warnings)),
            fact("good to know", grouped(infos)),
        ],
        findings: groups,
        ..Section::default()
    })
}

fn group(id: String, severity: &'static str, kind: &Kind, is_open: bool) -> Group {
    let fields = kind.most_frequent_fields();
    let named = fields.iter().take(VALUES).map(|(field, count)| format!("{} {}", shortened(field), grouped(*count)));
    let mut named: Vec<String> = if fields.len() > 1 { named.collect() } else { Vec::new() };
    if !named.is_empty() && fields.len() > VALUES {
        named.push(format!("and {} more", fields.len() - VALUES));
    }
    let more = kind.count.saturating_sub(kind.samples.len() as u64);
    Group {
        id,
        severity,
        code: None,
        count: grouped(kind.count),
        meaning: String::new(),
        advice: None,
        fields: named,
        samples: kind.samples.iter().map(shown).collect(),
        more: (more > 0).then(|| format!("and {} more", grouped(more))),
        is_open,
    }
}

fn shown(sample: &Sample) -> Shown {
    let parts = [&sample.record, &sample.origin, &sample.field].into_iter().flatten().map(|part| shortened(part));
    let mut place: Vec<String> = parts.collect();
    let what = shortened(&sample.message);
    // Of an outcome there is nothing but the record.
    if what.is_empty() && !place.is_empty() {
        return Shown { what: place.remove(0), place };
    }
    Shown { what, place }
}

/// What findings tell of lost fields and values, and what else is known of the others.
fn coverage_of(gathered: &Gathered, coverage: &Coverage) -> Option<Section> {
    let counts = gathered.tally.counts();
    let mut fields = coverage.fields.clone();
    // A more exact account replaces what findings tell.
    let is_told = |fate| coverage.fields.iter().any(|account| account.fate == fate);
    if let Some(lost) = counts.kinds.get(codes::MAP_LOST_FIELD).filter(|_| !is_told(Fate::Lost)) {
        for (field, count) in &lost.fields {
            let mut account = super::FieldAccount::new(field.clone(), Fate::Lost);
            account.count = Some(*count);
            let sample = lost.samples.iter().find(|sample| sample.field.as_deref() == Some(field));
            account.place = sample.and_then(|sample| sample.origin.clone());
            fields.push(account);
        }
    }
    if !is_told(Fate::Partly) {
        for (field, values) in &gathered.unmapped {
            let all = values.most_frequent();
            let mut account = super::FieldAccount::new(field.clone(), Fate::Partly);
            account.count = Some(all.iter().map(|(_, count)| count).sum::<u64>() + values.others);
            account.distinct = (values.others == 0).then_some(all.len() as u64);
            account.values = all.into_iter().map(|(value, count)| (value.to_owned(), count)).collect();
            fields.push(account);
        }
    }
    if fields.is_empty() {
        return None;
    }
    fields.sort_by(|a, b| a.fate.cmp(&b.fate).then(b.count.cmp(&a.count)).then(a.field.cmp(&b.field)));
    let more = fields.len().saturating_sub(ROWS);
    let rows = fields.iter().take(ROWS).map(|account| {
        let mut said: Vec<String> = account.reason.iter().map(|reason| shortened(reason)).collect();
        said.extend(
            account
                .values
                .iter()
                .take(VALUES)
                .map(|(value, count)| format!("{} ({})", shortened(value), grouped(*count))),
        );
        if account.values.len() > VALUES {
            said.push(format!("and {} more", account.values.len() - VALUES));
        }
        vec![
            Cell { text: format!("`{}`", shortened(&account.field)), dim: account.place.as_deref().map(shortened) },
            cell(account.fate.word().to_owned()),
            cell(account.count.map(grouped).unwrap_or_default()),
            cell(account.distinct.map(grouped).unwrap_or_default()),
            cell(said.join("; ")),
        ]
    });
    let table = Table {
        title: "Fields",
        columns: columns(&["Field", "Fate", "#Times", "#Values", "Reason or values"]),
        rows: rows.collect(),
        note: (more > 0).then(|| format!("and {} more", counted(more as u64, "field"))),
    };
    let intro = "A field is used by a rule, ignored with a reason, or lost. What is lost does not reach FreeScout: map it, or list it \
                 under `[ignore]` with a reason.";
    Some(Section {
        id: "coverage",
        title: "Fields and values",
        intro: vec![intro.to_owned()],
        tables: vec![table],
        ..Section::default()
    })
}

fn people(gathered: &Gathered) -> Option<Section> {
    let it = &gathered.people;
    if gathered.conversations.count == 0 {
        return None;
    }
    let about = if it.customers.is_estimate() { "about " } else { "" };
    let mut facts = vec![fact("customers", format!("{about}{}", grouped(it.customers.count())))];
    let counts = gathered.tally.counts();
    let found = |code: &str| counts.kinds.get(code).map_or(0, |kind| kind.count);
    for (name, count) in [
        ("with a stand-in address", it.stand_ins.count()),
        ("records whose people are all staff", found(codes::PERSON_IS_STAFF)),
        ("addresses that FreeScout would not keep", found(codes::PERSON_BAD_ADDRESS)),
        ("several customers for one person", found(codes::PERSON_SEVERAL)),
    ] {
        if count > 0 {
            facts.push(fact(name, grouped(count)));
        }
    }
    let charts = [
        frequent("Customers with most conversations", "conversations", &it.by_conversations, &[]),
        frequent("Agents who wrote most", "threads", &it.writers, &[]),
    ];
    let titles = [
        (codes::MAP_UNKNOWN_AGENT, "Agents who are not mapped"),
        (codes::MAP_DEPARTED_AGENT, "Agents who have left"),
        (codes::TARGET_UNKNOWN_USER, "Users whom the target lacks"),
        (codes::TARGET_NEW_USER, "Users who were created"),
    ];
    let tables = titles.into_iter().filter_map(|(code, title)| {
        let values = it.said.get(code)?;
        Some(said(title, values))
    });
    Some(Section {
        id: "people",
        title: "People",
        facts,
        charts: charts.into_iter().flatten().collect(),
        tables: tables.collect(),
        ..Section::default()
    })
}

/// What findings say, in their words, with how often they say it.
fn said(title: &'static str, values: &Values) -> Table {
    let all = values.most_frequent();
    let rest = all.iter().skip(BARS).map(|(_, count)| count).sum::<u64>() + values.others;
    Table {
        title,
        columns: columns(&["What was done", "#Times"]),
        rows: all.iter().take(BARS).map(|(text, count)| vec![cell(shortened(text)), cell(grouped(*count))]).collect(),
        note: (rest > 0).then(|| format!("others: {}", grouped(rest))),
    }
}

fn archive_of(head: &Head, facts: &Facts, it: &Holdings, passed_over: u64) -> Section {
    let mut rows = vec![
        fact("format", format!("{}{}", head.format, in_brackets(&facts.variants))),
        fact("files", format!("{}, {}", grouped(head.files as u64), size(head.bytes))),
    ];
    rows.extend(facts.counts.iter().map(|(name, count)| fact(&name.replace('_', " "), grouped(*count))));
    rows.push(fact("records", grouped(it.records)));
    if it.unreadable > 0 {
        rows.push(fact("unreadable", grouped(it.unreadable)));
    }
    let notes = if it.notes > 0 { format!(", {} of them private", grouped(it.notes)) } else { String::new() };
    rows.push(fact("entries", format!("{}{notes}", grouped(it.entries))));
    let about = if it.people.is_estimate() { "about " } else { "" };
    rows.push(fact("people", format!("{about}{}", grouped(it.people.count()))));
    let without = match it.without_bytes {
        0 => String::new(),
        count => format!(", {} without bytes in the archive", grouped(count)),
    };
    rows.push(fact("attachments", format!("{}, {}{without}", grouped(it.attachments), size(it.attachment_bytes))));
    if let (Some(first), Some(last)) = (it.first, it.last) {
        rows.push(fact("from", minute(first)));
        rows.push(fact("to", minute(last)));
    }
    let values = |title, of, values: &Values| {
        let all = values.most_frequent();
        (!all.is_empty()).then(|| chart(title, of, &all, &[("others", values.others)]))
    };
    let types = it.file_types();
    let types: Vec<(&str, u64)> = types.iter().map(|(name, kind)| (*name, kind.count)).collect();
    let charts = [
        values("Statuses in the old words", "records", &it.statuses),
        values("How they came in", "records", &it.channels),
        values("Kinds of entry", "entries", &it.kinds),
        values("Tags in the archive", "records", &it.tags),
        values("Further fields", "records", &it.fields),
        frequent("Most requests by", "records", &it.requesters, &[]),
        frequent("Most assigned to", "records", &it.assignees, &[]),
        frequent("Most written to", "entries", &it.recipients, &[]),
        (!types.is_empty()).then(|| chart("Types of attachments", "files", &types, &[])),
    ];
    let mut intro = Vec::new();
    if passed_over > 0 {
        intro.push("Records that earlier runs had done were not read again, and are not counted here.".to_owned());
    }
    Section {
        id: "archive",
        title: "The archive",
        intro,
        facts: rows,
        months: months("Records by month", &it.months),
        charts: charts.into_iter().flatten().collect(),
        tables: archive_tables(it),
        findings: unreadable(it).into_iter().collect(),
    }
}

fn archive_tables(it: &Holdings) -> Vec<Table> {
    let records = |title, largest: &Largest<BigRecord>| Table {
        title,
        columns: columns(&["Record", "#Entries", "#Size"]),
        rows: largest
            .iter()
            .map(|(_, big)| {
                let dim = Some(format!("{} · {}", big.record, big.origin));
                let subject = if big.subject.is_empty() { "(no subject)" } else { &big.subject };
                vec![Cell { text: subject.to_owned(), dim }, cell(grouped(big.entries)), cell(size(big.bytes))]
            })
            .collect(),
        note: None,
    };
    let files = Table {
        title: "Biggest attachments",
        columns: columns(&["File", "#Size"]),
        rows: it
            .biggest_files
            .iter()
            .map(|(bytes, file)| {
                vec![Cell { text: file.name.clone(), dim: Some(file.record.clone()) }, cell(size(bytes))]
            })
            .collect(),
        note: None,
    };
    let tables = [records("Most entries", &it.longest), records("Most bytes in the archive", &it.biggest), files];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn unreadable(it: &Holdings) -> Option<Group> {
    let more = it.unreadable.saturating_sub(it.unreadable_samples.len() as u64);
    (it.unreadable > 0).then(|| Group {
        id: "unreadable".to_owned(),
        severity: "error",
        code: None,
        count: grouped(it.unreadable),
        meaning: "records cannot be read".to_owned(),
        advice: None,
        fields: Vec::new(),
        samples: it.unreadable_samples.iter().map(|what| Shown { what: what.clone(), place: Vec::new() }).collect(),
        more: (more > 0).then(|| format!("and {} more", grouped(more))),
        is_open: true,
    })
}

fn forecast(about: &About, gathered: &Gathered, ending: &Ending, seconds: f64) -> Option<Section> {
    let new = gathered.sums.read.saturating_sub(gathered.before);
    if new == 0 {
        return None;
    }
    let worked = (seconds - gathered.asleep).max(0.001);
    let pace = new as f64 / worked;
    let mut section = Section { id: "forecast", title: "How long it takes", ..Section::default() };
    let what = if about.sends { "sent" } else { "read and converted" };
    section.facts.push(fact("measured", format!("{} {} {what} in {}", grouped(new), about.unit, span(seconds))));
    section.facts.push(fact("pace", format!("{} per second", pace_of(pace))));
    if about.sends {
        let left =
            gathered.progress.and_then(|progress| progress.total).map(|all| all.saturating_sub(gathered.sums.read));
        if let Some(left) = left.filter(|left| *left > 0 && !matches!(ending, Ending::Finished)) {
            section.facts.push(fact("left", grouped(left)));
            section.facts.push(fact("at this pace", format!("{} more", span(left as f64 / pace))));
        }
        return Some(section);
    }
    let conversations = gathered.conversations.count;
    let requests = conversations + gathered.people.customers.count();
    section.intro.push(format!(
        "A check sends nothing, so that this is arithmetic: {} and {} make at least {} requests. How many of them \
         FreeScout answers in a second shows the first minute of an import, or `import --limit 50`.",
        counted(conversations, "conversation"),
        counted(gathered.people.customers.count(), "customer"),
        grouped(requests)
    ));
    section.tables.push(Table {
        title: "An import at different paces",
        columns: columns(&["Requests per second", "#Takes about"]),
        rows: PACES.iter().map(|pace| vec![cell(pace_of(*pace)), cell(span(requests as f64 / pace))]).collect(),
        note: None,
    });
    Some(section)
}

/// A rate without needless digits.
fn pace_of(pace: f64) -> String {
    if pace < 9.95 && pace.fract() > 0.0 { format!("{pace:.1}") } else { grouped(pace.round() as u64) }
}

fn run(about: &About, gathered: &Gathered, seconds: f64) -> Section {
    let mut facts = vec![fact("command", about.command.to_owned())];
    facts.extend(about.archive.iter().map(|name| fact("archive", shortened(name))));
    facts.extend(about.settings.iter().map(|(name, value)| fact(name, shortened(value))));
    if let Some((url, mailboxes, users)) = &gathered.target {
        let holds = format!("mailboxes: {}, users: {}", grouped(*mailboxes as u64), grouped(*users as u64));
        facts.push(fact("target", format!("{} ({holds})", shortened(url))));
    }
    facts.push(fact("foxferry", env!("CARGO_PKG_VERSION").to_owned()));
    facts.push(fact("began", minute(about.began)));
    facts.push(fact("took", span(seconds)));
    if let Some(sums) = gathered.finished.as_ref().filter(|_| about.sends) {
        facts.push(fact("requests", grouped(sums.requests)));
        facts.push(fact("threads made", grouped(sums.threads)));
        facts.push(fact("attachments sent", grouped(sums.attachments)));
        facts.push(fact("customers made", grouped(sums.customers)));
        if sums.done_before > 0 {
            facts.push(fact("done by earlier runs", grouped(sums.done_before)));
        }
        if sums.unfinished > 0 {
            facts.push(fact("taken up and not finished", grouped(sums.unfinished)));
        }
        facts.push(fact("requests tried again", grouped(gathered.retries)));
    }
    for (name, seconds) in [("waited for the target", gathered.paused), ("asleep by the window", gathered.asleep)] {
        if seconds > 0.0 {
            facts.push(fact(name, span(seconds)));
        }
    }
    Section { id: "run", title: "The run", facts, ..Section::default() }
}

fn months(title: &'static str, months: &Months) -> Option<MonthChart> {
    let all = months.all();
    let most = all.iter().map(|(.., count)| *count).max()?;
    let (year, month, _) = *all.iter().find(|(.., count)| *count == most)?;
    let bars = all.iter().enumerate().filter(|(_, (.., count))| *count > 0).map(|(at, (year, month, count))| {
        // What there is can be seen, however little it is.
        let height = (*count as f64 * 100.0 / most as f64).max(1.0);
        let title = format!("{year}-{month:02}: {}", grouped(*count));
        MonthBar { x: at * 10 + 1, y: rounded(100.0 - height), height: rounded(height), title }
    });
    let width = all.len() * 10;
    let (first, last) = (all[0].0, all[all.len() - 1].0);
    // At most eight labels, so that they do not touch each other on a telephone.
    let step = (last - first) / 8 + 1;
    let ticks =
        all.iter().enumerate().filter(|(at, (year, month, _))| (*at == 0 || *month == 1) && (year - first) % step == 0);
    let ticks =
        ticks.map(|(at, (year, ..))| Tick { label: *year, left: rounded(at as f64 * 100.0 / all.len() as f64) });
    let mut ticks: Vec<Tick> = ticks.collect();
    // At the right edge there is no room for one.
    ticks.retain(|tick| tick.left < 92.0);
    // The first year's label would be run over by the second's if only its last months are there.
    if ticks.len() > 1 && ticks[1].left < 9.0 {
        ticks.remove(0);
    }
    let years = (first..=last).filter_map(|year| {
        let of_year =
            |wanted: i8| all.iter().find(|(of, month, _)| *of == year && *month == wanted).map_or(0, |it| it.2);
        let counts: Vec<u64> = (1..=12).map(of_year).collect();
        let sum: u64 = counts.iter().sum();
        let shown = |count: &u64| if *count == 0 { "–".to_owned() } else { grouped(*count) };
        (sum > 0).then(|| (year, counts.iter().map(shown).collect(), grouped(sum)))
    });
    Some(MonthChart {
        title,
        summary: format!("From {first} to {last}; most in {year}-{month:02}: {}", grouped(most)),
        width,
        bars: bars.collect(),
        ticks,
        most: grouped(most),
        years: years.collect(),
        note: (months.elsewhen > 0)
            .then(|| format!("{} without a date between 1970 and 2038", grouped(months.elsewhen))),
    })
}

fn frequent(title: &'static str, of: &'static str, it: &Frequent, rest: &[(&str, u64)]) -> Option<Chart> {
    let top = it.top(BARS);
    if top.is_empty() {
        return None;
    }
    let mut made = chart(title, of, &top, rest);
    let more = it.known().saturating_sub(top.len());
    made.note = match (it.has_forgotten(), more) {
        (true, _) => Some("there are many thousands more; counts may be too low".to_owned()),
        (false, 0) => None,
        (false, more) => Some(format!("and {} more with fewer", grouped(more as u64))),
    };
    Some(made)
}

fn chart(title: &'static str, of: &'static str, all: &[(&str, u64)], rest: &[(&str, u64)]) -> Chart {
    let rest: Vec<_> = rest.iter().filter(|(_, count)| *count > 0).collect();
    let counts = all.iter().map(|(_, count)| *count).chain(rest.iter().map(|(_, count)| *count));
    let most = counts.max().unwrap_or(1).max(1);
    let bar = |name: &str, count: u64, is_rest| Bar {
        name: shortened(name),
        count: grouped(count),
        width: rounded((count as f64 * 100.0 / most as f64).max(0.5)),
        is_rest,
    };
    let mut rows: Vec<Bar> = all.iter().take(BARS).map(|(name, count)| bar(name, *count, false)).collect();
    rows.extend(rest.iter().map(|(name, count)| bar(name, *count, true)));
    let more = all.len().saturating_sub(BARS);
    Chart { title, of, rows, note: (more > 0).then(|| format!("and {} more with fewer", grouped(more as u64))) }
}

/// `#` before a name: a column of numbers.
fn columns(names: &[&'static str]) -> Vec<Column> {
    let column = |name: &&'static str| match name.strip_prefix('#') {
        Some(name) => Column { name, is_number: true },
        None => Column { name, is_number: false },
    };
    names.iter().map(column).collect()
}

fn cell(text: String) -> Cell {
    Cell { text, dim: None }
}

fn fact(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn in_brackets(variants: &[String]) -> String {
    if variants.is_empty() { String::new() } else { format!(" ({})", shortened(&variants.join(", "))) }
}

pub(super) fn minute(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Two digits are enough for a picture.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A sentence's beginning; what begins with a literal stays.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
