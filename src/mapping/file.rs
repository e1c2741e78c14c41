//! The mapping file: TOML into rules, with every fault found and not only the first.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSetBuilder};
use minijinja::Environment;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::coverage::CoverageBuilder;
use super::expression::{self, Expression, Output, Scope, Template, Wrong, nearest};
use super::extend::{self, Texts};
use super::fault::{self, Fault, alternatives, suggestion};
use super::lint::{Mark, Marked, Named, Naming};
use super::rules::{
    Agent, Assignee, CustomerRules, Decision, FieldRule, FieldValue, InlineImages, NoteRule, People, Rule, Rules,
    Subject, TagRule, Tags, Threads, Values, fold,
};
use super::structure::{self, entry, get};
use super::{Names, Value, people, vocabulary};
use crate::conversation::{Kind, Status, ThreadKind};
use crate::finding::Levels;
use crate::source::{SOURCES, Shape};

/// The only version of the language so far.
const VERSION: &str = "1";

/// Role words of staff when `[people]` has no `roles`.
const STAFF_ROLES: &[&str] = &["agent", "admin"];

/// What a file says.
pub(super) struct Loaded {
    pub source: String,
    pub shape: Shape,
    pub names: Names,
    pub rules: Rules,
    /// Of the table of people, if there is one.
    pub roster: Option<blake3::Hash>,
    pub levels: Levels,
}

/// What a file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To convert records.
    Use,
    /// To say what only looks wrong, too.
    Lint,
}

/// What reading a file gives: rules if it can be used, and everything that is to be said about it.
pub(super) struct Reading {
    pub texts: Texts,
    /// Nothing if any fault is an error.
    pub loaded: Option<Loaded>,
    /// Errors, and warnings for lint.
    pub faults: Vec<Fault>,
    /// Rules of which lint asks whether any record uses them.
    pub marked: Vec<Marked>,
    /// Names that the target should have, with their places.
    pub named: Vec<Named>,
}

pub(super) struct Loader<'t> {
    pub text: &'t str,
    texts: &'t Texts,
    pub faults: Vec<Fault>,
    pub source: String,
    purpose: Purpose,
    engine: Environment<'static>,
    coverage: CoverageBuilder,
    marked: Vec<Marked>,
    named: Vec<Named>,
}

/// Reads a mapping's text, and the files that it extends.
pub(super) fn read(file: &str, text: &str, purpose: Purpose) -> Reading {
    let mut faults = Vec::new();
    let texts = extend::gather(file, text, &mut faults);
    let tree = extend::tree(&texts, &mut faults);
    let Some(tree) = tree else {
        return Reading { texts, loaded: None, faults, marked: Vec::new(), named: Vec::new() };
    };
    faults.extend(structure::check(&texts.all, &tree));
    let mut loader = Loader {
        text: &texts.all,
        texts: &texts,
        purpose,
        faults,
        source: String::new(),
        engine: expression::engine(),
        coverage: CoverageBuilder::default(),
        marked: Vec::new(),
        named: Vec::new(),
    };
    let loaded = loader.root(&tree);
    let Loader { faults, marked, named, .. } = loader;
    let is_usable = faults.iter().all(|fault| fault.severity < crate::finding::Severity::Error);
    Reading { loaded: loaded.filter(|_| is_usable), texts, faults, marked, named }
}

impl Loader<'_> {
    pub(super) fn fault(&mut self, span: Range<usize>, problem: impl Into<String>, hint: Option<String>) {
        self.faults.push(Fault { hint, ..Fault::error(span, problem) });
    }

    pub(super) fn is_lint(&self) -> bool {
        self.purpose == Purpose::Lint
    }

    pub(super) fn warn(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        problem: impl Into<String>,
        hint: Option<String>,
    ) {
        self.faults.push(Fault { hint, ..Fault::warning(code, span, problem) });
    }

    /// A rule of which lint may ask whether any record uses it.
    pub(super) fn mark(&mut self, span: Range<usize>, what: impl Into<String>) -> Mark {
        self.marked.push(Marked { span, what: what.into() });
        self.marked.len() as Mark - 1
    }

    fn boolean(&self, table: &DeTable<'_>, key: &str, default: bool) -> bool {
        get(table, key).and_then(|value| value.get_ref().as_bool()).unwrap_or(default)
    }

    pub(super) fn section<'a, 'i>(&self, root: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
        get(root, name)?.get_ref().as_table()
    }

    fn wrong(&mut self, span: &Range<usize>, wrong: Wrong) {
        let span = fault::inside(self.text, span, &wrong.range);
        self.fault(span, wrong.problem, wrong.hint);
    }

    fn uses(&mut self, text: &str, is_template: bool) {
        for path in expression::paths(text, is_template) {
            self.coverage.used(&path);
        }
    }

    fn expression(&mut self, value: &Value<'_>, scope: Scope) -> Option<Expression> {
        let text = value.get_ref().as_str()?;
        self.uses(text, false);
        let parsed = Expression::value(text, scope).map_err(|wrong| self.wrong(&value.span(), wrong)).ok()?;
        self.look_at_values(text, &value.span(), false);
        self.try_out(&expression::Code::Expression(&parsed), text, &value.span());
        Some(parsed)
    }

    /// A condition; `value` is a text, or the key of a table.
    fn condition(&mut self, text: &str, span: &Range<usize>, scope: Scope) -> Option<Expression> {
        self.uses(text, false);
        let parsed = Expression::condition(text, scope).map_err(|wrong| self.wrong(span, wrong)).ok()?;
        self.look_at_values(text, span, false);
        self.try_out(&expression::Code::Expression(&parsed), text, span);
        self.look_at_constant(&parsed, text, span);
        Some(parsed)
    }

    fn condition_of(&mut self, table: &DeTable<'_>, key: &str, scope: Scope) -> Option<Expression> {
        let value = get(table, key)?;
        self.condition(value.get_ref().as_str()?, &value.span(), scope)
    }

    fn template(&mut self, value: &Value<'_>, scope: Scope, output: Output) -> Option<Template> {
        let text = value.get_ref().as_str()?;
        self.uses(text, true);
        let parsed = Template::parse(&mut self.engine, text, scope, output);
        let parsed = parsed.map_err(|wrong| self.wrong(&value.span(), wrong)).ok()?;
        self.look_at_values(text, &value.span(), true);
        let engine = std::mem::replace(&mut self.engine, Environment::empty());
        self.try_out(&expression::Code::Template(&parsed, &engine), text, &value.span());
        self.engine = engine;
        Some(parsed)
    }

    fn optional_template(&mut self, table: &DeTable<'_>, key: &str, scope: Scope, output: Output) -> Option<Template> {
        get(table, key).and_then(|value| self.template(value, scope, output))
    }

    /// `when`, `from`, `table` and `default`; a text alone is the default.
    fn rule<T>(
        &mut self,
        value: Option<&Value<'_>>,
        name: &str,
        scope: Scope,
        mut parse: impl FnMut(&mut Self, &str, Range<usize>) -> Option<T>,
    ) -> Rule<T> {
        let mut rule = Rule { name: Arc::from(name), when: Vec::new(), from: None, table: None, default: None };
        let Some(value) = value else { return rule };
        if let Some(text) = value.get_ref().as_str() {
            rule.default = parse(self, text, value.span());
            return rule;
        }
        let Some(table) = value.get_ref().as_table() else { return rule };
        if let Some(conditions) = get(table, "when").and_then(|value| value.get_ref().as_table()) {
            rule.when = self.decisions(conditions, name, scope, &mut parse);
        }
        rule.from = get(table, "from").and_then(|from| self.expression(from, scope));
        if let Some(default) = get(table, "default")
            && let Some(text) = default.get_ref().as_str()
        {
            rule.default = parse(self, text, default.span());
        }
        if let Some((key, values)) = entry(table, "table") {
            let from = get(table, "from");
            if from.is_none() {
                let problem = format!("`[{name}]` has a table and no `from`, which says what is looked up in it");
                self.fault(key.span(), problem, Some("add `from = \"…\"` with the name of a field".to_owned()));
            }
            if let (Some(Expression::Path(path)), Some(values)) = (&rule.from, values.get_ref().as_table()) {
                self.look_at_keys(path, values, name);
            }
            rule.table = values.get_ref().as_table().map(|values| self.value_table(values, name, &mut parse));
        }
        if rule.default.is_none() && rule.from.is_none() && rule.when.is_empty() && table.is_empty() {
            self.warn("unused", value.span(), format!("`[{name}]` says nothing"), Some("remove it".to_owned()));
        }
        rule
    }

    /// Conditions and what they give, in the order of the file.
    fn decisions<T>(
        &mut self,
        conditions: &DeTable<'_>,
        name: &str,
        scope: Scope,
        parse: &mut impl FnMut(&mut Self, &str, Range<usize>) -> Option<T>,
    ) -> Vec<Decision<T>> {
        let mut conditions: Vec<_> = conditions.iter().collect();
        conditions.sort_by_key(|(key, _)| key.span().start);
        let mut decisions = Vec::new();
        for (key, value) in conditions {
            let when = self.condition(key.get_ref(), &key.span(), scope);
            let given = value.get_ref().as_str().and_then(|text| parse(self, text, value.span()));
            let mark = self.mark(key.span(), format!("this condition of `[{name}]` holds for"));
            decisions.extend(when.zip(given).map(|(when, value)| Decision { when, value, mark }));
        }
        decisions
    }

    fn value_table<T>(
        &mut self,
        values: &DeTable<'_>,
        name: &str,
        parse: &mut impl FnMut(&mut Self, &str, Range<usize>) -> Option<T>,
    ) -> Values<T> {
        let mut table = Values::default();
        let mut written: HashMap<String, String> = HashMap::new();
        let mut values: Vec<_> = values.iter().collect();
        values.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in values {
            let word = key.get_ref().as_ref();
            if let Some(other) = written.insert(fold(word), word.to_owned()) {
                let problem = format!("`{word}` and `{other}` are the same key: upper and lower case count alike");
                self.fault(key.span(), problem, Some("remove one of them".to_owned()));
            }
            if let Some(general) = table.pattern_before(word) {
                let problem = format!("`{word}` is never asked: `{general}` above it covers it");
                self.warn("unreachable", key.span(), problem, Some("put the narrower pattern first".to_owned()));
            }
            let parsed = value.get_ref().as_str().and_then(|text| parse(self, text, value.span()));
            let mark = self.mark(key.span(), format!("this value of `[{name}]` is that of"));
            if let Some(parsed) = parsed {
                table.insert(word, parsed, mark);
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

    /// One of a few words under a key.
    fn choice<T>(&mut self, table: &DeTable<'_>, key: &str, what: &str, choices: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let value = get(table, key)?;
        let text = value.get_ref().as_str()?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let problem = format!("not a {what}: expected {}", alternatives(&words));
            self.fault(value.span(), problem, suggestion(text, &words));
        }
        chosen
    }

    fn address(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let address = people::stored_address(text);
        if address.is_none() {
            self.fault(span, "not an address: expected something like `ada@example.org`", None);
        }
        address
    }

    pub(super) fn name(&mut self, naming: Naming, name: &str, span: Range<usize>) {
        self.named.push(Named { naming, name: name.to_owned(), span });
    }

    fn user(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let address = self.address(text, span.clone())?;
        self.name(Naming::User, &address, span);
        Some(address)
    }

    /// A mailbox by address or name.
    fn mailbox(&mut self, text: &str, span: Range<usize>) -> Option<String> {
        let name = if text.contains('@') {
            self.address(text, span.clone())?
        } else if text.trim().is_empty() {
            self.fault(span, "expected a mailbox's address or name, found nothing", None);
            return None;
        } else {
            text.trim().to_owned()
        };
        self.name(Naming::Mailbox, &name, span);
        Some(name)
    }

    fn names(&self, naming: &Naming) -> Vec<String> {
        let names: BTreeSet<&String> =
            self.named.iter().filter(|named| named.naming == *naming).map(|named| &named.name).collect();
        names.into_iter().cloned().collect()
    }

    fn root(&mut self, root: &DeTable<'_>) -> Option<Loaded> {
        self.version(root);
        let source = self.source(root);
        self.source = source.clone().unwrap_or_default();
        let mut shape = self.shape(root);
        self.shape_faults(root, &shape, source.as_deref());
        let mailbox = self.rule(get(root, "mailbox"), "mailbox", Scope::Record, Self::mailbox);
        let kind = self.rule(get(root, "type"), "type", Scope::Record, |loader, text, span| {
            loader.word(text, span, "type of conversation", Kind::WORDS, Kind::from_word)
        });
        let status = self.rule(get(root, "status"), "status", Scope::Record, |loader, text, span| {
            loader.word(text, span, "status", Status::WORDS, Status::from_word)
        });
        let status_skip = self.status_skip(root);
        let subject = self.subject(root);
        let (mut people, roster) = self.people(root, &mut shape);
        // A mailbox of ours is not a customer either.
        people.own.extend(self.names(&Naming::Mailbox).into_iter().filter(|name| name.contains('@')));
        let assignee = self.assignee(root);
        let (customer, customer_fields) = self.customer(root);
        let tags = self.tags(root);
        let (fields, field_names) = self.fields(get(root, "fields"), "fields");
        let threads = self.threads(root);
        let notes = self.notes(root);
        let skip = self.refusals(root, "skip", "a rule that skips records");
        let reject = self.refusals(root, "reject", "a rule that rejects records");
        self.ignore(root);
        let coverage = std::mem::take(&mut self.coverage).build();
        let coverage = coverage.map_err(|error| self.fault(0..0, error.to_string(), None)).ok()?;
        let names = Names {
            mailboxes: self.names(&Naming::Mailbox),
            users: self.names(&Naming::User),
            fields: field_names,
            customer_fields: customer_fields.into_iter().map(|(name, _)| name).collect(),
        };
        let engine = std::mem::replace(&mut self.engine, Environment::empty());
        let rules = Rules {
            engine,
            skip,
            reject,
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
            notes,
            coverage,
        };
        let levels = self.levels(root);
        Some(Loaded { source: source?, shape, names, rules, roster, levels })
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
            // What it extends would have said it, and that has been reported.
            if root.contains_key("extends") && !self.faults.is_empty() {
                return None;
            }
            let problem = format!("`source` is missing: expected {}", alternatives(&names));
            self.fault(0..0, problem, Some("add `source = \"…\"` as the first line".to_owned()));
            return None;
        };
        let Some(name) = value.get_ref().as_str() else {
            let problem = format!("expected the name of a source in quotes: {}", alternatives(&names));
            self.fault(value.span(), problem, None);
            return None;
        };
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

    /// What does not fit together in a shape whose keys and types are right.
    fn shape_faults(&mut self, root: &DeTable<'_>, shape: &Shape, source: Option<&str>) {
        // A shape that could not be read has been reported.
        if !self.faults.is_empty() {
            return;
        }
        let whole = entry(root, "shape").or_else(|| entry(root, "source")).map_or(0..0, |(key, _)| key.span());
        for fault in shape.faults(source.unwrap_or_default()) {
            self.fault(
                fault.span.filter(|span| !span.is_empty()).unwrap_or_else(|| whole.clone()),
                fault.problem,
                fault.hint,
            );
        }
    }

    fn status_skip(&mut self, root: &DeTable<'_>) -> Values<String> {
        let Some(table) = get(root, "status").and_then(|value| value.get_ref().as_table()) else {
            return Values::default();
        };
        let Some((key, value)) = entry(table, "skip") else { return Values::default() };
        if get(table, "from").is_none() {
            let problem = "`[status]` has `skip` and no `from`, which says what is looked up in it";
            self.fault(key.span(), problem, Some("add `from = \"status\"`".to_owned()));
        }
        let Some(values) = value.get_ref().as_table() else { return Values::default() };
        if let Some(DeValue::Table(words)) = get(table, "table").map(Spanned::get_ref) {
            for key in values.keys() {
                if words.keys().any(|word| fold(word.get_ref()) == fold(key.get_ref())) {
                    let problem = format!("`{}` is skipped here and has a status in `table`", key.get_ref());
                    self.fault(key.span(), problem, Some("remove one of them".to_owned()));
                }
            }
        }
        if let Some(path) = get(table, "from").and_then(|from| expression::simple_path(from.get_ref().as_str()?)) {
            self.look_at_keys(&path, values, "status.skip");
        }
        self.value_table(values, "status.skip", &mut |loader, text, span| loader.reason(text, span))
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
        let Some(table) = value.get_ref().as_table() else { return subject };
        subject.from = get(table, "from").and_then(|from| self.expression(from, Scope::Record));
        subject.template = self.optional_template(table, "template", Scope::Record, Output::Text);
        if let (Some(_), Some((key, _))) = (get(table, "from"), entry(table, "template")) {
            self.fault(key.span(), "`[subject]` has `from` and `template`", Some("remove one of them".to_owned()));
        }
        if let Some(default) = get(table, "default")
            && let Some(text) = default.get_ref().as_str()
        {
            if text.trim().is_empty() {
                self.fault(default.span(), "a conversation needs a subject: expected some text", None);
            }
            text.trim().clone_into(&mut subject.default);
        }
        subject
    }

    fn people(&mut self, root: &DeTable<'_>, shape: &mut Shape) -> (People, Option<blake3::Hash>) {
        let mut roster = None;
        let mut people =
            People { roles: STAFF_ROLES.iter().map(|role| (*role).to_owned()).collect(), ..People::default() };
        if let Some(table) = self.section(root, "people") {
            if let Some(own) = get(table, "own") {
                for (text, span) in strings(own) {
                    if self.own(text, span) && !shape.own.iter().any(|known| known == text) {
                        shape.own.push(text.to_owned());
                    }
                }
            }
            if let Some(roles) = get(table, "roles") {
                people.roles = strings(roles).into_iter().map(|(role, _)| fold(role)).collect();
            }
            if let Some(value) = get(table, "default")
                && let Some(text) = value.get_ref().as_str()
            {
                people.default = self.user(text, value.span());
            }
            if let Some(agents) = self.section(table, "agents") {
                self.agents(agents, &mut people);
            }
            if let Some(value) = get(table, "file")
                && let Some(name) = value.get_ref().as_str()
            {
                let by = self.texts.at(value.span().start).0;
                roster = self.roster(by, name, &value.span(), &mut people, shape);
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
        (people, roster)
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
                _ => None,
            };
            let mark = self.mark(key.span(), "this agent appears in");
            people.agent_marks.insert(fold(name), mark);
            if let Some(agent) = agent
                && people.agents.insert(fold(name), agent).is_some()
            {
                self.fault(key.span(), format!("`{name}` stands here twice: upper and lower case count alike"), None);
            }
        }
    }

    fn agent(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<Agent> {
        match (get(table, "user"), get(table, "departed")) {
            (Some(value), None) => {
                let text = value.get_ref().as_str()?;
                self.user(text, value.span()).map(Agent::User)
            }
            (None, Some(value)) => {
                let name = value.get_ref().as_str()?;
                if name.trim().is_empty() {
                    self.fault(value.span(), "expected the name to show, found nothing", None);
                    return None;
                }
                Some(Agent::Departed(name.trim().to_owned()))
            }
            // A misspelt key has been reported, and says enough.
            (None, None) if !table.is_empty() => None,
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
        let rule = self.rule(Some(value), "assignee", Scope::Record, |loader, text, span| {
            if text == "nobody" { Some(String::new()) } else { loader.user(text, span) }
        });
        Assignee::Rule(Box::new(rule))
    }

    fn customer(&mut self, root: &DeTable<'_>) -> (CustomerRules, Vec<(String, Vec<String>)>) {
        let Some(table) = self.section(root, "customer") else { return Default::default() };
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
                table: Values::default(),
                mark: self.mark(0..0, String::new()),
            }],
            add: Vec::new(),
            drop: globset::GlobSet::empty(),
        };
        let table = self.section(root, "tags");
        if table.is_none_or(|table| get(table, "from").is_none()) {
            self.coverage.used(&["tags".to_owned()]);
        }
        let Some(table) = table else { return tags };
        if let Some(from) = get(table, "from") {
            tags.from = match from.get_ref() {
                DeValue::Array(items) => items.iter().filter_map(|item| self.tag_rule(item)).collect(),
                _ => self.tag_rule(from).into_iter().collect(),
            };
        }
        if let Some(add) = get(table, "add") {
            tags.add = strings(add).into_iter().map(|(text, _)| text.to_owned()).collect();
        }
        if let Some(drop) = get(table, "drop") {
            let mut set = GlobSetBuilder::new();
            for (pattern, span) in strings(drop) {
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
        let mark = self.mark(value.span(), "this rule gives a tag to");
        let Some(table) = value.get_ref().as_table() else {
            let from = self.expression(value, Scope::Record)?;
            return Some(TagRule { from, prefix: String::new(), table: Values::default(), mark });
        };
        let Some(from) = get(table, "from") else {
            self.fault(value.span(), "a rule for tags needs `from`", None);
            return None;
        };
        let from = self.expression(from, Scope::Record)?;
        let prefix = get(table, "prefix").and_then(|prefix| prefix.get_ref().as_str()).unwrap_or_default().to_owned();
        let table = match self.section(table, "table") {
            Some(values) => {
                if let Expression::Path(path) = &from {
                    self.look_at_keys(path, values, "tags");
                }
                self.value_table(values, "tags", &mut |_, text, _| Some(text.to_owned()))
            }
            None => Values::default(),
        };
        Some(TagRule { from, prefix, table, mark })
    }

    /// Custom fields or customer fields, with the values that their tables give.
    fn fields(&mut self, value: Option<&Value<'_>>, section: &str) -> (Vec<FieldRule>, Vec<(String, Vec<String>)>) {
        let mut rules = Vec::new();
        let mut names = Vec::new();
        let is_customers = section.starts_with("customer");
        let Some(table) = value.and_then(|value| value.get_ref().as_table()) else { return (rules, names) };
        for (key, value) in table {
            let field = key.get_ref().trim().to_owned();
            if field.is_empty() {
                self.fault(key.span(), "expected a field's name, found nothing", None);
                continue;
            }
            let naming = if is_customers { Naming::CustomerField } else { Naming::Field };
            self.name(naming, &field, key.span());
            let mark = self.mark(key.span(), format!("`{field}` gets a value for"));
            let mut labels = BTreeSet::new();
            let parsed = if value.get_ref().is_str() {
                self.template(value, Scope::Record, Output::Text).map(FieldValue::Template)
            } else {
                let name = format!("{section}.{field}");
                let has_table = value.get_ref().as_table().is_some_and(|table| table.contains_key("table"));
                let rule = self.rule(Some(value), &name, Scope::Record, |loader, text, span| {
                    labels.insert(text.to_owned());
                    if has_table && !is_customers {
                        // An empty text leaves the field unset, and is no option.
                        if !text.trim().is_empty() {
                            loader.name(Naming::Label { field: field.clone() }, text, span);
                        }
                    }
                    Some(text.to_owned())
                });
                // Without a table any text can come.
                if rule.table.is_none() {
                    labels.clear();
                }
                Some(FieldValue::Rule(Box::new(rule)))
            };
            names.push((field.clone(), labels.into_iter().collect()));
            if let Some(value) = parsed {
                rules.push(FieldRule { field, value, mark });
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
            keeps_quoted: true,
            keeps_signature: true,
            inline_images: InlineImages::Embed,
            is_plain: false,
        };
        if let Some(table) = self.section(root, "threads") {
            threads.when = self.condition_of(table, "when", Scope::Entry);
            threads.kind = get(table, "type").map(|value| {
                self.rule(Some(value), "threads.type", Scope::Entry, |loader, text, span| {
                    loader.word(text, span, "type of thread", ThreadKind::WORDS, ThreadKind::from_word)
                })
            });
            threads.header = self.optional_template(table, "header", Scope::Entry, Output::Html);
            threads.footer = self.optional_template(table, "footer", Scope::Entry, Output::Html);
            threads.keeps_cc = self.boolean(table, "cc", true);
            let keep_or_drop = [(vocabulary::KEEP, true), (vocabulary::DROP, false)];
            let quoted = self.choice(table, "quoted", "way to treat quoted text", &keep_or_drop);
            let signature = self.choice(table, "signature", "way to treat signatures", &keep_or_drop);
            threads.keeps_quoted = quoted.unwrap_or(true);
            threads.keeps_signature = signature.unwrap_or(true);
        }
        if let Some(table) = self.section(root, "html") {
            let ways = [
                (vocabulary::EMBED, InlineImages::Embed),
                (vocabulary::ATTACH, InlineImages::Attach),
                (vocabulary::DROP, InlineImages::Drop),
            ];
            let images = self.choice(table, "inline_images", "way to treat images", &ways);
            threads.inline_images = images.unwrap_or(InlineImages::Embed);
            let texts = [(vocabulary::HTML, false), (vocabulary::PLAIN, true)];
            threads.is_plain = self.choice(table, "texts", "form of texts", &texts).unwrap_or(false);
        }
        threads
    }

    /// Notes that are made of a record's fields, in the order of the file.
    fn notes(&mut self, root: &DeTable<'_>) -> Vec<NoteRule> {
        let Some(table) = self.section(root, "notes") else { return Vec::new() };
        let mut notes: Vec<_> = table.iter().collect();
        notes.sort_by_key(|(key, _)| key.span().start);
        let mut rules = Vec::new();
        for (key, value) in notes {
            let Some(table) = value.get_ref().as_table() else { continue };
            let when = self.condition_of(table, "when", Scope::Record);
            let at = get(table, "at").and_then(|value| self.expression(value, Scope::Record));
            let Some(text) = get(table, "text") else {
                self.fault(key.span(), "a note needs `text`", None);
                continue;
            };
            let mark = self.mark(key.span(), "this note is written for");
            if let Some(text) = self.template(text, Scope::Record, Output::Html) {
                rules.push(NoteRule { name: Arc::from(format!("notes.{}", key.get_ref())), when, text, at, mark });
            }
        }
        rules
    }

    /// `[[skip]]` or `[[reject]]`: conditions with reasons.
    fn refusals(&mut self, root: &DeTable<'_>, section: &str, what: &str) -> Vec<Decision<String>> {
        let Some(value) = get(root, section) else { return Vec::new() };
        let items: Vec<&Value<'_>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut rules: Vec<Decision<String>> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for item in items {
            let Some(table) = item.get_ref().as_table() else { continue };
            let reason = match get(table, "reason") {
                Some(value) => value.get_ref().as_str().and_then(|text| self.reason(text, value.span())),
                None => {
                    self.fault(item.span(), format!("{what} needs a `reason`"), None);
                    None
                }
            };
            let when = match get(table, "when") {
                Some(value) => {
                    let text = value.get_ref().as_str().unwrap_or_default();
                    if seen.iter().any(|known| known.trim() == text.trim()) {
                        let problem = format!("never asked: a `[[{section}]]` above has the same condition");
                        self.warn("unreachable", value.span(), problem, Some("remove one of them".to_owned()));
                    }
                    seen.push(text.to_owned());
                    self.condition_of(table, "when", Scope::Record)
                }
                None => {
                    self.fault(item.span(), format!("{what} needs `when`"), None);
                    None
                }
            };
            let span = get(table, "when").map_or_else(|| item.span(), Spanned::span);
            let mark = self.mark(span, "this condition holds for");
            rules.extend(when.zip(reason).map(|(when, value)| Decision { when, value, mark }));
        }
        rules
    }

    fn ignore(&mut self, root: &DeTable<'_>) {
        if let Some(table) = self.section(root, "ignore") {
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
                    let mark = self.mark(key.span(), "this path is one of");
                    if let Err(error) = self.coverage.ignore(&pattern, reason, mark) {
                        self.fault(key.span(), format!("not a pattern: {}", error.kind()), None);
                    }
                }
                DeValue::Table(below) if depth < 16 => self.ignore_below(&format!("{pattern}."), below, depth + 1),
                // Its form has been found wrong already.
                _ => {}
            }
        }
    }
}

/// One text or a list of texts, each with its place.
fn strings<'a>(value: &'a Value<'_>) -> Vec<(&'a str, Range<usize>)> {
    let text = |value: &'a Value<'_>| value.get_ref().as_str().map(|text| (text, value.span()));
    match value.get_ref() {
        DeValue::Array(items) => items.iter().filter_map(text).collect(),
        _ => text(value).into_iter().collect(),
    }
}
