//! The mapping's text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::inventory::{Field, Inventory};
use super::matching::{AgentMatch, Found, Matches, ValueMatch};
use super::toml_text::{Block, comment, expression, key, pattern, quoted};
use crate::conversation::{Kind, Status};
use crate::distinct::Values;
use crate::mapping::{Mapping, Ruled, record_names};

/// How many values of one kind get a line; the rest is summed up.
const MOST_LINES: usize = 40;

/// How many fields are suggested as custom fields.
const MOST_SUGGESTIONS: usize = 12;

/// How many values a comment names.
const MOST_NAMED: usize = 6;

/// Everything that the text is made of.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The archive as typed.
    pub archive: &'a str,
    /// The file that is written, as typed; `None`: standard output.
    pub file: Option<&'a str>,
    /// The format's name.
    pub format: &'a str,
    /// The source that the mapping is for: the format, or that of which records were made.
    pub source: &'a str,
    /// The mapping that is extended: a built-in name or a path.
    pub extends: &'a str,
    /// The same, loaded.
    pub base: &'a Mapping,
    /// What the archive holds.
    pub inventory: &'a Inventory,
    /// How it compares with the target.
    pub matches: &'a Matches,
    /// Addresses that are ours beyond doubt, each with what speaks for it.
    pub own: Vec<(String, String)>,
    /// A domain that they share, and why it may be ours as a whole.
    pub own_domain: Option<(String, String)>,
    /// An address that looks like ours, and why.
    pub likely_own: Option<(String, String)>,
    /// `people.csv`, as the mapping names it.
    pub people_file: Option<&'a str>,
    /// What was found out about a table's columns.
    pub columns: &'a [ColumnNote],
    /// Lost paths that only an exact pattern covers.
    pub exact: BTreeSet<String>,
}

/// What a column of a table was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNote {
    /// Its header.
    pub header: String,
    /// The meaning, as `[shape.csv.columns]` calls it; `None`: it stays a field.
    pub role: Option<String>,
    /// How it is known: `by its name`, or a share of values that speak for it.
    pub why: String,
    /// Whether the mapping has to say it, since the name alone does not.
    pub is_needed: bool,
}

/// Makes the text.
pub fn write(draft: &Draft<'_>) -> String {
    let mut out = String::new();
    draft.head(&mut out);
    draft.columns(&mut out);
    draft.mailbox(&mut out);
    draft.words(&mut out);
    draft.people(&mut out);
    draft.tags(&mut out);
    draft.fields(&mut out);
    draft.ignore(&mut out);
    out
}

impl Draft<'_> {
    fn head(&self, out: &mut String) {
        let inventory = self.inventory;
        let days = match (inventory.first, inventory.last) {
            (Some(first), Some(last)) => {
                format!(" from {} to {}", first.strftime("%Y-%m-%d"), last.strftime("%Y-%m-%d"))
            }
            _ => String::new(),
        };
        let archive = comment(self.archive);
        let _ = writeln!(out, "# {archive}: {}, {} records{days}.", self.format, inventory.records);
        let _ = writeln!(
            out,
            "# It works as it stands. Look for `decide` (a guess, or something that would be lost) and `TODO` (not in FreeScout)."
        );
        if let Some(file) = self.file {
            let file = comment(file);
            let _ = writeln!(
                out,
                "#\n#     foxferry check {archive} -m {file}\n#     foxferry import {archive} -m {file} --sandbox"
            );
        }
        out.push('\n');
        let mut block = Block::default();
        block.line("version = 1", "");
        block.line(format!("source = {}", quoted(self.source)), "");
        let rest = "what is not said here goes by its rules; `foxferry mapping show` prints built-in ones";
        block.line(format!("extends = {}", quoted(self.extends)), rest);
        out.push_str(&block.text());
    }

    fn columns(&self, out: &mut String) {
        if self.columns.is_empty() {
            return;
        }
        out.push_str("\n# What the columns mean; the others stay fields, and stand below the first message.\n");
        let mut block = Block::default();
        let is_needed = self.columns.iter().any(|column| column.is_needed);
        block.line(if is_needed { "[shape.csv.columns]" } else { "# [shape.csv.columns]" }, "");
        for column in self.columns {
            let Some(role) = &column.role else { continue };
            let mark = if column.is_needed { "" } else { "# " };
            block.line(format!("{mark}{role} = {}", quoted(&column.header)), &column.why);
        }
        out.push_str(&block.text());
    }

    fn mailbox(&self, out: &mut String) {
        let matches = self.matches;
        let mut block = Block::default();
        out.push('\n');
        let path = matches.mailbox_field.as_ref().map(|name| expression(std::slice::from_ref(name), record_names()));
        match (&path, &matches.default_mailbox) {
            (Some(from), Some(default)) => {
                block.line("[mailbox]", "");
                block.line(format!("from = {}", quoted(from)), "");
                block.line(format!("default = {}", quoted(default)), "decide: for everything else");
                block.line("[mailbox.table]", "");
                for value in matches.mailboxes.iter().take(MOST_LINES) {
                    value_line(&mut block, value, default, "mailbox");
                }
                rest_line(&mut block, matches.mailboxes.len());
            }
            (None, Some(default)) => {
                block.line("[mailbox]", "");
                block.line(
                    format!("default = {}", quoted(default)),
                    "decide: the target has several mailboxes, and no field tells which",
                );
            }
            (path, None) => {
                out.push_str("# Everything goes to the target's only mailbox. With several:\n");
                block.line("# [mailbox]", "");
                if let Some(from) = path {
                    block.line(format!("# from = {}", quoted(from)), "");
                    block.line("# default = \"support@example.org\"", "");
                    block.line("# [mailbox.table]", "");
                    for value in matches.mailboxes.iter().take(MOST_LINES) {
                        block.line(format!("# {} = \"…@example.org\"", key(&value.value)), value.count.to_string());
                    }
                    rest_line(&mut block, matches.mailboxes.len());
                } else {
                    block.line("# default = \"support@example.org\"", "");
                }
            }
        }
        out.push_str(&block.text());
    }

    fn words(&self, out: &mut String) {
        let statuses = self.inventory.statuses.most_frequent();
        if !statuses.is_empty() {
            let mut block = Block::default();
            if self.base.has_status_rule() {
                block.line("[status.table]", "");
            } else {
                block.line("[status]", "");
                block.line("from = \"status\"", "");
                block.line("default = \"active\"", "");
                block.line("[status.table]", "");
            }
            word_lines(&mut block, &self.inventory.statuses, |word| match self.base.status_of(word) {
                Ruled::Value(status) => Said::Known(status.word()),
                Ruled::Skipped(reason) => Said::Skipped(reason),
                Ruled::Unknown => Said::Guess(status_like(word).word()),
            });
            let _ = write!(out, "\n{}", block.text());
        }
        let channels = self.inventory.channels.most_frequent();
        if !channels.is_empty() && self.base.has_type_rule() {
            let mut block = Block::default();
            block.line("[type.table]", "");
            word_lines(&mut block, &self.inventory.channels, |word| match self.base.kind_of(word) {
                Ruled::Value(kind) => Said::Known(kind.word()),
                Ruled::Skipped(reason) => Said::Skipped(reason),
                Ruled::Unknown => Said::Guess(kind_like(word).word()),
            });
            let _ = write!(out, "\n{}", block.text());
        }
    }

    fn people(&self, out: &mut String) {
        let matches = self.matches;
        let mut block = Block::default();
        block.line("[people]", "");
        if let Some(file) = self.people_file {
            block
                .line(format!("file = {}", quoted(file)), "who is customer, agent or nobody; edit it in a spreadsheet");
        }
        match &matches.default_user {
            Some(user) => {
                block
                    .line(format!("default = {}", quoted(user)), "decide: who stands in for agents that are not users");
            }
            None => block.line("# default = \"admin@example.org\"", "who stands in for agents that are not users"),
        }
        if !self.own.is_empty() {
            if let Some((domain, why)) = &self.own_domain {
                block.line(format!("# own = [{}]", quoted(&format!("@{domain}"))), format!("decide: {why}"));
            }
            // An address to a line, each with its evidence.
            block.line("own = [", "own addresses never become customers; take out what is not yours");
            for (address, why) in &self.own {
                block.line(format!("  {},", quoted(address)), why);
            }
            block.line("]", "");
        }
        match &self.likely_own {
            Some((own, why)) if self.own.is_empty() => {
                block.line(
                    format!("# own = [{}]", quoted(own)),
                    format!("decide: {why}; own addresses never become customers"),
                );
            }
            _ if self.own.is_empty() => {
                block.line("# own = [\"@example.org\"]", "own addresses and domains never become customers");
            }
            _ => {}
        }
        if self.people_file.is_none() && !matches.agents.is_empty() {
            if matches.has_target {
                block.line("[people.agents]", "");
            } else {
                block.line(
                    "# [people.agents]",
                    "an agent becomes the user with the same address, unless a line says otherwise",
                );
            }
            for agent in matches.agents.iter().take(MOST_LINES) {
                agent_line(&mut block, agent, matches.has_target);
            }
            if matches.agents.len() > MOST_LINES {
                let more = matches.agents.len() - MOST_LINES;
                block.line(format!("# and {more} more agents: `init --people people.csv` lists all"), "");
            }
        }
        let _ = write!(out, "\n{}", block.text());
    }

    fn tags(&self, out: &mut String) {
        if !self.inventory.tags.is_empty() {
            let _ = writeln!(out, "\n# Tags are kept: {}", named(&self.inventory.tags, 2 * MOST_NAMED));
        }
    }

    fn fields(&self, out: &mut String) {
        let mut block = Block::default();
        for found in &self.matches.fields {
            let from = expression(&found.path, record_names());
            let Some(labels) = &found.labels else {
                block.line(format!("{} = {}", key(&found.field), quoted(&format!("{{{{ {from} }}}}"))), "");
                continue;
            };
            let mut table = Vec::new();
            let mut missing = Vec::new();
            for label in labels {
                match &label.found {
                    Found::Sure { to, .. } => table.push(format!("{} = {}", key(&label.value), quoted(to))),
                    _ => missing.push(label),
                }
            }
            // A value without a label is left unset, which an empty text says.
            table.extend(missing.iter().map(|label| format!("{} = \"\"", key(&label.value))));
            let todo: Vec<String> = missing
                .iter()
                .take(MOST_NAMED)
                .map(|label| match &label.found {
                    Found::Likely { to, .. } => format!("{} {} (like `{to}`?)", label.value, label.count),
                    _ => format!("{} {}", label.value, label.count),
                })
                .collect();
            let behind =
                if todo.is_empty() { String::new() } else { format!("TODO: no label like {}", todo.join(", ")) };
            let text =
                format!("{} = {{ from = {}, table = {{ {} }} }}", key(&found.field), quoted(&from), table.join(", "));
            block.line(text, behind);
        }
        let has_any = !self.matches.fields.is_empty();
        let taken = |path: &[String]| self.matches.fields.iter().any(|found| found.path == path);
        let mut others: Vec<(&Vec<String>, &Field)> =
            self.inventory.fields.iter().filter(|(path, _)| !taken(path) && self.is_suggested(path)).collect();
        others.sort_by(|a, b| b.1.records.cmp(&a.1.records).then(a.0.cmp(b.0)));
        if !has_any && others.is_empty() {
            return;
        }
        out.push_str("\n# FreeScout's custom fields, by name. Those with `#` could become some.\n");
        let mut head = Block::default();
        head.line(if has_any { "[fields]" } else { "# [fields]" }, "");
        out.push_str(&head.text());
        for (path, field) in others.iter().take(MOST_SUGGESTIONS) {
            let name = path.last().map(String::as_str).unwrap_or_default();
            let from = expression(path, record_names());
            block.line(
                format!("# {} = {}", key(name), quoted(&format!("{{{{ {from} }}}}"))),
                format!("in {}: {}", field.records, field_values(field)),
            );
        }
        if others.len() > MOST_SUGGESTIONS {
            block.line(format!("# and {} more fields", others.len() - MOST_SUGGESTIONS), "");
        }
        out.push_str(&block.text());
    }

    /// Whether a field could be worth a custom field: one that administrators have made, or one of a list.
    fn is_suggested(&self, path: &[String]) -> bool {
        const USUAL: &[&str] = &["priority", "type", "severity", "category", "product", "plan", "language", "reason"];
        let Some(name) = path.last() else { return false };
        path.len() > 1
            || self.format == "csv"
            || USUAL.contains(&name.as_str())
            || self.inventory.lost.contains_key(name)
    }

    fn ignore(&self, out: &mut String) {
        // What becomes a custom field is used by that.
        let used: BTreeSet<String> = self.matches.fields.iter().map(|found| found.path.join(".")).collect();
        let lost: Vec<_> = self.inventory.lost.iter().filter(|(path, _)| !used.contains(*path)).collect();
        if lost.is_empty() {
            return;
        }
        out.push_str("\n# Fields that no rule uses. They are lost unless you decide otherwise.\n");
        let mut block = Block::default();
        block.line("[ignore]", "");
        for (path, records) in lost {
            let pattern = pattern(path, self.exact.contains(path));
            let name: Vec<String> = path.split('.').map(str::to_owned).collect();
            let about = match self.inventory.fields.get(&name) {
                Some(field) => format!(": {}", field_values(field)),
                None => String::new(),
            };
            let plural = if *records == 1 { "" } else { "s" };
            block.line(
                format!(
                    "{} = {}",
                    quoted(&pattern),
                    quoted(&comment(&format!("decide: in {records} record{plural}{about}")))
                ),
                "",
            );
        }
        out.push_str(&block.text());
    }
}

/// What is said about one word.
enum Said {
    Known(&'static str),
    Guess(&'static str),
    Skipped(String),
}

fn word_lines(block: &mut Block, values: &Values, say: impl Fn(&str) -> Said) {
    let all = values.most_frequent();
    // Words that differ in case only are one key.
    let mut seen = BTreeSet::new();
    for (word, count) in &all {
        if !seen.insert(word.trim().to_lowercase()) {
            continue;
        }
        let said = say(word);
        // The rest goes by the default; words that no rule knows are all said, so that none passes unseen.
        if seen.len() > MOST_LINES && !matches!(said, Said::Guess(_)) {
            continue;
        }
        // `*` in a key stands for anything, and a word may hold one.
        match said {
            Said::Known(word_of_ours) => block.line(format!("{} = \"{word_of_ours}\"", key(word)), count.to_string()),
            Said::Guess(guess) => {
                block.line(format!("{} = \"{guess}\"", key(word)), format!("{count}, decide: no rule knew this word"));
            }
            Said::Skipped(reason) => block.line(format!("# {}: left out", key(word)), format!("{count}, {reason}")),
        }
    }
    if values.others > 0 {
        block.line(format!("# and further values in {} records, which take the default", values.others), "");
    }
}

fn value_line(block: &mut Block, value: &ValueMatch, default: &str, what: &str) {
    let left = key(&value.value);
    match &value.found {
        Found::Sure { to, .. } => block.line(format!("{left} = {}", quoted(to)), value.count.to_string()),
        Found::Likely { to, score } => block.line(
            format!("{left} = {}", quoted(default)),
            format!("{}, TODO: no {what} of this name; like `{to}`? ({:.0} %)", value.count, score * 100.0),
        ),
        Found::Nothing => {
            block.line(
                format!("{left} = {}", quoted(default)),
                format!("{}, TODO: no {what} like {}", value.count, value.value),
            );
        }
    }
}

fn rest_line(block: &mut Block, all: usize) {
    if all > MOST_LINES {
        block.line(format!("# and {} more values, which take the default", all - MOST_LINES), "");
    }
}

fn agent_line(block: &mut Block, agent: &AgentMatch, has_target: bool) {
    let left = key(&agent.key);
    let who =
        if agent.name.is_empty() || agent.name == agent.key { String::new() } else { format!("{}, ", agent.name) };
    let about = format!("{who}{}", agent.about);
    let about = about.trim_end_matches(", ");
    let is_address = agent.key.contains('@');
    match &agent.found {
        Found::Sure { to, why } if *why == "the same address" => block.line(format!("{left} = {}", quoted(to)), about),
        Found::Sure { to, why } => block.line(format!("{left} = {}", quoted(to)), format!("{about}; {why}")),
        Found::Likely { to, score } => block.line(
            format!("# {left} = {}", quoted(to)),
            format!("TODO: like this user? ({:.0} %) {about}", score * 100.0),
        ),
        Found::Nothing if has_target => {
            let name = if agent.name.is_empty() { &agent.key } else { &agent.name };
            block.line(
                format!("# {left} = {{ departed = {} }}", quoted(name)),
                format!("TODO: no user like {name}; {}", agent.about),
            );
        }
        Found::Nothing if is_address => block.line(format!("# {left} = {}", quoted(&agent.key)), about),
        Found::Nothing => {
            block.line(format!("# {left} = \"…@example.org\""), format!("{about}; the archive has no address"));
        }
    }
}

/// `dimmer 2, order 2, others 3`.
fn named(values: &Values, most: usize) -> String {
    let all = values.most_frequent();
    let mut shown: Vec<String> =
        all.iter().take(most).map(|(value, count)| format!("{} {count}", comment(value))).collect();
    let rest = all.iter().skip(most).map(|(_, count)| count).sum::<u64>() + values.others;
    if rest > 0 {
        shown.push(format!("others {rest}"));
    }
    shown.join(", ")
}

fn field_values(field: &Field) -> String {
    if field.is_list() {
        return named(&field.values, MOST_NAMED);
    }
    let examples: Vec<&str> = field.values.most_frequent().into_iter().take(3).map(|(value, _)| value).collect();
    if examples.is_empty() { "long texts".to_owned() } else { format!("for example {}", examples.join(", ")) }
}

/// The status that a word of an unknown help desk means most likely. An open ticket that looks closed would be forgotten.
fn status_like(word: &str) -> Status {
    const CLOSED: &[&str] = &[
        "clos",
        "resolv",
        "solv",
        "done",
        "finish",
        "complet",
        "archiv",
        "cancel",
        "merged",
        "geschlossen",
        "erledigt",
        "gelöst",
        "fermé",
        "résolu",
        "cerrad",
        "resuelt",
        "chius",
        "risolt",
        "gesloten",
        "opgelost",
    ];
    const PENDING: &[&str] =
        &["pend", "wait", "hold", "wart", "attente", "espera", "attesa", "wacht", "snooz", "defer"];
    let word = word.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|known| word.contains(known));
    let is_denied = ["not ", "un", "re-"].iter().any(|start| word.starts_with(start));
    if has(&["spam", "junk"]) {
        Status::Spam
    } else if has(PENDING) {
        Status::Pending
    } else if has(CLOSED) && !is_denied {
        Status::Closed
    } else {
        Status::Active
    }
}

fn kind_like(word: &str) -> Kind {
    let word = word.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|known| word.contains(known));
    if has(&["phone", "call", "voice", "telefon", "teléfono", "téléphone"]) {
        Kind::Phone
    } else if has(&["chat", "sms", "whatsapp", "messenger", "telegram", "social", "twitter", "facebook", "instagram"]) {
        Kind::Chat
    } else {
        Kind::Email
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_unknown_help_desks_table() {
        for (word, expected) in [
            ("Closed - no answer", Status::Closed),
            ("Unresolved", Status::Active),
            ("Warten auf Kunde", Status::Pending),
            ("Erledigt", Status::Closed),
            ("junk", Status::Spam),
            ("Neu", Status::Active),
        ] {
            assert_eq!(status_like(word), expected, "{word}");
        }
        assert_eq!(
            (kind_like("Telefonanruf"), kind_like("WhatsApp"), kind_like("Portal")),
            (Kind::Phone, Kind::Chat, Kind::Email)
        );
    }
}
