//! The mapping file: TOML into rules, with every fault found and not only the first.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSetBuilder};
use minijinja::Environment;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::coverage::CoverageBuilder;
use super::expression::{self, Expression, Output, Scope, Template, Wrong, nearest};
use super::fault::{self, Fault};
use super::people;
use super::rules::{
    Agent, Assignee, CustomerRules, FieldRule, FieldValue, InlineImages, People, Rule, Rules, Subject, TagRule, Tags,
    Threads, fold,
};
use super::{MappingError, Names};
use crate::conversation::{Kind, Status, ThreadKind};
use crate::source::{SOURCES, Shape};

/// The only version of the language so far.
const VERSION: &str = "1";

/// Role words of staff when `[people]` has no `roles`.
const STAFF_ROLES: &[&str] = &["agent", "admin"];

/// Words of other help desks, and FreeScout's word for the same.
const SYNONYMS: &[(&str, &str)] = &[
    ("open", "active"),
    ("new", "active"),
    ("solved", "closed"),
    ("resolved", "closed"),
    ("done", "closed"),
    ("hold", "pending"),
    ("on-hold", "pending"),
    ("waiting", "pending"),
    ("junk", "spam"),
    ("mail", "email"),
    ("voice", "phone"),
    ("call", "phone"),
    ("reply", "message"),
    ("agent", "message"),
    ("internal", "note"),
    ("private", "note"),
    ("user", "customer"),
];

type Value<'i> = Spanned<DeValue<'i>>;

/// What a file says.
pub(super) struct Loaded {
    pub source: String,
    pub shape: Shape,
    pub names: Names,
    pub rules: Rules,
}

struct Loader<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    engine: Environment<'static>,
    coverage: CoverageBuilder,
    mailboxes: BTreeSet<String>,
    users: BTreeSet<String>,
}

/// Reads a mapping's text. All faults are in the error's report.
pub(super) fn load(file: &str, text: &str) -> Result<Loaded, MappingError> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let faults = errors.iter().map(|error| Fault {
            span: error.span().unwrap_or(0..0),
            problem: error.message().lines().collect::<Vec<_>>().join(", "),
            hint: None,
        });
        return Err(fault::report(file, text, faults.collect()));
    }
    let mut loader = Loader {
        text,
        faults: Vec::new(),
        engine: expression::engine(),
        coverage: CoverageBuilder::default(),
        mailboxes: BTreeSet::new(),
        users: BTreeSet::new(),
    };
    let loaded = loader.root(root.get_ref());
    match loaded {
        Some(loaded) if loader.faults.is_empty() => Ok(loaded),
        _ => Err(fault::report(file, text, loader.faults)),
    }
}

fn entry<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<(&'a Spanned<DeString<'i>>, &'a Value<'i>)> {
    table.iter().find(|(found, _)| found.get_ref().as_ref() == key)
}

fn get<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a Value<'i>> {
    entry(table, key).map(|(_, value)| value)
}

/// `a`, `b` or `c`.
fn alternatives(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn suggestion(found: &str, known: &[&str]) -> Option<String> {
    let folded = fold(found);
    let synonym = SYNONYMS.iter().find(|(word, means)| *word == folded && known.contains(means));
    let near = synonym.map(|(_, means)| *means).or_else(|| nearest(found, known.iter().copied()));
    near.map(|near| format!("did you mean `{near}`?"))
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

impl<'t> Loader<'t> {
    fn fault(&mut self, span: Range<usize>, problem: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { span, problem: problem.into(), hint });
    }

    fn wrong_type(&mut self, value: &Value<'_>, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(_) => "text".to_owned(),
            other => article(other.type_str()),
        };
        let hint = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) if expected.contains("text") => {
                Some(format!("write it in quotes: `\"{}\"`", &self.text[value.span()]))
            }
            _ => None,
        };
        self.fault(value.span(), format!("expected {expected}, found {found}"), hint);
    }

    /// Faults for keys that the section does not have.
    fn keys(&mut self, table: &DeTable<'_>, section: &str, known: &[&str]) {
        for key in table.keys() {
            let found = key.get_ref().as_ref();
            if !known.contains(&found) {
                let hint = suggestion(found, known);
                let problem = format!("unknown key in {section}: expected {}", alternatives(known));
                self.fault(key.span(), problem, hint);
            }
        }
    }

    fn table<'a, 'i>(&mut self, value: &'a Value<'i>) -> Option<&'a DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, "a table");
        }
        table
    }

    fn string<'a>(&mut self, value: &'a Value<'_>) -> Option<&'a str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, "text");
        }
        text
    }

    fn boolean(&mut self, table: &DeTable<'_>, key: &str, default: bool) -> bool {
        let Some(value) = get(table, key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(value, "`true` or `false`");
            default
        })
    }

    /// One text or a list of texts, each with its place.
    fn strings<'a, 'i>(&mut self, value: &'a Value<'i>) -> Vec<(&'a str, Range<usize>)> {
        match value.get_ref() {
            DeValue::String(text) => vec![(text.as_ref(), value.span())],
            DeValue::Array(items) => {
                items.iter().filter_map(|item| self.string(item).map(|text| (text, item.span()))).collect()
            }
            _ => {
                self.wrong_type(value, "text or a list of texts");
                Vec::new()
            }
        }
    }

    fn section<'a, 'i>(&mut self, root: &'a DeTable<'i>, name: &str, known: &[&str]) -> Option<&'a DeTable<'i>> {
        let table = self.table(get(root, name)?)?;
        self.keys(table, &format!("`[{name}]`"), known);
        Some(table)
    }

    fn wrong(&mut self, span: &Range<usize>, wrong: Wrong) {
        let span = fault::inside(self.text, span, &wrong.range);
        self.fault(span, wrong.problem, wrong.hint);
    }

    fn expression(&mut self, value: &Value<'_>, scope: Scope) -> Option<Expression> {
        let text = self.string(value)?;
        self.expression_text(text, &value.span(), scope)
    }

    fn expression_text(&mut self, text: &str, span: &Range<usize>, scope: Scope) -> Option<Expression> {
        for path in expression::paths(text, false) {
            self.coverage.used(&path);
        }
        Expression::value(text, scope).map_err(|wrong| self.wrong(span, wrong)).ok()
    }

    fn condition(&mut self, value: &Value<'_>, scope: Scope) -> Option<Expression> {
        let text = self.string(value)?;
        for path in expression::paths(text, false) {
            self.coverage.used(&path);
        }
        Expression::condition(text, scope).map_err(|wrong| self.wrong(&value.span(), wrong)).ok()
    }

    fn template(&mut self, value: &Value<'_>, scope: Scope, output: Output) -> Option<Template> {
        let text = self.string(value)?;
        for path in expression::paths(text, true) {
            self.coverage.used(&path);
        }
        let parsed = Template::parse(&mut self.engine, text, scope, output);
        parsed.map_err(|wrong| self.wrong(&value.span(), wrong)).ok()
    }

    fn optional_template(&mut self, table: &DeTable<'_>, key: &str, scope: Scope, output: Output) -> Option<Template> {
        get(table, key).and_then(|value| self.template(value, scope, output))
    }

    /// `from`, `table` and `default`; a text alone is the default.
    fn rule<T>(
        &mut self,
        value: Option<&Value<'_>>,
        name: &str,
        further: &[&str],
        scope: Scope,
        mut parse: impl FnMut(&mut Self, &str, Range<usize>) -> Option<T>,
    ) -> Rule<T> {
        let mut rule = Rule { name: Arc::from(name), from: None, table: None, default: None };
        let Some(value) = value else { return rule };
        if let Some(text) = value.get_ref().as_str() {
            rule.default = parse(self, text, value.span());
            return rule;
        }
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(value, "text or a table with `from`, `table` and `default`");
            return rule;
        };
        let known: Vec<&str> = ["from", "table", "default"].iter().chain(further).copied().collect();
        self.keys(table, &format!("`[{name}]`"), &known);
        rule.from = get(table, "from").and_then(|from| self.expression(from, scope));
        if let Some(default) = get(table, "default")
            && let Some(text) = self.string(default)
        {
            rule.default = parse(self, text, default.span());
        }
        if let Some((key, values)) = entry(table, "table") {
            if get(table, "from").is_none() {
                let problem = format!("`[{name}]` has a table and no `from`, which says what is looked up in it");
                self.fault(key.span(), problem, Some("add `from = \"…\"` with the name of a field".to_owned()));
            }
            rule.table = self.table(values).map(|values| self.value_table(values, &mut parse));
        }
        rule
    }

    fn value_table<T>(
        &mut self,
        values: &DeTable<'_>,
        parse: &mut impl FnMut(&mut Self, &str, Range<usize>) -> Option<T>,
    ) -> HashMap<String, T> {
        let mut table = HashMap::new();
        let mut written: HashMap<String, String> = HashMap::new();
        for (key, value) in values {
            let word = key.get_ref().as_ref();
            if let Some(other) = written.insert(fold(word), word.to_owned()) {
                let problem = format!("`{word}` and `{other}` are the same key: upper and lower case count alike");
                self.fault(key.span(), problem, Some("remove one of them".to_owned()));
            }
            let parsed = self.string(value).and_then(|text| parse(self, text, value.span()));
            if let Some(parsed) = parsed {
                table.insert(fold(word), parsed);
            }
        }
        table
    }

    fn word<T>(
        &mut self,
        text: &str,
        span: Range<usize>,
        what: &str,
        words: &[&str],
        from_word: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = from_word(text);
        if word.is_none() {
            let hint = suggestion(text, words);
            self.fault(span, format!("not a {what}: expected {}", alternatives(words)), hint);
        }
        word
    }

    fn address(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let address = people::stored_address(text);
        if address.is_none() {
            self.fault(span, "not an address: expected something like `ada@example.org`", None);
        }
        address
    }

    fn user(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let address = self.address(text, span)?;
        self.users.insert(address.clone());
        Some(address)
    }

    /// A mailbox by address or name.
    fn mailbox(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let name = if text.contains('@') {
            self.address(text, span)?
        } else if text.trim().is_empty() {
            self.fault(span, "expected a mailbox's address or name, found nothing", None);
            return None;
        } else {
            text.trim().to_owned()
        };
        self.mailboxes.insert(name.clone());
        Some(name)
    }

    fn root(&mut self, root: &DeTable<'_>) -> Option<Loaded> {
        const SECTIONS: &[&str] = &[
            "version", "source", "shape", "mailbox", "type", "status", "subject", "people", "assignee", "customer",
            "tags", "fields", "threads", "html", "skip", "ignore",
        ];
        self.keys(root, "a mapping", SECTIONS);
        self.version(root);
        let source = self.source(root);
        let mut shape = self.shape(root);
        let mailbox = self.rule(get(root, "mailbox"), "mailbox", &[], Scope::Record, Self::mailbox);
        let kind = self.rule(get(root, "type"), "type", &[], Scope::Record, |loader, text, span| {
            loader.word(text, span, "type of conversation", Kind::WORDS, Kind::from_word)
        });
        let status = self.rule(get(root, "status"), "status", &["skip"], Scope::Record, |loader, text, span| {
            loader.word(text, span, "status", Status::WORDS, Status::from_word)
        });
        let status_skip = self.status_skip(root);
        let subject = self.subject(root);
        let mut people = self.people(root, &mut shape);
        // A mailbox of ours is not a customer either.
        people.own.extend(self.mailboxes.iter().filter(|name| name.contains('@')).cloned());
        let assignee = self.assignee(root);
        let (customer, customer_fields) = self.customer(root);
        let tags = self.tags(root);
        let (fields, field_names) = self.fields(get(root, "fields"), "fields");
        let threads = self.threads(root);
        let skip = self.skip(root);
        self.ignore(root);
        let coverage = std::mem::take(&mut self.coverage).build();
        let coverage = coverage.map_err(|error| self.fault(0..0, error.to_string(), None)).ok()?;
        let names = Names {
            mailboxes: std::mem::take(&mut self.mailboxes).into_iter().collect(),
            users: std::mem::take(&mut self.users).into_iter().collect(),
            fields: field_names,
            customer_fields: customer_fields.into_iter().map(|(name, _)| name).collect(),
        };
        let engine = std::mem::replace(&mut self.engine, Environment::empty());
        let rules = Rules {
            engine,
            skip,
            mailbox,
            kind,
            status,
            status_skip,
            subject,
            people,
            assignee,
            customer,
            tags,
            fields,
            threads,
            coverage,
        };
        Some(Loaded { source: source?, shape, names, rules })
    }

    fn version(&mut self, root: &DeTable<'_>) {
        if let Some(value) = get(root, "version")
            && value.get_ref().as_integer().is_none_or(|number| number.as_str() != VERSION)
        {
            self.fault(value.span(), "not a version of the mapping language: expected `1`", None);
        }
    }

    fn source(&mut self, root: &DeTable<'_>) -> Option<String> {
        let names: Vec<&str> = SOURCES.iter().map(|source| source.name()).collect();
        let Some(value) = get(root, "source") else {
            let problem = format!("`source` is missing: expected {}", alternatives(&names));
            self.fault(0..0, problem, Some("add `source = \"…\"` as the first line".to_owned()));
            return None;
        };
        let name = self.string(value)?;
        if !names.contains(&name) {
            let hint = suggestion(name, &names);
            self.fault(value.span(), format!("not a source: expected {}", alternatives(&names)), hint);
            return None;
        }
        Some(name.to_owned())
    }

    fn shape(&mut self, root: &DeTable<'_>) -> Shape {
        let Some(value) = get(root, "shape") else { return Shape::default() };
        let shape = match Shape::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(shape) => shape,
            Err(error) => {
                let message = error.message();
                // serde's sentence names the key first and then what is known.
                let mut quoted = message.split('`').skip(1).step_by(2);
                let hint = match quoted.next() {
                    Some(found) if message.starts_with("unknown") => suggestion(found, &quoted.collect::<Vec<_>>()),
                    _ => None,
                };
                self.fault(error.span().unwrap_or_else(|| value.span()), format!("in `[shape]`: {message}"), hint);
                return Shape::default();
            }
        };
        if let Some(zone) = &shape.zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            let span =
                value.get_ref().as_table().and_then(|table| get(table, "zone")).map_or(value.span(), Spanned::span);
            let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            let near = nearest(zone, known.iter().map(String::as_str));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            self.fault(span, "not a time zone: expected a name such as `Europe/Berlin` or `UTC`", hint);
        }
        shape
    }

    fn status_skip(&mut self, root: &DeTable<'_>) -> HashMap<String, String> {
        let Some(table) = get(root, "status").and_then(|value| value.get_ref().as_table()) else {
            return HashMap::new();
        };
        let Some((key, value)) = entry(table, "skip") else { return HashMap::new() };
        if get(table, "from").is_none() {
            let problem = "`[status]` has `skip` and no `from`, which says what is looked up in it";
            self.fault(key.span(), problem, Some("add `from = \"status\"`".to_owned()));
        }
        let Some(values) = self.table(value) else { return HashMap::new() };
        if let Some(DeValue::Table(words)) = get(table, "table").map(Spanned::get_ref) {
            for key in values.keys() {
                if words.keys().any(|word| fold(word.get_ref()) == fold(key.get_ref())) {
                    let problem = format!("`{}` is skipped here and has a status in `table`", key.get_ref());
                    self.fault(key.span(), problem, Some("remove one of them".to_owned()));
                }
            }
        }
        self.value_table(values, &mut |loader, text, span| loader.reason(text, span))
    }

    fn reason(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        if text.trim().is_empty() {
            self.fault(span, "a reason is missing: it is what the report says about everything left out here", None);
            return None;
        }
        Some(text.trim().to_owned())
    }

    fn subject(&mut self, root: &DeTable<'_>) -> Subject {
        let mut subject = Subject { template: None, from: None, default: "(no subject)".to_owned() };
        let Some(value) = get(root, "subject") else { return subject };
        if value.get_ref().is_str() {
            subject.template = self.template(value, Scope::Record, Output::Text);
            return subject;
        }
        let Some(table) = self.table(value) else { return subject };
        self.keys(table, "`[subject]`", &["from", "template", "default"]);
        subject.from = get(table, "from").and_then(|from| self.expression(from, Scope::Record));
        subject.template = self.optional_template(table, "template", Scope::Record, Output::Text);
        if let (Some(_), Some((key, _))) = (get(table, "from"), entry(table, "template")) {
            self.fault(key.span(), "`[subject]` has `from` and `template`", Some("remove one of them".to_owned()));
        }
        if let Some(default) = get(table, "default")
            && let Some(text) = self.string(default)
        {
            if text.trim().is_empty() {
                self.fault(default.span(), "a conversation needs a subject: expected some text", None);
            }
            text.trim().clone_into(&mut subject.default);
        }
        subject
    }

    fn people(&mut self, root: &DeTable<'_>, shape: &mut Shape) -> People {
        const KEYS: &[&str] = &["own", "default", "roles", "agents", "staff_as_customers"];
        let mut people =
            People { roles: STAFF_ROLES.iter().map(|role| (*role).to_owned()).collect(), ..People::default() };
        if let Some(table) = self.section(root, "people", KEYS) {
            if let Some(own) = get(table, "own") {
                for (text, span) in self.strings(own) {
                    if self.own(text, span) && !shape.own.iter().any(|known| known == text) {
                        shape.own.push(text.to_owned());
                    }
                }
            }
            if let Some(roles) = get(table, "roles") {
                people.roles = self.strings(roles).into_iter().map(|(role, _)| fold(role)).collect();
            }
            if let Some(value) = get(table, "default")
                && let Some(text) = self.string(value)
            {
                people.default = self.user(text, value.span());
            }
            if let Some(agents) = get(table, "agents").and_then(|value| self.table(value)) {
                self.agents(agents, &mut people);
            }
            people.staff_as_customers = self.boolean(table, "staff_as_customers", false);
        }
        for own in &shape.own {
            let own = own.trim().to_lowercase();
            match own.strip_prefix('@') {
                Some(domain) => people.own_domains.insert(domain.to_owned()),
                None => people.own.insert(own),
            };
        }
        people
    }

    fn own(&mut self, text: &str, span: Range<usize>) -> bool {
        let is_domain = text.trim().strip_prefix('@').is_some_and(people::is_domain);
        if !is_domain && people::stored_address(text).is_none() {
            let hint = (people::is_domain(text.trim())).then(|| format!("did you mean `@{}`?", text.trim()));
            let problem = "neither an address (`support@example.org`) nor a domain (`@example.org`)";
            self.fault(span, problem, hint);
            return false;
        }
        true
    }

    fn agents(&mut self, agents: &DeTable<'_>, people: &mut People) {
        for (key, value) in agents {
            let name = key.get_ref().as_ref();
            let agent = match value.get_ref() {
                DeValue::String(text) if name == "default" => {
                    if people.default.is_some() {
                        self.fault(key.span(), "`[people]` has a `default` already", None);
                    }
                    people.default = self.user(text, value.span());
                    continue;
                }
                DeValue::String(text) => self.user(text, value.span()).map(Agent::User),
                DeValue::Table(table) => self.agent(table, value.span()),
                _ => {
                    let expected = "text (a user's address), `{ user = \"…\" }` or `{ departed = \"Name\" }`";
                    self.wrong_type(value, expected);
                    None
                }
            };
            if let Some(agent) = agent
                && people.agents.insert(fold(name), agent).is_some()
            {
                self.fault(key.span(), format!("`{name}` stands here twice: upper and lower case count alike"), None);
            }
        }
    }

    fn agent(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<Agent> {
        let faults = self.faults.len();
        self.keys(table, "an agent", &["user", "departed"]);
        match (get(table, "user"), get(table, "departed")) {
            (Some(value), None) => {
                let text = self.string(value)?;
                self.user(text, value.span()).map(Agent::User)
            }
            (None, Some(value)) => {
                let name = self.string(value)?;
                if name.trim().is_empty() {
                    self.fault(value.span(), "expected the name to show, found nothing", None);
                    return None;
                }
                Some(Agent::Departed(name.trim().to_owned()))
            }
            // A misspelt key has been reported, and says enough.
            (None, None) if self.faults.len() > faults => None,
            _ => {
                self.fault(span, "an agent has either `user` or `departed`", None);
                None
            }
        }
    }

    fn assignee(&mut self, root: &DeTable<'_>) -> Assignee {
        let Some(value) = get(root, "assignee") else { return Assignee::OfRecord };
        if value.get_ref().as_str() == Some("nobody") {
            return Assignee::Nobody;
        }
        let rule = self.rule(Some(value), "assignee", &[], Scope::Record, |loader, text, span| {
            if text == "nobody" { Some(String::new()) } else { loader.user(text, span) }
        });
        Assignee::Rule(Box::new(rule))
    }

    fn customer(&mut self, root: &DeTable<'_>) -> (CustomerRules, Vec<(String, Vec<String>)>) {
        const KEYS: &[&str] = &["company", "job_title", "notes", "website", "phone", "fields"];
        let Some(table) = self.section(root, "customer", KEYS) else { return Default::default() };
        let mut template = |key: &str| self.optional_template(table, key, Scope::Record, Output::Text);
        let mut customer = CustomerRules {
            company: template("company"),
            job_title: template("job_title"),
            notes: template("notes"),
            website: template("website"),
            phone: template("phone"),
            fields: Vec::new(),
        };
        let (fields, names) = self.fields(get(table, "fields"), "customer.fields");
        customer.fields = fields;
        (customer, names)
    }

    fn tags(&mut self, root: &DeTable<'_>) -> Tags {
        let mut tags = Tags {
            from: vec![TagRule {
                from: Expression::Path(vec!["tags".to_owned()]),
                prefix: String::new(),
                table: HashMap::new(),
            }],
            add: Vec::new(),
            drop: globset::GlobSet::empty(),
        };
        let Some(table) = self.section(root, "tags", &["from", "add", "drop"]) else { return tags };
        if let Some(from) = get(table, "from") {
            tags.from = match from.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(|item| self.tag_rule(item)).collect(),
                _ => self.tag_rule(from).into_iter().collect(),
            };
        }
        if let Some(add) = get(table, "add") {
            tags.add = self.strings(add).into_iter().map(|(text, _)| text.to_owned()).collect();
        }
        if let Some(drop) = get(table, "drop") {
            let mut set = GlobSetBuilder::new();
            for (pattern, span) in self.strings(drop) {
                match GlobBuilder::new(&pattern.to_lowercase()).build() {
                    Ok(glob) => {
                        set.add(glob);
                    }
                    Err(error) => self.fault(span, format!("not a pattern: {}", error.kind()), None),
                }
            }
            if let Ok(set) = set.build() {
                tags.drop = set;
            }
        }
        tags
    }

    fn tag_rule(&mut self, value: &Value<'_>) -> Option<TagRule> {
        match value.get_ref() {
            DeValue::String(_) => {
                let from = self.expression(value, Scope::Record)?;
                Some(TagRule { from, prefix: String::new(), table: HashMap::new() })
            }
            DeValue::Table(table) => {
                self.keys(table, "a rule for tags", &["from", "prefix", "table"]);
                let Some(from) = get(table, "from") else {
                    self.fault(value.span(), "a rule for tags needs `from`", None);
                    return None;
                };
                let from = self.expression(from, Scope::Record)?;
                let prefix = get(table, "prefix").and_then(|prefix| self.string(prefix)).unwrap_or_default().to_owned();
                let table = match get(table, "table").and_then(|table| self.table(table)) {
                    Some(table) => self.value_table(table, &mut |_, text, _| Some(text.to_owned())),
                    None => HashMap::new(),
                };
                Some(TagRule { from, prefix, table })
            }
            _ => {
                self.wrong_type(value, "text (a field) or a table with `from`");
                None
            }
        }
    }

    /// Custom fields or customer fields, with the values that their tables give.
    fn fields(&mut self, value: Option<&Value<'_>>, section: &str) -> (Vec<FieldRule>, Vec<(String, Vec<String>)>) {
        let mut rules = Vec::new();
        let mut names = Vec::new();
        let Some(table) = value.and_then(|value| self.table(value)) else { return (rules, names) };
        for (key, value) in table {
            let field = key.get_ref().trim().to_owned();
            if field.is_empty() {
                self.fault(key.span(), "expected a field's name, found nothing", None);
                continue;
            }
            let mut labels = BTreeSet::new();
            let parsed = if value.get_ref().is_str() {
                self.template(value, Scope::Record, Output::Text).map(FieldValue::Template)
            } else {
                let name = format!("{section}.{field}");
                let rule = self.rule(Some(value), &name, &[], Scope::Record, |_, text, _| {
                    labels.insert(text.to_owned());
                    Some(text.to_owned())
                });
                // Without a table any text can come.
                if rule.table.is_none() {
                    labels.clear();
                }
                Some(FieldValue::Rule(rule))
            };
            names.push((field.clone(), labels.into_iter().collect()));
            if let Some(value) = parsed {
                rules.push(FieldRule { field, value });
            }
        }
        (rules, names)
    }

    fn threads(&mut self, root: &DeTable<'_>) -> Threads {
        let mut threads = Threads {
            when: None,
            kind: None,
            header: None,
            footer: None,
            keeps_cc: true,
            inline_images: InlineImages::Embed,
        };
        if let Some(table) = self.section(root, "threads", &["when", "type", "header", "footer", "cc"]) {
            threads.when = get(table, "when").and_then(|when| self.condition(when, Scope::Entry));
            threads.kind = get(table, "type").map(|value| {
                self.rule(Some(value), "threads.type", &[], Scope::Entry, |loader, text, span| {
                    loader.word(text, span, "type of thread", ThreadKind::WORDS, ThreadKind::from_word)
                })
            });
            threads.header = self.optional_template(table, "header", Scope::Entry, Output::Html);
            threads.footer = self.optional_template(table, "footer", Scope::Entry, Output::Html);
            threads.keeps_cc = self.boolean(table, "cc", true);
        }
        if let Some(table) = self.section(root, "html", &["inline_images"])
            && let Some(value) = get(table, "inline_images")
            && let Some(text) = self.string(value)
        {
            let from_word = |word: &str| match word {
                "embed" => Some(InlineImages::Embed),
                "attach" => Some(InlineImages::Attach),
                _ => None,
            };
            let word = self.word(text, value.span(), "way to treat images", &["embed", "attach"], from_word);
            threads.inline_images = word.unwrap_or(InlineImages::Embed);
        }
        threads
    }

    fn skip(&mut self, root: &DeTable<'_>) -> Vec<(Expression, String)> {
        let Some(value) = get(root, "skip") else { return Vec::new() };
        let items: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut rules = Vec::new();
        for item in items {
            let Some(table) = item.get_ref().as_table() else {
                self.wrong_type(item, "a table with `when` and `reason`");
                continue;
            };
            self.keys(table, "`[[skip]]`", &["when", "reason"]);
            let reason = match get(table, "reason") {
                Some(value) => self.string(value).and_then(|text| self.reason(text, value.span())),
                None => {
                    self.fault(item.span(), "a rule that skips records needs a `reason`", None);
                    None
                }
            };
            let when = match get(table, "when") {
                Some(value) => self.condition(value, Scope::Record),
                None => {
                    self.fault(item.span(), "a rule that skips records needs `when`", None);
                    None
                }
            };
            rules.extend(when.zip(reason));
        }
        rules
    }

    fn ignore(&mut self, root: &DeTable<'_>) {
        if let Some(table) = get(root, "ignore").and_then(|value| self.table(value)) {
            self.ignore_below("", table, 0);
        }
    }

    /// Bare keys with dots are tables to TOML and paths to everybody else.
    fn ignore_below(&mut self, prefix: &str, table: &DeTable<'_>, depth: usize) {
        for (key, value) in table {
            let pattern = format!("{prefix}{}", key.get_ref());
            match value.get_ref() {
                DeValue::String(reason) => {
                    self.reason(reason, value.span());
                    if let Err(error) = self.coverage.ignore(&pattern) {
                        self.fault(key.span(), format!("not a pattern: {}", error.kind()), None);
                    }
                }
                DeValue::Table(below) if depth < 16 => self.ignore_below(&format!("{pattern}."), below, depth + 1),
                _ => self.wrong_type(value, "text (the reason)"),
            }
        }
    }
}
