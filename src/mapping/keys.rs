//! Every key of the language, said once: the loader refuses what is not here, and the JSON Schema is made of it.

use super::vocabulary;
use crate::conversation::{Kind, Status, ThreadKind};
use crate::finding::LEVELS;

/// A key, the form of its value, and what it is for.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub form: Form,
    pub about: &'static str,
}

/// What may stand behind a key.
#[derive(Debug)]
pub(super) enum Form {
    /// `1`.
    Version,
    /// Any text.
    Text,
    /// One of a few words.
    Word(&'static [&'static str]),
    /// The name of a source.
    Source,
    /// `true` or `false`.
    Bool,
    /// A text, or a list of texts.
    Texts,
    /// A table of known keys; the name that messages give it, if not that of its path.
    Table { called: Option<&'static str>, keys: &'static [Key] },
    /// A table of any keys.
    Map(&'static Form),
    /// `when`, `from`, `table` and `default`, each value of this form; or such a value alone.
    Rule { value: &'static Form, further: &'static [Key] },
    /// One, or a list of them.
    OneOrMore(&'static Form),
    /// A text or the other form, and how a message calls what is expected.
    TextOr { form: &'static Form, expected: &'static str },
    /// Reasons under paths, which TOML may have cut at dots.
    Reasons,
    /// What readers check themselves; the keys are for editors only.
    Shape(&'static [Key]),
    /// Anything.
    Any,
}

const fn key(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, about }
}

const RULE_FROM: &str = "The expression whose value is looked up; usually a field's name";
const RULE_TABLE: &str =
    "Values of the old system and what they become; keys are compared in any case, `*` stands for anything";
const RULE_DEFAULT: &str = "For values that are in no table, and where there is no value";
const RULE_WHEN: &str = "Conditions and what they give, asked in this order before `from`";

/// The keys that every rule has: name, whether its value is an expression, what it is for.
pub(super) const RULE_KEYS: &[(&str, &str)] =
    &[("when", RULE_WHEN), ("from", RULE_FROM), ("table", RULE_TABLE), ("default", RULE_DEFAULT)];

const TEXT: Form = Form::Text;

/// The whole file.
pub(super) const MAPPING: &[Key] = &[
    key("version", Form::Version, "The version of this language: 1"),
    key("source", Form::Source, "The format of the archives that this mapping is for"),
    key(
        "extends",
        Form::Text,
        "A built-in mapping, or a file beside this one, whose rules hold where this file has none",
    ),
    key("shape", Form::Shape(SHAPE), "What the reader must know before it reads"),
    key("mailbox", Form::Rule { value: &TEXT, further: &[] }, "The mailbox, by address or name"),
    key("type", Form::Rule { value: &Form::Word(Kind::WORDS), further: &[] }, "The type of conversation"),
    key(
        "status",
        Form::Rule {
            value: &Form::Word(Status::WORDS),
            further: &[key("skip", Form::Map(&TEXT), "Values whose records are left out, each with a reason")],
        },
        "The status",
    ),
    key(
        "subject",
        Form::TextOr {
            form: &Form::Table {
                called: None,
                keys: &[
                    key("from", TEXT, RULE_FROM),
                    key("template", TEXT, "A template for the subject"),
                    key("default", TEXT, "For records without a subject"),
                ],
            },
            expected: "text (a template) or a table",
        },
        "The subject: a template, or a rule",
    ),
    key("people", Form::Table { called: None, keys: PEOPLE }, "Who is staff, and which users agents become"),
    key("assignee", Form::Rule { value: &TEXT, further: &[] }, "The user's address, or `nobody`"),
    key("customer", Form::Table { called: None, keys: CUSTOMER }, "Templates for the customer's profile"),
    key("tags", Form::Table { called: None, keys: TAGS }, "Tags"),
    key("fields", Form::Map(FIELD), "Custom fields by name: a template, or a rule"),
    key("threads", Form::Table { called: None, keys: THREADS }, "What is written"),
    key(
        "notes",
        Form::Map(&Form::Table { called: Some("a note"), keys: NOTE }),
        "Notes made of the record's own fields",
    ),
    key("html", Form::Table { called: None, keys: HTML }, "How HTML and its images are treated"),
    key(
        "skip",
        Form::OneOrMore(&Form::Table { called: Some("`[[skip]]`"), keys: SKIP }),
        "Records that are left out, with the reason",
    ),
    key(
        "reject",
        Form::OneOrMore(&Form::Table { called: Some("`[[reject]]`"), keys: REJECT }),
        "Records that must not be sent and that somebody has to look at",
    ),
    key("ignore", Form::Reasons, "Fields that are left behind on purpose, each with the reason"),
    key("findings", Form::Map(&Form::Word(LEVELS)), "How kinds of finding are taken, by their codes"),
];

const PEOPLE: &[Key] = &[
    key("own", Form::Texts, "Own addresses (`support@example.org`) and domains (`@example.org`): never customers"),
    key("roles", Form::Texts, "Role words of staff"),
    key("file", TEXT, "A table (CSV) beside this file that says who is customer, agent or nobody"),
    key("default", TEXT, "The address of the user who stands in for agents that are not mapped"),
    key(
        "agents",
        Form::Map(&Form::TextOr {
            form: &Form::Table {
                called: Some("an agent"),
                keys: &[
                    key("user", TEXT, "The user's address"),
                    key("departed", TEXT, "The name to show for somebody who has left"),
                ],
            },
            expected: "text (a user's address), `{ user = \"…\" }` or `{ departed = \"Name\" }`",
        }),
        "Agents by address, name or old id, and the user's address",
    ),
    key("staff_as_customers", Form::Bool, "Whether staff can be the customer of what they asked for themselves"),
];

const FIELD: &Form = &Form::Rule { value: &TEXT, further: &[] };

const CUSTOMER: &[Key] = &[
    key("company", TEXT, "Template"),
    key("job_title", TEXT, "Template"),
    key("notes", TEXT, "Template"),
    key("website", TEXT, "Template"),
    key("phone", TEXT, "Template"),
    key("fields", Form::Map(FIELD), "Customer fields by name: a template, or a rule"),
];

const TAGS: &[Key] = &[
    key(
        "from",
        Form::OneOrMore(&Form::TextOr {
            form: &Form::Table {
                called: Some("a rule for tags"),
                keys: &[
                    key("from", TEXT, "The expression that gives one tag or several"),
                    key("prefix", TEXT, "What is put before each"),
                    key("table", Form::Map(&TEXT), "Values and their tags; an empty text drops a value"),
                ],
            },
            expected: "text (a field) or a table with `from`",
        }),
        "Fields that become tags",
    ),
    key("add", Form::Texts, "Tags that every conversation gets"),
    key("drop", Form::Texts, "Patterns of tags that are left out"),
];

const THREADS: &[Key] = &[
    key("when", TEXT, "The condition for entries to stay"),
    key("type", Form::Rule { value: &Form::Word(ThreadKind::WORDS), further: &[] }, "What an entry becomes"),
    key("header", TEXT, "HTML template before each text"),
    key("footer", TEXT, "HTML template after each text"),
    key("cc", Form::Bool, "Whether copied people are kept"),
    key("quoted", Form::Word(vocabulary::KEEP_OR_DROP), "What becomes of the quoted mail at the end of a text"),
    key("signature", Form::Word(vocabulary::KEEP_OR_DROP), "What becomes of the signature at the end of a text"),
];

const NOTE: &[Key] = &[
    key("when", TEXT, "The condition for the note; without it, whenever the text is not blank"),
    key("text", TEXT, "HTML template"),
    key("at", TEXT, "The expression for its time; without it, after everything else"),
];

const HTML: &[Key] = &[
    key("inline_images", Form::Word(vocabulary::IMAGES), "What becomes of images that a text shows"),
    key("texts", Form::Word(vocabulary::HTML_TEXTS), "Whether texts stay HTML or become plain"),
];

const SKIP: &[Key] = &[key("when", TEXT, "The condition"), key("reason", TEXT, "What the report says about them")];

const REJECT: &[Key] =
    &[key("when", TEXT, "The condition"), key("reason", TEXT, "What is wrong and what would be right")];

/// `[shape]` is checked by `source::Shape`; a test holds these against it.
pub(super) const SHAPE: &[Key] = &[
    key("zone", TEXT, "The time zone of dates that name none, such as `Europe/Berlin`"),
    key("own", Form::Texts, "Own addresses and domains; better under [people]"),
    key("csv", Form::Shape(SHAPE_CSV), "For the csv source"),
    key("json", Form::Shape(SHAPE_JSON), "For the json source: where things are, and what they are called"),
    key("mail", Form::Shape(SHAPE_MAIL), "For mail"),
];

const SHAPE_CSV: &[Key] = &[
    key("tables", Form::Texts, "Which files are tables, where others lie beside them"),
    key("delimiter", TEXT, "What parts cells: a character, or `tab`"),
    key("quote", TEXT, "What stands around cells, or `none`"),
    key("charset", TEXT, "The charset, by any of its usual labels"),
    key("dates", TEXT, "`iso`, `dmy`, `mdy`, or a pattern such as `%d.%m.%Y %H:%M`"),
    key("html", Form::Bool, "Whether texts are HTML"),
    key("tag_separator", TEXT, "What parts tags"),
    key("guarded", Form::Bool, "Whether an apostrophe before a cell guards it against formulas and is no part of it"),
    key("group_by", TEXT, "One row per message: the column that says which rows belong together"),
    key("columns", Form::Map(&Form::Any), "What columns mean"),
    key("tickets", Form::Any, "Where the tickets are: a file, or a table with `file` and `at`"),
    key(
        "messages",
        Form::Any,
        "Where messages are: `inside` of tickets, or a `file` with the `key` that names the ticket",
    ),
    key("people", Form::Any, "Where people are, and the `key` they are named by"),
    key("attachments", Form::Any, "Where attachments are: `inside` of messages, or a `file` with `key`"),
    key("lists", Form::Map(&Form::Any), "Values of other files that become a list of the ticket, by name"),
    key("lookups", Form::Map(&Form::Any), "Tables of ids and names: `file`, `key` and `value`"),
    key("ticket", Form::Map(&Form::Any), "What a ticket's fields are called"),
    key("message", Form::Map(&Form::Any), "What a message's fields are called"),
    key("person", Form::Map(&Form::Any), "What a person's fields are called"),
    key("attachment", Form::Map(&Form::Any), "What an attachment's fields are called"),
];

const SHAPE_JSON: &[Key] = &[
    key("tickets", Form::Any, "Where the tickets are: a file, or a table with `file` and `at`"),
    key(
        "messages",
        Form::Any,
        "Where messages are: `inside` of tickets, or a `file` with the `key` that names the ticket",
    ),
    key("people", Form::Any, "Where people are, and the `key` they are named by"),
    key("attachments", Form::Any, "Where attachments are: `inside` of messages, or a `file` with `key`"),
    key("lists", Form::Map(&Form::Any), "Values of other files that become a list of the ticket, by name"),
    key("lookups", Form::Map(&Form::Any), "Tables of ids and names: `file`, `key` and `value`"),
    key("ticket", Form::Map(&Form::Any), "What a ticket's fields are called"),
    key("message", Form::Map(&Form::Any), "What a message's fields are called"),
    key("person", Form::Map(&Form::Any), "What a person's fields are called"),
    key("attachment", Form::Map(&Form::Any), "What an attachment's fields are called"),
    key("dates", TEXT, "`iso`, `dmy`, `mdy`, or a pattern such as `%d.%m.%Y %H:%M`"),
];

const SHAPE_MAIL: &[Key] = &[
    key("window_days", Form::Any, "How far apart a message and its answer may be that only subject and people join"),
    key("original", Form::Word(&["never", "odd", "always"]), "Which mails are attached as they came, as `.eml`"),
];
