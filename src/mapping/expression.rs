//! Expressions and templates of a mapping: compiled when it is loaded, bounded when they run.
//!
//! Most rules name one field, so that a plain path (`via.source.rel`,
//! `custom_fields["Order number"]`) is looked up without the template engine.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

pub(super) use super::probe::{constant, try_out};
use super::view::{self, EntryPlace, Found};
use crate::record::Record;

/// How much work one expression may do; a real one needs some dozens.
const FUEL: u64 = 50_000;

/// How long a template's output may get, in bytes.
const OUTPUT_BYTES: usize = 256 * 1024;

/// How many values one expression may give; a record has some dozens of tags.
const RESULT_ITEMS: usize = 10_000;

/// How deep they may be nested; what archives hold is not deeper than their parsers allow.
const RESULT_DEPTH: usize = 128;

/// Filters that are suggested for misspelt ones.
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "date",
    "default",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
];

/// The engine for expressions. Templates live in an engine of their own mapping.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(engine);

/// An engine without files, clock or network, with bounded work.
pub(super) fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(64);
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_debug(true);
    engine.add_filter("date", date);
    // A field that is `null` shows nothing, and truth looks as it does in archives.
    engine.set_formatter(|output, state, value| match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(()),
        ValueKind::Bool => Ok(output.write_str(truth(value))?),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            require_small(value)?;
            minijinja::escape_formatter(output, state, value)
        }
        _ => minijinja::escape_formatter(output, state, value),
    });
    engine
}

fn truth(value: &Value) -> &'static str {
    if value.is_true() { "true" } else { "false" }
}

/// `{{ created_at | date("%d.%m.%Y", zone="Europe/Berlin") }}`; `from` tells how other dates are written.
///
/// What names no zone is meant as it stands: `{{ due | date("%Y-%m-%d", from="%d/%m/%Y") }}`.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands named arguments over by value")]
fn date(value: &Value, format: &str, options: Kwargs) -> Result<String, Error> {
    let zone: Option<&str> = options.get("zone")?;
    let written: Option<&str> = options.get("from")?;
    options.assert_all_used()?;
    if matches!(value.kind(), ValueKind::None | ValueKind::Undefined) {
        return Ok(String::new());
    }
    let wrong = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let text = value.as_str().unwrap_or_default().trim();
    if text.is_empty() && value.as_str().is_some() {
        return Ok(String::new());
    }
    let parsed = match written {
        Some(written) => jiff::fmt::strtime::parse(written, text).map_err(|error| wrong(error.to_string()))?,
        None => {
            if let Ok(time) = text.parse::<Timestamp>() {
                let zoned = time.in_tz(zone.unwrap_or("UTC")).map_err(|error| wrong(error.to_string()))?;
                return jiff::fmt::strtime::format(format, &zoned).map_err(|error| wrong(error.to_string()));
            }
            let civil: jiff::civil::DateTime = text.parse().map_err(|_| wrong(format!("`{value}` is not a time")))?;
            jiff::fmt::strtime::BrokenDownTime::from(civil)
        }
    };
    let civil = parsed.to_datetime().or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0)));
    let civil = civil.map_err(|error| wrong(error.to_string()))?;
    jiff::fmt::strtime::format(format, civil).map_err(|error| wrong(error.to_string()))
}

/// What is wrong with an expression, and where inside its text.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Bytes of the expression's own text.
    pub range: Range<usize>,
    pub problem: String,
    pub hint: Option<String>,
}

/// Where an expression may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// In a rule about the record.
    Record,
    /// In a rule about one of its entries; `entry` and `loop` are known.
    Entry,
}

/// The values that an expression speaks about.
pub(super) struct Context {
    pub record: Arc<Record>,
    pub place: Option<EntryPlace>,
    // Made when the first rule needs the engine; many records need none.
    root: std::cell::OnceCell<Value>,
}

impl Context {
    pub(super) fn new(record: &Arc<Record>, place: Option<EntryPlace>) -> Self {
        Self { record: Arc::clone(record), place, root: std::cell::OnceCell::new() }
    }

    fn root(&self) -> Value {
        self.root.get_or_init(|| view::root(&self.record, self.place)).clone()
    }

    fn look_up(&self, path: &[String]) -> Found<'_> {
        let entry = self.place.and_then(|place| self.record.entries.get(place.index));
        view::look_up(&self.record, entry, path)
    }
}

/// A compiled expression.
pub(super) enum Expression {
    /// One field, by its path.
    Path(Vec<String>),
    /// Anything else.
    Compiled { text: String, code: minijinja::Expression<'static, 'static> },
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Compiled { text, .. } => f.debug_tuple("Compiled").field(text).finish(),
        }
    }
}

impl Expression {
    /// Compiles an expression that gives a value.
    pub(super) fn value(text: &str, scope: Scope) -> Result<Self, Wrong> {
        let compiled = Self::condition(text, scope)?;
        Ok(match simple_path(text) {
            Some(path) => Self::Path(path),
            None => compiled,
        })
    }

    /// Compiles an expression that is asked whether it holds, by the engine's rules of truth.
    pub(super) fn condition(text: &str, scope: Scope) -> Result<Self, Wrong> {
        let code = ENGINE.compile_expression_owned(text.to_owned()).map_err(|error| wrong(&error, text))?;
        check_names(text, 0..text.len(), scope)?;
        Ok(Self::Compiled { text: text.to_owned(), code })
    }

    /// What it gives for a record.
    pub(super) fn find<'c>(&self, context: &'c Context) -> Result<Found<'c>, Error> {
        match self {
            Self::Path(path) => Ok(context.look_up(path)),
            Self::Compiled { code, .. } => owned(&code.eval(context.root())?),
        }
    }

    /// Whether it holds for a record.
    pub(super) fn holds(&self, context: &Context) -> Result<bool, Error> {
        match self {
            Self::Path(path) => Ok(context.look_up(path) != Found::Nothing),
            Self::Compiled { code, .. } => Ok(code.eval(context.root())?.is_true()),
        }
    }
}

/// The value as text, bounded: the engine's own limits end where its result begins, and `[1] * 100000000` is a result.
fn owned(value: &Value) -> Result<Found<'static>, Error> {
    Ok(match value.kind() {
        ValueKind::None | ValueKind::Undefined => Found::Nothing,
        ValueKind::Seq | ValueKind::Iterable => {
            require_small(value)?;
            let mut items = Vec::new();
            for item in value.try_iter()?.filter(|item| !item.is_none()) {
                items.push(Cow::Owned(text(&item)?));
            }
            Found::List(items)
        }
        _ => {
            let text = text(value)?;
            if text.trim().is_empty() { Found::Nothing } else { Found::Text(Cow::Owned(text)) }
        }
    })
}

/// Refuses what would take long to go through: a list is lazy, and `[1] * 100000000` costs nothing until then.
fn require_small(value: &Value) -> Result<(), Error> {
    fn is_small(value: &Value, left: &mut usize, depth: usize) -> bool {
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            return true;
        }
        let Ok(mut items) = value.try_iter() else { return true };
        items.all(|item| {
            *left = left.saturating_sub(1);
            let inner = if value.kind() == ValueKind::Map { value.get_item(&item).unwrap_or_default() } else { item };
            *left > 0 && depth < RESULT_DEPTH && is_small(&inner, left, depth + 1)
        })
    }
    if is_small(value, &mut RESULT_ITEMS.clone(), 0) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidOperation, format!("the result is longer than {RESULT_ITEMS} items")))
}

fn text(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    if value.kind() == ValueKind::Bool {
        return Ok(truth(value).to_owned());
    }
    let mut output = Bounded(Vec::new());
    let too_long = |_| Error::new(ErrorKind::InvalidOperation, format!("the result is over {OUTPUT_BYTES} bytes"));
    write!(output, "{value}").map_err(too_long)?;
    Ok(String::from_utf8_lossy(&output.0).into_owned())
}

/// Compiled code of either kind, with the engine that a template needs.
pub(super) enum Code<'a> {
    Expression(&'a Expression),
    Template(&'a Template, &'a Environment<'static>),
}

/// A compiled template.
#[derive(Debug)]
pub(super) enum Template {
    /// Text without any `{{`.
    Constant(String),
    /// `{{ path }}` and nothing else.
    Path(Vec<String>),
    /// The name of a template in the mapping's engine.
    Named(String),
}

/// Whether a template gives plain text or HTML, where values are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Html,
}

impl Template {
    /// Compiles a template and adds it to the engine.
    pub(super) fn parse(
        engine: &mut Environment<'static>,
        text: &str,
        scope: Scope,
        output: Output,
    ) -> Result<Self, Wrong> {
        let regions = code_regions(text);
        if regions.is_empty() && !text.contains("{%") && !text.contains("{#") && !text.contains("{{") {
            return Ok(Self::Constant(text.to_owned()));
        }
        let ending = if output == Output::Html { "html" } else { "txt" };
        let name = format!("{}.{ending}", engine.templates().count());
        engine.add_template_owned(name.clone(), text.to_owned()).map_err(|error| wrong(&error, text))?;
        for region in regions {
            check_names(text, region, scope)?;
        }
        let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        if let Some(path) = inner.and_then(simple_path)
            && output == Output::Text
        {
            return Ok(Self::Path(path));
        }
        Ok(Self::Named(name))
    }

    /// The text it gives for a record; `None` when that is blank.
    pub(super) fn render(&self, engine: &Environment<'static>, context: &Context) -> Result<Option<String>, Error> {
        let text = match self {
            Self::Constant(text) => text.clone(),
            Self::Path(path) => return Ok(context.look_up(path).joined().map(Cow::into_owned)),
            Self::Named(name) => {
                let mut output = Bounded(Vec::new());
                engine.get_template(name)?.render_captured_to(context.root(), &mut output)?;
                String::from_utf8(output.0).map_err(|_| Error::new(ErrorKind::InvalidOperation, "not UTF-8"))?
            }
        };
        Ok(if text.trim().is_empty() { None } else { Some(text) })
    }
}

/// Takes so much output and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES {
            return Err(io::Error::other(format!("the output is over {OUTPUT_BYTES} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error in a sentence, without the engine's own excerpt of the source.
pub(super) fn sentence(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

pub(super) fn wrong(error: &Error, text: &str) -> Wrong {
    let hint = (error.kind() == ErrorKind::UnknownMethod).then(|| {
        "there are filters and tests instead: `x is endingwith 'y'`, `x | lower`, `(x | split('-'))[0]`".to_owned()
    });
    let mut range = error.range().unwrap_or(0..text.len());
    // An error at the end of the text has nothing to point at but the whole.
    if range.start >= text.len() || range.is_empty() {
        range = 0..text.len();
    }
    Wrong { range: range.start..range.end.min(text.len()), problem: sentence(error), hint }
}

/// The paths of fields that an expression or template reads, for the account of what is used.
pub(super) fn paths(text: &str, is_template: bool) -> Vec<Vec<String>> {
    let regions = if is_template { code_regions(text) } else { vec![Range { start: 0, end: text.len() }] };
    regions
        .into_iter()
        .flat_map(|region| scan(text, region))
        .filter_map(|word| match word.role {
            Role::Variable => Some(word.path),
            _ => None,
        })
        .collect()
}

/// Texts that paths are compared with: `status == 'open'`, `'open' != status`, `status in ['open', 'new']`.
///
/// Each with the place of the text inside its quotes.
pub(super) fn comparisons(text: &str, is_template: bool) -> Vec<(Vec<String>, String, Range<usize>)> {
    let regions = if is_template { code_regions(text) } else { vec![Range { start: 0, end: text.len() }] };
    let mut found = Vec::new();
    for region in regions {
        for word in scan(text, region.clone()).into_iter().filter(|word| word.role == Role::Variable) {
            let after = &text[word.range.end..region.end];
            let trimmed = after.trim_start();
            let at = region.end - trimmed.len();
            let equals = trimmed.strip_prefix("==").or_else(|| trimmed.strip_prefix("!="));
            if let Some(rest) = equals {
                let start = at + 2 + rest.len() - rest.trim_start().len();
                found.extend(literal(text, start, region.end).map(|(text, range)| (word.path.clone(), text, range)));
            } else if let Some(list) = list_after_in(trimmed) {
                let mut start = at + list;
                while let Some((item, range)) = literal(text, start, region.end) {
                    start = range.end + 1;
                    found.push((word.path.clone(), item, range));
                    let rest = &text[start..region.end];
                    let Some(next) = rest.trim_start().strip_prefix(',') else { break };
                    start = region.end - next.trim_start().len();
                }
            }
            // The other way round: the text stands first.
            let before = text[region.start..word.range.start].trim_end();
            let before = before.strip_suffix("==").or_else(|| before.strip_suffix("!=")).map(str::trim_end);
            if let Some(before) = before
                && let Some(quote) = before.chars().last().filter(|last| matches!(last, '"' | '\''))
                && let Some(open) = before[..before.len() - 1].rfind(quote)
            {
                let range = region.start + open + 1..region.start + before.len() - 1;
                found.push((word.path.clone(), text[range.clone()].to_owned(), range));
            }
        }
    }
    found
}

/// Where the list begins in `in [`, `not in (`, ….
fn list_after_in(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("not").map_or(text, str::trim_start);
    let rest = rest.strip_prefix("in")?.trim_start();
    let rest = rest.strip_prefix(['[', '('])?.trim_start();
    Some(text.len() - rest.len())
}

/// A quoted text that starts here, without escapes.
fn literal(text: &str, start: usize, end: usize) -> Option<(String, Range<usize>)> {
    let quote = *text.as_bytes().get(start).filter(|byte| matches!(byte, b'"' | b'\''))?;
    let close = string_end(text.as_bytes(), start, end);
    let inner = start + 1..close.checked_sub(1).filter(|close| *close > start)?;
    let is_plain = text.as_bytes().get(close - 1) == Some(&quote) && !text[inner.clone()].contains('\\');
    is_plain.then(|| (text[inner.clone()].to_owned(), inner))
}

/// A path of names and quoted keys, if the text is nothing else.
pub(super) fn simple_path(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let mut words = scan(text, 0..text.len());
    let word = words.pop()?;
    let is_all = words.is_empty() && word.range == (0..text.len()) && word.role == Role::Variable;
    (is_all && !KEYWORDS.contains(&text)).then_some(word.path)
}

/// Where the code of a template stands: inside `{{ }}` and `{% %}`.
fn code_regions(text: &str) -> Vec<Range<usize>> {
    let mut regions = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        let close = match text.as_bytes().get(open + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        let Some(length) = text[open + 2..].find(close) else { break };
        if close != "#}" {
            regions.push(open + 2..open + 2 + length);
        }
        at = open + 2 + length + 2;
    }
    regions
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Variable,
    Filter,
    Test,
    Function,
}

/// A name in code, with what follows it.
#[derive(Debug)]
struct Word {
    path: Vec<String>,
    range: Range<usize>,
    role: Role,
}

const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "elif",
    "endif",
    "for",
    "endfor",
    "set",
    "endset",
    "with",
    "endwith",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
    "filter",
    "endfilter",
    "autoescape",
    "endautoescape",
    "do",
    "raw",
    "endraw",
    "recursive",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "break",
    "continue",
];

/// The names in a piece of code. Not a parser: the engine has parsed it already.
fn scan(text: &str, region: Range<usize>) -> Vec<Word> {
    let bytes = text.as_bytes();
    let mut words = Vec::new();
    let mut at = region.start;
    let mut before: Option<&str> = None;
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    while at < region.end {
        let byte = bytes[at];
        if byte == b'"' || byte == b'\'' {
            at = string_end(bytes, at, region.end);
            before = None;
        } else if byte.is_ascii_digit() {
            while at < region.end && (is_part(bytes[at]) || bytes[at] == b'.') {
                at += 1;
            }
            before = None;
        } else if is_start(byte) {
            let start = at;
            while at < region.end && is_part(bytes[at]) {
                at += 1;
            }
            let name = &text[start..at];
            if KEYWORDS.contains(&name) {
                before = Some(if name == "not" && before == Some("is") { "is" } else { name });
                continue;
            }
            let role = match before {
                Some("|") => Role::Filter,
                Some("is") => Role::Test,
                Some(".") => {
                    before = None;
                    continue;
                }
                _ => Role::Variable,
            };
            before = None;
            let mut path = vec![name.to_owned()];
            let mut end = at;
            while role == Role::Variable && at < region.end {
                if bytes[at] == b'.' && bytes.get(at + 1).is_some_and(|next| is_start(*next)) {
                    let from = at + 1;
                    at = from;
                    while at < region.end && is_part(bytes[at]) {
                        at += 1;
                    }
                    path.push(text[from..at].to_owned());
                } else if bytes[at] == b'[' && bytes.get(at + 1).is_some_and(|next| *next == b'"' || *next == b'\'') {
                    let close = string_end(bytes, at + 1, region.end);
                    if bytes.get(close) != Some(&b']') || text[at + 2..close - 1].contains('\\') {
                        break;
                    }
                    path.push(text[at + 2..close - 1].to_owned());
                    at = close + 1;
                } else {
                    break;
                }
                end = at;
            }
            let rest = text[at..region.end].trim_start();
            let role = match role {
                Role::Variable if rest.starts_with('(') && path.len() == 1 => Role::Function,
                // The name of an argument, or one that the template sets itself.
                Role::Variable if rest.starts_with('=') && !rest.starts_with("==") => continue,
                other => other,
            };
            if role == Role::Variable && rest.starts_with('(') {
                // A method: what stands before its name is the field.
                path.pop();
            }
            words.push(Word { path, range: start..end, role });
        } else {
            if !byte.is_ascii_whitespace() {
                before = text.get(at..at + 1);
            }
            at += 1;
        }
    }
    words
}

fn string_end(bytes: &[u8], start: usize, end: usize) -> usize {
    let mut at = start + 1;
    while at < end && bytes[at] != bytes[start] {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(end)
}

/// Finds names that cannot mean anything: unknown filters, tests and functions, and near misses of known fields.
fn check_names(text: &str, region: Range<usize>, scope: Scope) -> Result<(), Wrong> {
    for word in scan(text, region) {
        let name = word.path[0].as_str();
        let unknown = |what: &str, known: &[&str]| {
            let hint = nearest(name, known.iter().copied()).map(|known| format!("did you mean `{known}`?"));
            Err(Wrong { range: word.range.clone(), problem: format!("not a {what}: `{name}`"), hint })
        };
        match word.role {
            Role::Filter => {
                let tried = ENGINE.empty_state().apply_filter(name, &[Value::UNDEFINED]);
                if tried.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter) {
                    return unknown("filter", FILTERS);
                }
            }
            Role::Test => {
                let tried = ENGINE.empty_state().perform_test(name, &[Value::UNDEFINED]);
                if tried.is_err_and(|error| error.kind() == ErrorKind::UnknownTest) {
                    return unknown(
                        "test",
                        &["defined", "undefined", "none", "in", "string", "number", "startingwith"],
                    );
                }
            }
            Role::Function => {
                if !ENGINE.globals().any(|(known, _)| known == name) {
                    return unknown("function", &["range", "dict", "namespace"]);
                }
            }
            Role::Variable => check_path(&word, scope)?,
        }
    }
    Ok(())
}

fn check_path(word: &Word, scope: Scope) -> Result<(), Wrong> {
    let path: Vec<&str> = word.path.iter().map(String::as_str).collect();
    let wrong = |problem: String, hint: String| Err(Wrong { range: word.range.clone(), problem, hint: Some(hint) });
    if path[0] == "entry" && scope == Scope::Record {
        return wrong(
            "`entry` is not known here".to_owned(),
            "only rules under `[threads]` speak about one entry".to_owned(),
        );
    }
    // Any name can be a field of the archive, so that only a near miss of a built-in one is an error.
    let (known, name, before) = match path[..] {
        ["entry", "author", name, ..] => (view::PERSON_NAMES, name, "entry.author."),
        ["requester", name, ..] => (view::PERSON_NAMES, name, "requester."),
        ["assignee", name, ..] => (view::PERSON_NAMES, name, "assignee."),
        ["entry", name, ..] => (view::ENTRY_NAMES, name, "entry."),
        [name, ..] => (view::RECORD_NAMES, name, ""),
        [] => return Ok(()),
    };
    if known.contains(&name) || name.len() < 5 {
        return Ok(());
    }
    match known.iter().find(|known| known.len() > 3 && strsim::osa_distance(known, name) == 1) {
        Some(near) => wrong(
            format!("not a name that foxferry knows: `{name}`"),
            format!(
                "did you mean `{near}`? A field of the archive that is really called so is `{before}fields.{name}`"
            ),
        ),
        None => Ok(()),
    }
}

/// The known word that is most like the one found, if any is.
pub(super) fn nearest<'k>(found: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let found = found.to_lowercase();
    known
        .map(|word| (strsim::jaro_winkler(&found, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_that_code_reads_are_found() {
        let cases: &[(&str, bool, &[&[&str]])] = &[
            ("group", false, &[&["group"]]),
            ("via.source.rel", false, &[&["via", "source", "rel"]]),
            (r#"custom_fields["Order number"]"#, false, &[&["custom_fields", "Order number"]]),
            (r#"fields['a'].b["c"]"#, false, &[&["fields", "a", "b", "c"]]),
            ("'spam' in tags and not x is defined", false, &[&["tags"], &["x"]]),
            ("a | default('b') | upper ~ c", false, &[&["a"], &["c"]]),
            ("name.split('x')[0]", false, &[&["name"]]),
            ("range(3) and a[0].b", false, &[&["a"]]),
            ("date(x, zone=y)", false, &[&["x"], &["y"]]),
            ("priority {{ id }} {# subject #}{% if a.b == 'c.d' %}e{% endif %}", true, &[&["id"], &["a", "b"]]),
            ("{% set x = url %}{{ 'it\\'s ' ~ x }}", true, &[&["url"], &["x"]]),
            ("no code at all { % }", true, &[]),
        ];
        for (text, is_template, expected) in cases {
            let expected: Vec<Vec<String>> =
                expected.iter().map(|path| path.iter().map(|step| (*step).to_owned()).collect()).collect();
            assert_eq!(paths(text, *is_template), expected, "{text}");
        }
    }

    #[test]
    fn only_a_path_alone_is_looked_up_without_the_engine() {
        let cases: &[(&str, bool)] = &[
            ("group", true),
            (" via.source.rel ", true),
            (r#"fields["Order number"]"#, true),
            ("fields[name]", false),
            ("a.b or c", false),
            ("'text'", false),
            ("true", false),
            ("a | upper", false),
            ("a()", false),
            ("12", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(simple_path(text).is_some(), *expected, "{text}");
        }
    }

    #[test]
    fn any_text_is_scanned_without_a_panic() {
        for text in ["'", "\"\\", "a[\"", "a[\"\\", "a['x'", "{{", "{%", "ä.ö['ü']", "a.", "|", "is", "{{ä"] {
            let _ = paths(text, false);
            let _ = paths(text, true);
            let _ = simple_path(text);
            let _ = Expression::value(text, Scope::Record);
        }
    }
}
