//! The archive's people, groups and fields, beside the target's users, mailboxes and custom fields.
//!
//! What is sure is used; what is only likely is named for somebody to decide. Nothing is matched to two things that
//! are alike.

use std::collections::BTreeMap;

use super::census::{Census, Known};
use super::inventory::{Field, Inventory};
use crate::freescout::{Directory, wire};

/// From here on two names are likely one.
const LIKELY: f64 = 0.88;

/// The best must be better than the next by this much.
const LEAD: f64 = 0.04;

/// How sure a match is.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The same, and why.
    Sure {
        /// The address, name or label in the target.
        to: String,
        /// What is the same.
        why: &'static str,
    },
    /// Alike.
    Likely {
        /// The address, name or label in the target.
        to: String,
        /// From 0 to 1.
        score: f64,
    },
    /// Nothing is like it.
    Nothing,
}

impl Found {
    /// What is sure.
    pub fn sure(&self) -> Option<&str> {
        match self {
            Self::Sure { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// An agent, and who that is in the target.
#[derive(Debug, Clone)]
pub struct AgentMatch {
    /// The key for `[people.agents]`: address, else name, else id.
    pub key: String,
    /// What to call them.
    pub name: String,
    /// What they did, for a comment.
    pub about: String,
    /// The target's user, by address.
    pub found: Found,
}

/// A value of the archive, and what it is in the target.
#[derive(Debug, Clone)]
pub struct ValueMatch {
    /// As the archive has it.
    pub value: String,
    /// In how many records.
    pub count: u64,
    /// The target's mailbox by address, or option by label.
    pub found: Found,
}

/// A field of the archive, and the custom field that it becomes.
#[derive(Debug, Clone)]
pub struct FieldMatch {
    /// Its path in a record.
    pub path: Vec<String>,
    /// The custom field's name.
    pub field: String,
    /// For a dropdown: what each value becomes.
    pub labels: Option<Vec<ValueMatch>>,
}

/// Everything that was compared.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    /// Agents, most active first.
    pub agents: Vec<AgentMatch>,
    /// The field that says which mailbox a record belongs to.
    pub mailbox_field: Option<String>,
    /// Its values.
    pub mailboxes: Vec<ValueMatch>,
    /// The mailbox for everything else, if the target has several.
    pub default_mailbox: Option<String>,
    /// The user who stands in for those that are not known.
    pub default_user: Option<String>,
    /// Fields that the target has too.
    pub fields: Vec<FieldMatch>,
    /// Whether there is a target.
    pub has_target: bool,
}

impl Matches {
    /// Compares; without a target nothing is found.
    pub fn make(inventory: &Inventory, census: &Census, target: Option<&Directory>) -> Self {
        let agents =
            census.agents().into_iter().filter(|known| known.id.as_deref().is_none_or(|id| !id.starts_with('-')));
        let mut matches = Self {
            agents: agents.map(|known| agent(known, target)).collect(),
            has_target: target.is_some(),
            ..Self::default()
        };
        if let Some((name, field)) = inventory.mailbox_field() {
            matches.mailbox_field = Some(name.to_owned());
            matches.mailboxes = field
                .values
                .most_frequent()
                .into_iter()
                .map(|(value, count)| ValueMatch {
                    value: value.to_owned(),
                    count,
                    found: target.map_or(Found::Nothing, |target| mailbox(value, target)),
                })
                .collect();
        }
        if let Some(target) = target {
            matches.default_user = target.first_administrator().map(|user| user.email.to_lowercase());
            if target.mailboxes.len() > 1 {
                matches.default_mailbox = default_mailbox(&matches.mailboxes, target);
            }
            matches.fields = fields(inventory, target);
        }
        matches
    }

    /// The user whom an agent becomes, as far as that is sure.
    pub fn user_of(&self, known: &Known) -> Option<String> {
        let key = agent_key(known);
        self.agents.iter().find(|agent| agent.key == key).and_then(|agent| agent.found.sure().map(str::to_owned))
    }
}

fn agent_key(known: &Known) -> String {
    known.label()
}

fn agent(known: &Known, target: Option<&Directory>) -> AgentMatch {
    let mut about = Vec::new();
    for (count, what) in [(known.author, "wrote"), (known.assignee, "works on")] {
        if count > 0 {
            about.push(format!("{what} {count}"));
        }
    }
    AgentMatch {
        key: agent_key(known),
        name: known.name().unwrap_or_default().to_owned(),
        about: about.join(", "),
        found: target.map_or(Found::Nothing, |target| user(known, &target.users, target)),
    }
}

/// The target's user: by address, else by name, else by the part before the `@`, else by likeness.
fn user(known: &Known, users: &[wire::User], target: &Directory) -> Found {
    let sure = |user: &wire::User, why| Found::Sure { to: user.email.to_lowercase(), why };
    if let Some(user) = known.emails.iter().find_map(|email| target.user_by(email)) {
        return sure(user, "the same address");
    }
    let names: Vec<Forms> = known.names.iter().filter(|name| !name.contains('@')).map(|name| forms(name)).collect();
    let first = |user: &wire::User| user.first_name.clone().unwrap_or_default();
    let last = |user: &wire::User| user.last_name.clone().unwrap_or_default();
    let full = |user: &wire::User| format!("{} {}", first(user), last(user));
    let by_name: Vec<&wire::User> = users
        .iter()
        .filter(|user| {
            let (name, turned) = (forms(&full(user)), forms(&format!("{} {}", last(user), first(user))));
            !name[0].is_empty() && names.iter().any(|known| is_same(known, &name) || is_same(known, &turned))
        })
        .collect();
    if let [user] = by_name[..] {
        return sure(user, "the same name");
    }
    if by_name.len() > 1 {
        return Found::Nothing;
    }
    let locals: Vec<&str> = known.emails.iter().map(|email| local(email)).filter(|local| is_personal(local)).collect();
    let by_local: Vec<&wire::User> =
        users.iter().filter(|user| locals.iter().any(|known| known.eq_ignore_ascii_case(local(&user.email)))).collect();
    if let [user] = by_local[..] {
        return sure(user, "the same name before the @");
    }
    let score = |user: &wire::User| {
        let name = forms(&full(user));
        let by_name = names.iter().map(|known| likeness(known, &name));
        // `a.lovelace@old` and Ada Lovelace.
        let by_local = locals.iter().map(|known| likeness(&forms(&known.replace(['.', '_', '-'], " ")), &name));
        by_name.chain(by_local).fold(0.0, f64::max)
    };
    best(users.iter().map(|user| (score(user), user.email.to_lowercase())))
}

/// The target's mailbox for a group, brand or address.
fn mailbox(value: &str, target: &Directory) -> Found {
    let sure = |to: &str, why| Found::Sure { to: to.to_lowercase(), why };
    if let Some(entry) = target.mailbox_by(value) {
        return sure(&entry.mailbox.email, "the same name");
    }
    let wanted = forms(value);
    let all = || target.mailboxes.iter().map(|entry| &entry.mailbox);
    let alike: Vec<_> = all().filter(|mailbox| is_same(&forms(&mailbox.name), &wanted)).collect();
    if let [mailbox] = alike[..] {
        return sure(&mailbox.email, "the same name");
    }
    let alike: Vec<_> = all()
        .filter(|mailbox| {
            let known = local(&mailbox.email);
            known.eq_ignore_ascii_case(local(value)) || is_same(&forms(known), &wanted)
        })
        .collect();
    if let [mailbox] = alike[..] {
        return sure(&mailbox.email, "the same name before the @");
    }
    best(all().map(|mailbox| {
        let score = likeness(&forms(&mailbox.name), &wanted).max(likeness(&forms(local(&mailbox.email)), &wanted));
        (score, mailbox.email.to_lowercase())
    }))
}

/// The mailbox with most of what was matched, else one called support, else the first.
fn default_mailbox(values: &[ValueMatch], target: &Directory) -> Option<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for value in values {
        if let Some(to) = value.found.sure() {
            *counts.entry(to).or_default() += value.count;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(to, _)| to.to_owned());
    let emails = || target.mailboxes.iter().map(|entry| entry.mailbox.email.to_lowercase());
    most.or_else(|| emails().find(|email| local(email) == "support")).or_else(|| emails().next())
}

/// Custom fields of any mailbox that are called as a field of the archive is.
fn fields(inventory: &Inventory, target: &Directory) -> Vec<FieldMatch> {
    let mut known: Vec<&wire::CustomField> = Vec::new();
    for field in target.mailboxes.iter().filter_map(|entry| entry.fields.as_deref()).flatten() {
        if !known.iter().any(|other| is_same(&forms(&other.name), &forms(&field.name))) {
            known.push(field);
        }
    }
    let mut matches: Vec<FieldMatch> = Vec::new();
    for custom in known {
        let wanted = forms(&custom.name);
        let found = inventory.fields.iter().filter(|(path, field)| {
            field.records > 0 && path.last().is_some_and(|name| is_same(&forms(name), &wanted))
        });
        // Of several the one that most records have.
        let Some((path, field)) = found.max_by_key(|(path, field)| (field.records, path.len())) else { continue };
        let labels = custom.is_dropdown().then(|| labels(field, custom));
        matches.push(FieldMatch { path: path.clone(), field: custom.name.trim().to_owned(), labels });
    }
    matches
}

fn labels(field: &Field, custom: &wire::CustomField) -> Vec<ValueMatch> {
    let options: Vec<&String> = custom.options.iter().map(|(_, label)| label).collect();
    let matched = |value: &str| {
        let wanted = forms(value);
        let same: Vec<_> = options.iter().filter(|label| is_same(&forms(label), &wanted)).collect();
        match same[..] {
            [label] => Found::Sure { to: label.trim().to_owned(), why: "the same label" },
            _ => best(options.iter().map(|label| (likeness(&forms(label), &wanted), label.trim().to_owned()))),
        }
    };
    let values = field.values.most_frequent().into_iter();
    values.map(|(value, count)| ValueMatch { value: value.to_owned(), count, found: matched(value) }).collect()
}

fn best(scored: impl Iterator<Item = (f64, String)>) -> Found {
    let mut scored: Vec<(f64, String)> = scored.collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let next = scored.get(1).map_or(0.0, |(score, _)| *score);
    match scored.into_iter().next() {
        Some((score, to)) if score >= LIKELY && score - next >= LEAD => Found::Likely { to, score },
        _ => Found::Nothing,
    }
}

fn local(address: &str) -> &str {
    address.split('@').next().unwrap_or(address).trim()
}

/// `info@` and `support@` say nothing about a person.
fn is_personal(local: &str) -> bool {
    const ROLES: &[&str] = &[
        "info", "support", "help", "helpdesk", "admin", "office", "sales", "contact", "hello", "mail", "service",
        "team", "billing", "kontakt", "noreply", "no-reply",
    ];
    local.len() >= 3 && !ROLES.contains(&local.to_lowercase().as_str())
}

/// A name as it is compared: letters and digits in lower case, umlauts both as `u` and as `ue`.
type Forms = [String; 2];

fn forms(name: &str) -> Forms {
    [plain(name, false), plain(name, true)]
}

fn is_same(one: &Forms, other: &Forms) -> bool {
    !one[0].is_empty() && one.iter().any(|form| other.contains(form))
}

fn likeness(one: &Forms, other: &Forms) -> f64 {
    if one[0].is_empty() || other[0].is_empty() {
        return 0.0;
    }
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| strsim::jaro_winkler(one, other)));
    pairs.fold(0.0, f64::max)
}

/// Lower case without accents and punctuation.
fn plain(name: &str, is_long: bool) -> String {
    let normal = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd();
    let mut out = String::with_capacity(name.len());
    for c in normal.normalize(&name.to_lowercase()).chars() {
        match c {
            // The dots of an umlaut stand behind their letter.
            '\u{308}' if is_long && out.ends_with(['a', 'o', 'u']) => out.push('e'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ø' => out.push_str(if is_long { "oe" } else { "o" }),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ı' => out.push('i'),
            '\u{300}'..='\u{36F}' => {}
            c if c.is_alphanumeric() => out.push(c),
            _ if out.ends_with(' ') || out.is_empty() => {}
            _ => out.push(' '),
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target() -> Directory {
        let user = |id: u64, first: &str, last: &str, email: &str| -> wire::User {
            serde_json::from_value(
                json!({"id": id, "firstName": first, "lastName": last, "email": email, "role": "user"}),
            )
            .unwrap()
        };
        let mailbox = |id: u64, name: &str, email: &str| crate::freescout::MailboxEntry {
            mailbox: serde_json::from_value(json!({"id": id, "name": name, "email": email})).unwrap(),
            fields: Some(vec![
                serde_json::from_value(
                    json!({"id": 1, "name": "Priorität", "type": "dropdown", "options": {"1": "Niedrig", "2": "Hoch"}}),
                )
                .unwrap(),
            ]),
        };
        Directory {
            mailboxes: vec![
                mailbox(1, "Customer Care", "support@example.org"),
                mailbox(2, "Büro", "buero@example.org"),
            ],
            users: vec![
                user(1, "Ada", "Lovelace", "ada@example.org"),
                user(2, "Jürgen", "Groß", "jg@example.org"),
                user(3, "Grace", "Hopper", "grace.hopper@example.org"),
                user(4, "Sam", "Smith", "sam1@example.org"),
                user(5, "Sam", "Smith", "sam2@example.org"),
            ],
            customer_fields: Vec::new(),
            has_tags: true,
            server_date: None,
        }
    }

    #[test]
    fn users_table() {
        let target = target();
        let cases: &[(&str, &str, &str)] = &[
            ("ADA@example.org", "Somebody", "sure ada@example.org the same address"),
            ("a.l@old.example", "LOVELACE, Ada", "sure ada@example.org the same name"),
            ("x@old.example", "Juergen Gross", "sure jg@example.org the same name"),
            ("x@old.example", "Jurgen Groß", "sure jg@example.org the same name"),
            ("grace.hopper@old.example", "", "sure grace.hopper@example.org the same name before the @"),
            ("x@old.example", "Grace Hoper", "likely grace.hopper@example.org"),
            ("sam@old.example", "Sam Smith", "nothing"),
            ("support@old.example", "Nobody Like That", "nothing"),
            ("", "李小龙", "nothing"),
        ];
        for (email, name, expected) in cases {
            let known = Known {
                emails: Some((*email).to_lowercase()).filter(|email| !email.is_empty()).into_iter().collect(),
                names: vec![(*name).to_owned()],
                ..Known::default()
            };
            let found = match user(&known, &target.users, &target) {
                Found::Sure { to, why } => format!("sure {to} {why}"),
                Found::Likely { to, .. } => format!("likely {to}"),
                Found::Nothing => "nothing".to_owned(),
            };
            assert_eq!(found, *expected, "{email} {name}");
        }
    }

    #[test]
    fn mailboxes_table() {
        let target = target();
        for (value, expected) in [
            ("customer care", Some("support@example.org")),
            ("Support", Some("support@example.org")),
            ("support@old.example", Some("support@example.org")),
            ("Buero", Some("buero@example.org")),
            ("BÜRO", Some("buero@example.org")),
            ("Sales", None),
        ] {
            assert_eq!(mailbox(value, &target).sure(), expected, "{value}");
        }
    }

    #[test]
    fn fields_and_labels_are_found_whatever_their_accents() {
        let mut inventory = Inventory::default();
        let mut field = Field { records: 3, ..Field::default() };
        ["hoch", "hoch", "niedrig", "egal"].iter().for_each(|value| field.values.add(value));
        inventory.fields.insert(vec!["PRIORITAT".to_owned()], field);
        let found = fields(&inventory, &target());
        assert_eq!(found.len(), 1);
        let labels: Vec<_> =
            found[0].labels.as_ref().unwrap().iter().map(|label| (&*label.value, label.found.sure())).collect();
        assert_eq!(labels, [("hoch", Some("Hoch")), ("egal", None), ("niedrig", Some("Niedrig"))]);
    }
}
