//! A cases file: TOML into records and expectations, with every fault found.

use std::ops::Range;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::Case;
use super::shape::{self, Form};
use crate::finding::codes;
use crate::mapping::extend::Texts;
use crate::mapping::fault::{self, Fault, alternatives, suggestion};
use crate::mapping::{MappingError, Value};
use crate::record::Origin;
use crate::record::json::{self as record_json, Files};
use crate::source::ReadError;

/// A larger file is none: the largest real ones have some thousand lines.
const LARGEST_FILE: usize = 16 * 1024 * 1024;

/// The largest file that a case makes of a `size` alone.
const LARGEST_ATTACHMENT: u64 = 64 * 1024 * 1024;

/// When every record was opened, unless its case says something else.
const OPENED: &str = "2024-01-01T12:00:00Z";

const CASE_KEYS: &[&str] = &["name", "record", "each", "expect"];

const EACH_KEYS: &[&str] = &["from", "to", "table"];

/// Reads all cases, or says everything that is wrong with them.
pub(super) fn read(file: &str, text: &str, source: &str) -> Result<Vec<Case>, MappingError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.len() > LARGEST_FILE {
        return Err(super::unreadable(file, "it is larger than any cases file", None));
    }
    let mut reader = Reader { file: file.into(), text, source, faults: Vec::new(), cases: Vec::new() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let problem = error.message().lines().collect::<Vec<_>>().join(", ");
        reader.faults.push(Fault::error(error.span().unwrap_or(0..0), problem));
    }
    if errors.is_empty() {
        reader.root(root.get_ref());
    }
    if reader.faults.is_empty() {
        return Ok(reader.cases);
    }
    let texts = Texts::of(file, text);
    fault::sort(&mut reader.faults);
    let title = format!("could not read the cases `{file}`");
    let blocks: Vec<String> = reader.faults.iter().map(|fault| fault::block(&texts, fault, &title)).collect();
    Err(MappingError { file: file.to_owned(), report: blocks.join("\n") })
}

struct Reader<'t> {
    file: Arc<str>,
    text: &'t str,
    source: &'t str,
    faults: Vec<Fault>,
    cases: Vec<Case>,
}

/// A record's tables in the file: the case's own first, then that of all cases.
type Sources<'a, 'i> = [Option<&'a Value<'i>>; 2];

impl Reader<'_> {
    fn fault(&mut self, span: Range<usize>, problem: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { hint, ..Fault::error(span, problem) });
    }

    fn keys(&mut self, table: &DeTable<'_>, section: &str, known: &[&str]) {
        for key in table.keys() {
            let found = key.get_ref().as_ref();
            if !known.contains(&found) {
                let problem = format!("unknown key in {section}: expected {}", alternatives(known));
                self.fault(key.span(), problem, suggestion(found, known));
            }
        }
    }

    fn root(&mut self, root: &DeTable<'_>) {
        self.keys(root, "a cases file", &["record", "case"]);
        let common = root.get("record").filter(|value| self.is_table(value, "record"));
        let Some(cases) = root.get("case") else {
            self.fault(0..0, "there is no case", Some("a case begins with `[[case]]`".to_owned()));
            return;
        };
        let Some(cases) = cases.get_ref().as_array() else {
            self.fault(cases.span(), "cases are a list", Some("write `[[case]]`".to_owned()));
            return;
        };
        for case in cases {
            if let Some(table) = case.get_ref().as_table() {
                self.case(table, case.span(), common);
            } else {
                self.fault(case.span(), "a case is a table", Some("write `[[case]]`".to_owned()));
            }
        }
    }

    fn is_table(&mut self, value: &Value<'_>, name: &str) -> bool {
        let is_table = value.get_ref().is_table();
        if !is_table {
            self.fault(value.span(), format!("`{name}` is a table"), None);
        }
        is_table
    }

    fn case(&mut self, table: &DeTable<'_>, span: Range<usize>, common: Option<&Value<'_>>) {
        self.keys(table, "a case", CASE_KEYS);
        let start = table.keys().map(|key| key.span().start).min().unwrap_or(span.start).min(span.start);
        let line = self.text[..start.min(self.text.len())].matches('\n').count() + 1;
        let name = match table.get("name") {
            Some(value) if value.get_ref().as_str().is_some_and(|name| !name.trim().is_empty()) => {
                value.get_ref().as_str().unwrap_or_default().trim().to_owned()
            }
            Some(value) => return self.fault(value.span(), "a case's name is a text that says what holds", None),
            None => return self.fault(span, "a case has no `name`, which says what holds", None),
        };
        let own = table.get("record").filter(|value| self.is_table(value, "record"));
        let expected = table.get("expect").filter(|value| self.is_table(value, "expect"));
        if let Some(expected) = expected {
            shape::check(expected, &Form::Table(shape::EXPECTED), "expect", &mut self.faults);
            self.exclusive(expected);
        }
        let mut record = common.map_or_else(|| json!({}), |common| json_of(common.get_ref()));
        if let Some(own) = own {
            lay_over(&mut record, json_of(own.get_ref()));
        }
        let wanted = expected.map_or_else(|| json!({}), |expected| json_of(expected.get_ref()));
        let sources = [own, common];
        let Some(each) = table.get("each") else {
            if expected.is_none_or(|expected| expected.get_ref().as_table().is_some_and(DeTable::is_empty)) {
                let hint = "add `expect.status = \"closed\"`, or whatever must come of it".to_owned();
                return self.fault(span, "a case expects something", Some(hint));
            }
            return self.add(name, line, record, wanted, &sources, span);
        };
        let Some(each) = self.each(each) else { return };
        for (key, value, place) in each.rows {
            let (mut record, mut wanted) = (record.clone(), wanted.clone());
            put(&mut record, &each.from, json!(key), Fillers::Empty);
            put(&mut wanted, &each.to, value, Fillers::None);
            // Rows are found by their own place.
            let row_line = self.text[..place.start].matches('\n').count() + 1;
            self.add(format!("{name}: {key}"), row_line, record, wanted, &sources, place);
        }
    }

    fn exclusive(&mut self, expected: &Value<'_>) {
        let Some(table) = expected.get_ref().as_table() else { return };
        let Some((end, _)) = ["skipped", "rejected"].iter().find_map(|end| table.get_key_value(*end)) else { return };
        let end_name = end.get_ref().to_string();
        for key in table.keys().filter(|key| !matches!(key.get_ref().as_ref(), "skipped" | "rejected" | "findings")) {
            let problem = format!("what is {end_name} has no `{}`", key.get_ref());
            self.fault(key.span(), problem, Some("a case expects either an end or a conversation".to_owned()));
        }
    }

    fn each(&mut self, value: &Value<'_>) -> Option<Each> {
        let Some(table) = value.get_ref().as_table() else {
            self.fault(value.span(), "`each` is a table with `from`, `to` and `table`", None);
            return None;
        };
        self.keys(table, "`each`", EACH_KEYS);
        let mut path = |key: &str, what: &str| {
            let Some(found) = table.get(key) else {
                self.fault(value.span(), format!("`each` lacks `{key}`, {what}"), None);
                return None;
            };
            let steps = found.get_ref().as_str().and_then(steps);
            if steps.is_none() {
                let problem = format!("expected {what}, such as `status` or `threads[0].type`");
                self.fault(found.span(), problem, None);
            }
            steps.map(|steps| (steps, found.span()))
        };
        let from = path("from", "the key of the record that the table's keys stand in");
        let to = path("to", "the key that is expected");
        let Some(rows) = table.get("table").and_then(|rows| rows.get_ref().as_table()) else {
            self.fault(value.span(), "`each` lacks `table`, of values and what they must become", None);
            return None;
        };
        let ((from, _), (to, to_span)) = from.zip(to)?;
        let mut form = &Form::Table(shape::EXPECTED);
        for step in &to {
            form = match (form, step) {
                (Form::Table(keys), Step::Key(name)) => match keys.iter().find(|(known, _)| known == name) {
                    Some((_, form)) => form,
                    None => {
                        let known: Vec<&str> = keys.iter().map(|(known, _)| *known).collect();
                        let problem = format!("nothing expected is called `{name}`: expected {}", alternatives(&known));
                        self.fault(to_span, problem, suggestion(name, &known));
                        return None;
                    }
                },
                (Form::List(of), Step::Item(_)) => of,
                (Form::Free, Step::Key(_)) => &Form::Text,
                _ => {
                    self.fault(to_span, "nothing of this path can be expected", None);
                    return None;
                }
            };
        }
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_by_key(|(key, _)| key.span().start);
        let rows = sorted.into_iter().map(|(key, value)| {
            shape::check(value, form, "each.table", &mut self.faults);
            (key.get_ref().to_string(), json_of(value.get_ref()), key.span())
        });
        Some(Each { from, to, rows: rows.collect() })
    }

    /// Makes a case of a record and what is expected.
    fn add(
        &mut self,
        name: String,
        line: usize,
        record: Json,
        expected: Json,
        sources: &Sources<'_, '_>,
        place: Range<usize>,
    ) {
        let Json::Object(mut record) = record else { return };
        fill(&mut record);
        let at = Origin::line(&self.file, line as u64);
        match record_json::read(Json::Object(record), &at, self.source, &Files::none()) {
            Ok(mut record) => {
                for oddity in std::mem::take(&mut record.oddities) {
                    if oddity.code == codes::READ_UNKNOWN_KEY {
                        let said = oddity.message.split(';').next().unwrap_or_default().to_owned();
                        let (problem, hint) = match said.split_once(" (did you mean ") {
                            Some((problem, near)) => {
                                (problem.to_owned(), Some(format!("did you mean {}", near.trim_end_matches(')'))))
                            }
                            None => (said, Some("what records have no key for goes under `fields`".to_owned())),
                        };
                        let span = place_in(sources, &problem, true).unwrap_or_else(|| place.clone());
                        self.fault_once(span, problem, hint);
                    }
                }
                self.cases.push(Case { name, line, record, expected });
            }
            Err(ReadError::Malformed { problem, .. }) => {
                let span = place_in(sources, &problem, false).unwrap_or(place);
                self.fault_once(span, problem, None);
            }
            Err(other) => self.fault_once(place, other.to_string(), None),
        }
    }

    /// What is wrong with the record of all cases is said once.
    fn fault_once(&mut self, span: Range<usize>, problem: String, hint: Option<String>) {
        if !self.faults.iter().any(|fault| fault.span == span && fault.problem == problem) {
            self.fault(span, problem, hint);
        }
    }
}

/// A table of values and what they must become.
struct Each {
    from: Vec<Step>,
    to: Vec<Step>,
    rows: Vec<(String, Json, Range<usize>)>,
}

/// A step of a path such as `entries[0].author.role`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

/// The steps of a path; names with dots and the like stand in quotes: `fields["Due date"]`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = match inner.chars().next()? {
                quote @ ('"' | '\'') => inner[1..].find(quote)? + 2,
                _ => inner.find(']')?,
            };
            let (word, after) = inner.split_at(end);
            let quoted = word.strip_prefix(['"', '\'']).and_then(|word| word.strip_suffix(['"', '\'']));
            steps.push(match quoted {
                Some(name) => Step::Key(name.to_owned()),
                None => Step::Item(word.parse().ok().filter(|index| *index < 1000)?),
            });
            rest = after.strip_prefix(']')?;
        } else {
            let word = if steps.is_empty() { rest } else { rest.strip_prefix('.')? };
            let end = word.find(['.', '[']).unwrap_or(word.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Key(word[..end].to_owned()));
            rest = &word[end..];
        }
    }
    (!steps.is_empty()).then_some(steps)
}

/// What stands before an element that is put into a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fillers {
    /// Elements that say nothing: in a record.
    Empty,
    /// Nothing; the element is known by its number: in what is expected.
    None,
}

/// Puts a value at a path, and makes what leads there.
fn put(into: &mut Json, path: &[Step], value: Json, fillers: Fillers) {
    let mut at = into;
    for step in path {
        at = match step {
            Step::Key(name) => {
                if !at.is_object() {
                    *at = json!({});
                }
                at.as_object_mut().expect("it has just been made one").entry(name.clone()).or_insert(Json::Null)
            }
            Step::Item(index) if !at.is_array() && fillers == Fillers::None => {
                if !at.is_object() {
                    *at = json!({});
                }
                let object = at.as_object_mut().expect("it has just been made one");
                object.entry(index.to_string()).or_insert(Json::Null)
            }
            Step::Item(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let list = at.as_array_mut().expect("it has just been made one");
                while list.len() <= *index {
                    list.push(json!({}));
                }
                &mut list[*index]
            }
        };
    }
    *at = value;
}

/// Lays the tables of one record over those of another; anything but tables is replaced.
fn lay_over(below: &mut Json, above: Json) {
    match (below, above) {
        (Json::Object(below), Json::Object(above)) => {
            for (key, value) in above {
                match below.get_mut(&key) {
                    Some(known) => lay_over(known, value),
                    None => {
                        below.insert(key, value);
                    }
                }
            }
        }
        (below, above) => *below = above,
    }
}

/// Fills in what cases need not say. `false` leaves it out.
fn fill(record: &mut Map<String, Json>) {
    let mut default = |key: &str, value: Json| {
        default_in(record, key, value);
    };
    default("id", json!("1"));
    default("subject", json!("A question"));
    default("created_at", json!(OPENED));
    default("requester", json!({"name": "Ann Lee", "email": "ann@example.net"}));
    default("entries", json!([{}]));
    let opened = record.get("created_at").and_then(Json::as_str).unwrap_or(OPENED).parse::<Timestamp>();
    let opened = opened.or_else(|_| OPENED.parse()).unwrap_or_default();
    let author = record.get("requester").cloned();
    let Some(Json::Array(entries)) = record.get_mut("entries") else { return };
    for (index, entry) in entries.iter_mut().enumerate() {
        let Json::Object(entry) = entry else { continue };
        default_in(entry, "id", json!((index + 1).to_string()));
        let later = opened.checked_add(SignedDuration::from_mins(i64::try_from(index).unwrap_or_default()));
        default_in(entry, "created_at", json!(later.unwrap_or(opened).to_string()));
        if let Some(author) = &author {
            default_in(entry, "author", author.clone());
        } else {
            default_in(entry, "author", json!(false));
        }
        if !entry.contains_key("html") {
            default_in(entry, "text", json!(format!("Text {}", index + 1)));
        }
        let Some(Json::Array(attachments)) = entry.get_mut("attachments") else { continue };
        attachments.iter_mut().filter_map(Json::as_object_mut).for_each(give_bytes);
    }
}

fn default_in(table: &mut Map<String, Json>, key: &str, value: Json) {
    match table.get(key) {
        Some(Json::Bool(false)) => {
            table.shift_remove(key);
        }
        Some(_) => {}
        None if value == Json::Bool(false) => {}
        None => {
            table.insert(key.to_owned(), value);
        }
    }
}

/// A file of which a case says nothing but the size has so many bytes; one of which it says nothing, a few.
fn give_bytes(attachment: &mut Map<String, Json>) {
    use base64::Engine as _;
    if ["data", "file", "url", "missing"].iter().any(|key| attachment.contains_key(*key)) {
        return;
    }
    let size = attachment.get("size").map_or(Some(4), Json::as_u64);
    if let Some(size) = size.filter(|size| *size <= LARGEST_ATTACHMENT) {
        let bytes = vec![b'.'; usize::try_from(size).unwrap_or_default()];
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        attachment.insert("data".to_owned(), json!(data));
    }
}

/// A TOML value as JSON, in the order of the file.
fn json_of(value: &DeValue<'_>) -> Json {
    match value {
        DeValue::String(text) => json!(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).map_or(Json::Null, Json::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Json::Null, Json::from),
        DeValue::Boolean(is) => json!(is),
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json_of(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let mut sorted: Vec<_> = table.iter().collect();
            sorted.sort_by_key(|(key, _)| key.span().start);
            let pairs = sorted.into_iter().map(|(key, value)| (key.get_ref().to_string(), json_of(value.get_ref())));
            Json::Object(pairs.collect())
        }
    }
}

/// Where the path that a problem begins with stands: the key itself, or its value.
fn place_in(sources: &Sources<'_, '_>, problem: &str, is_key: bool) -> Option<Range<usize>> {
    let path = problem.strip_prefix('`')?.split('`').next()?;
    let path = steps(path)?;
    sources.iter().flatten().find_map(|source| {
        let mut at: &Value<'_> = source;
        let mut key_span = None;
        for step in &path {
            at = match (step, at.get_ref()) {
                (Step::Key(name), DeValue::Table(table)) => {
                    let (key, value) = table.get_key_value(name.as_str())?;
                    key_span = Some(key.span());
                    value
                }
                (Step::Item(index), DeValue::Array(items)) => items.get(*index)?,
                _ => return None,
            };
        }
        if is_key { key_span } else { Some(at.span()) }
    })
}
