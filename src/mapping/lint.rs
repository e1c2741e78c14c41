//! What is wrong with a mapping, and what only looks wrong: checked by itself, against a target, against an archive.

use std::ops::Range;

use serde::Serialize;

use super::convert::{self, Notes};
use super::expression::{self, Code, Expression, nearest};
use super::extend::{self, Texts};
use super::fault::{self, Fault, alternatives};
use super::file::{self, Loader, Purpose, Reading};
use super::rules::fold;
use super::{Converted, Mapping, MappingError, vocabulary};
use crate::finding::Severity;
use crate::freescout::Directory;
use crate::record::Record;
use toml::de::DeTable;

/// The number of a rule of which lint asks whether any record uses it.
pub(super) type Mark = u32;

/// Such a rule.
#[derive(Debug)]
pub(super) struct Marked {
    pub span: Range<usize>,
    /// `this value of [status] is that of`: goes on with `no record of the archive`.
    pub what: String,
}

/// A name that the target should have.
#[derive(Debug)]
pub(super) struct Named {
    pub naming: Naming,
    pub name: String,
    pub span: Range<usize>,
}

/// What a name names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Mailbox,
    User,
    Field,
    CustomerField,
    /// An option of a dropdown.
    Label {
        field: String,
    },
}

/// What notices are about, for programs, and as people read it.
const KINDS: &[(&str, &str)] = &[
    ("fault", "the mapping cannot be used"),
    ("expression", "an expression that fails"),
    ("constant", "a condition that is always the same"),
    ("impossible", "a value that never occurs"),
    ("unreachable", "a rule that is never asked"),
    ("unused", "a rule that does nothing"),
    ("target", "a name that the target lacks"),
    ("archive", "a rule that no record uses"),
];

/// A mapping under examination.
#[derive(Debug)]
pub struct Lint {
    texts: Texts,
    faults: Vec<Fault>,
    marked: Vec<Marked>,
    named: Vec<Named>,
    mapping: Option<Mapping>,
    /// By mark: whether a record has used it.
    used: Vec<bool>,
}

/// One thing to be said about a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// `error`: the mapping cannot be used, or not with this target. `warning`: it can.
    pub severity: Severity,
    /// What kind of notice: `fault`, `expression`, `constant`, `impossible`, `unreachable`, `unused`, `target` or `archive`.
    pub code: &'static str,
    /// The file, which may be one that the mapping extends.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Characters, counted from 1.
    pub column: usize,
    /// What was found and what would be right.
    pub message: String,
    /// Advice that would work.
    pub hint: Option<String>,
    /// All of it for people, with the source line and a caret; plain text.
    #[serde(skip)]
    pub report: String,
}

impl Lint {
    /// Examines a file, or a built-in mapping by name. Fails only if there is nothing to examine.
    pub fn load(file_or_name: &str) -> Result<Self, MappingError> {
        let (name, text) = extend::read(file_or_name, None)
            .map_err(|(problem, hint)| fault::without_place(file_or_name, &problem, hint.as_deref()))?;
        Ok(Self::parse(&name, &text))
    }

    /// Examines a text; `file` is its name, and what it extends is looked for beside it.
    pub fn parse(file: &str, text: &str) -> Self {
        let Reading { texts, loaded, faults, marked, named } = file::read(file, text, Purpose::Lint);
        let mapping = loaded.map(|loaded| Mapping::of(file, &texts, loaded));
        let used = vec![false; marked.len()];
        Self { texts, faults, marked, named, mapping, used }
    }

    /// The mapping, if it can be used.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_ref()
    }

    /// Looks for the mailboxes, users, fields and labels that the mapping names in what a FreeScout holds.
    pub fn compare(&mut self, target: &Directory) {
        let mailboxes: Vec<_> = {
            let named = self.named.iter().filter(|named| named.naming == Naming::Mailbox);
            named.filter_map(|named| target.mailbox_by(&named.name)).collect()
        };
        let names_a_mailbox = self.named.iter().any(|named| named.naming == Naming::Mailbox);
        let mailboxes = if mailboxes.is_empty() { target.mailboxes.iter().collect() } else { mailboxes };
        let fields = || mailboxes.iter().filter_map(|entry| entry.fields.as_deref());
        let mut lacks = Vec::new();
        let mut lack = |span: &Range<usize>, problem: String, hint: Option<String>| {
            lacks.push(Fault { severity: Severity::Error, hint, ..Fault::warning("target", span.clone(), problem) });
        };
        if !names_a_mailbox && target.mailboxes.len() > 1 {
            let known: Vec<&str> = target.mailboxes.iter().map(|entry| entry.mailbox.email.as_str()).collect();
            let problem = "no rule names a mailbox, and the target has several".to_owned();
            lack(&(0..0), problem, Some(format!("add `[mailbox]`; there are {}", alternatives(&known))));
        }
        for Named { naming, name, span } in &self.named {
            match naming {
                Naming::Mailbox if target.mailbox_by(name).is_none() => {
                    let known: Vec<&str> = target.mailboxes.iter().map(|entry| entry.mailbox.email.as_str()).collect();
                    lack(span, format!("the target has no mailbox `{name}`"), near_or_all(name, &known));
                }
                Naming::User if target.user_by(name).is_none() => {
                    let known: Vec<&str> = target.users.iter().map(|user| user.email.as_str()).collect();
                    let near = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                    let hint = near.unwrap_or_else(|| "create the user, or name another".to_owned());
                    lack(span, format!("the target has no user `{name}`"), Some(hint));
                }
                Naming::Field => {
                    if mailboxes.iter().all(|entry| entry.fields.is_none()) {
                        let hint = "the Custom Fields module is not active there".to_owned();
                        lack(span, format!("the target has no custom field `{name}`"), Some(hint));
                        continue;
                    }
                    let lacking: Vec<&str> = mailboxes
                        .iter()
                        .filter(|entry| target.field(entry.mailbox.id, name).is_none())
                        .map(|entry| entry.mailbox.email.as_str())
                        .collect();
                    if !lacking.is_empty() {
                        let known: Vec<&str> = fields().flatten().map(|field| field.name.as_str()).collect();
                        let problem = format!("no custom field `{name}` in {}", alternatives(&lacking));
                        lack(span, problem, near_or_all(name, &known));
                    }
                }
                Naming::CustomerField
                    if !target.customer_fields.is_empty() && target.customer_field(name).is_none() =>
                {
                    let known: Vec<&str> = target.customer_fields.iter().map(|(_, known)| known.as_str()).collect();
                    lack(span, format!("the target has no customer field `{name}`"), near_or_all(name, &known));
                }
                Naming::Label { field } => {
                    for entry in &mailboxes {
                        let Some(known) = target.field(entry.mailbox.id, field) else { continue };
                        if known.options.is_empty() || known.option(name).is_some() {
                            continue;
                        }
                        let labels: Vec<&str> = known.options.iter().map(|(_, label)| label.as_str()).collect();
                        let problem = format!("`{field}` has no option `{name}` in `{}`", entry.mailbox.email);
                        lack(span, problem, near_or_all(name, &labels));
                    }
                }
                _ => {}
            }
        }
        self.faults.append(&mut lacks);
    }

    /// Lets a record of an archive use the rules, and says what becomes of it; nothing, if there are none.
    pub fn see(&mut self, record: Record) -> Option<Converted> {
        let mapping = self.mapping.as_ref()?;
        let rules = &mapping.rules;
        let mut notes = Notes::default();
        notes.used.extend(rules.coverage.ignoring(&record));
        let people = record.assignee.iter().chain(record.entries.iter().filter_map(|entry| entry.author.as_ref()));
        for person in people {
            for key in person.emails.iter().chain(&person.name).chain(&person.id) {
                notes.used.extend(rules.people.agent_marks.get(&fold(key)));
            }
        }
        let converted = convert::convert_noting(rules, record, &mut notes);
        for mark in notes.used {
            self.used[mark as usize] = true;
        }
        Some(converted)
    }

    /// Once every record has been seen: warns of rules that none of them used.
    ///
    /// Rules that the mapping only inherits are left alone: those of other archives are among them.
    pub fn tell_unused(&mut self) {
        for (marked, is_used) in self.marked.iter().zip(&self.used) {
            let is_own = !marked.span.is_empty() && self.texts.file_of(marked.span.start) == 0;
            if !is_used && is_own {
                let problem = format!("{} no record of the archive", marked.what);
                self.faults.push(Fault::warning("archive", marked.span.clone(), problem));
            }
        }
    }

    /// Everything that there is to be said, in the order of the file.
    pub fn notices(&self) -> Vec<Notice> {
        let mut faults = self.faults.clone();
        fault::sort(&mut faults);
        faults.iter().map(|fault| self.notice(fault)).collect()
    }

    fn notice(&self, fault: &Fault) -> Notice {
        let (file, text, base) = self.texts.at(fault.span.start);
        let before = &text[..fault.span.start.saturating_sub(base).min(text.len())];
        let title = KINDS.iter().find(|(code, _)| *code == fault.code).map_or(fault.code, |(_, title)| title);
        Notice {
            severity: fault.severity,
            code: fault.code,
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            message: fault.problem.clone(),
            hint: fault.hint.clone(),
            report: fault::block(&self.texts, fault, title),
        }
    }
}

fn near_or_all(name: &str, known: &[&str]) -> Option<String> {
    /// More names than this are no advice.
    const MOST: usize = 12;
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    known.dedup();
    (!known.is_empty() && known.len() <= MOST).then(|| format!("there is {}", alternatives(&known)))
}

/// The word that was most likely meant, as the source writes it.
fn near_word(folded: &str, words: &[&str]) -> Option<String> {
    let all: Vec<String> = words.iter().map(|word| fold(word)).collect();
    let near = nearest(folded, all.iter().map(String::as_str))?;
    let at = all.iter().position(|word| word == near)?;
    Some(format!("did you mean `{}`?", words[at]))
}

/// What lint looks at while rules are made.
impl Loader<'_> {
    /// Keys of a table that can never be looked up.
    pub(super) fn look_at_keys(&mut self, path: &[String], values: &DeTable<'_>, rule: &str) {
        let Some(words) = vocabulary::only(&self.source, path) else { return };
        for key in values.keys() {
            // Tables are looked up without regard to case, comparisons are not.
            let folded = fold(key.get_ref());
            let can_occur = folded.contains('*') || words.iter().any(|word| fold(word) == folded);
            if !can_occur {
                let problem = format!(
                    "`{}` never stands in `{}`: expected {}",
                    key.get_ref(),
                    path.join("."),
                    alternatives(words)
                );
                let hint = near_word(&folded, words).or_else(|| Some(format!("remove it from `[{rule}]`")));
                self.warn("impossible", key.span(), problem, hint);
            }
        }
    }

    /// Comparisons with words that can never stand there.
    pub(super) fn look_at_values(&mut self, text: &str, span: &Range<usize>, is_template: bool) {
        if !self.is_lint() {
            return;
        }
        for (path, word, place) in expression::comparisons(text, is_template) {
            let Some(words) = vocabulary::only(&self.source, &path) else { continue };
            if !words.contains(&word.as_str()) {
                let problem =
                    format!("`{word}` never stands in `{}`: expected {}", path.join("."), alternatives(words));
                let place = fault::inside(self.text, span, &place);
                self.warn("impossible", place, problem, near_word(&fold(&word), words));
            }
        }
    }

    /// Conditions that ask nothing.
    pub(super) fn look_at_constant(&mut self, code: &Expression, text: &str, span: &Range<usize>) {
        if !self.is_lint() || !expression::paths(text, false).is_empty() {
            return;
        }
        if let Some(holds) = expression::constant(code) {
            let problem = if holds { "this holds for everything" } else { "this holds for nothing" };
            let is_text = text.trim_start().starts_with(['\'', '"']);
            let hint = is_text.then(|| "the quotes make a text of it; a field's name has none".to_owned());
            self.warn("constant", span.clone(), problem, hint);
        }
    }

    /// Expressions that fail with whatever a record may hold.
    pub(super) fn try_out(&mut self, code: &Code<'_>, text: &str, span: &Range<usize>) {
        if !self.is_lint() {
            return;
        }
        if let Some(wrong) = expression::try_out(code, text) {
            let place = fault::inside(self.text, span, &wrong.range);
            let problem = format!("this fails for every record: {}", wrong.problem);
            self.warn("expression", place, problem, wrong.hint);
        }
    }
}
