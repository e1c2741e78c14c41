//! Who is who: staff or customer, which user an agent becomes, which customer a person becomes.

use crate::conversation::{Customer, UserRef};
use crate::finding::{Finding, codes};
use crate::record::{Person, Record};

use super::rules::{Agent, People, fold};

/// FreeScout keeps 191 characters of an address (core 1.8.235, `emails.email`).
const ADDRESS_CHARS: usize = 191;

/// FreeScout keeps 255 characters of names, company and job title (core migrations).
pub(super) const NAME_CHARS: usize = 255;

/// The domain of addresses for people who have none; `.invalid` is reserved and never resolves.
const STAND_IN_DOMAIN: &str = "no-address.invalid";

/// The address as FreeScout keeps it, or `None` for what is not one.
///
/// Bare, in lower case, without `mailto:`, angle brackets, trailing dots and dots before the `@`.
pub(super) fn stored_address(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
        _ => text,
    };
    let (local, domain) = text.rsplit_once('@')?;
    let (local, domain) = (local.trim_end_matches('.'), domain.trim_end_matches('.'));
    let is_local_byte = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"@".contains(&byte);
    if local.is_empty() || !local.bytes().all(is_local_byte) || !is_domain(domain) {
        return None;
    }
    let mut address = String::with_capacity(local.len() + 1 + domain.len());
    address.push_str(local);
    address.push('@');
    address.push_str(domain);
    address.make_ascii_lowercase();
    (address.len() <= ADDRESS_CHARS).then_some(address)
}

/// Whether the text is a domain name with at least one dot.
pub(super) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.contains('.') && text.split('.').all(is_label)
}

/// The user that an agent becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub user: UserRef,
    /// The name to put into the text now, since the user is somebody else.
    pub credit: Option<String>,
    /// The name to put into the text if the target has no such user.
    pub shown_name: Option<String>,
    /// `map-departed-agent`, `map-unknown-agent` or nothing.
    pub code: Option<&'static str>,
}

impl People {
    /// Whether somebody is one of us: by address, by role, or by being in the agents' table.
    pub(super) fn is_staff(&self, person: &Person) -> bool {
        let is_customer = |email: &String| self.customers.contains(&fold(email));
        if !self.customers.is_empty() && person.emails.iter().any(is_customer) {
            return self.agent(person).is_some();
        }
        person.emails.iter().any(|email| self.is_own(email))
            || person.role.as_deref().is_some_and(|role| self.roles.contains(&fold(role)))
            || self.agent(person).is_some()
    }

    /// Whether an address is ours.
    pub(super) fn is_own(&self, email: &str) -> bool {
        if self.own.is_empty() && self.own_domains.is_empty() && self.agents.is_empty() {
            return false;
        }
        let email = fold(email);
        if self.customers.contains(&email) {
            return self.agents.contains_key(&email);
        }
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.own.contains(&email) || self.own_domains.contains(domain) || self.agents.contains_key(&email)
    }

    /// Whether the mapping says anything about who we are.
    pub(super) fn knows_us(&self) -> bool {
        !(self.own.is_empty() && self.own_domains.is_empty() && self.agents.is_empty())
    }

    fn agent(&self, person: &Person) -> Option<&Agent> {
        if self.agents.is_empty() {
            return None;
        }
        let by_address = person.emails.iter().find_map(|email| self.agents.get(&fold(email)));
        // A name is a weak sign: it counts only for somebody without any address.
        let by_name = || person.name.as_deref().filter(|_| person.emails.is_empty());
        by_address
            .or_else(|| by_name().and_then(|name| self.agents.get(&fold(name))))
            .or_else(|| person.id.as_deref().and_then(|id| self.agents.get(&fold(id))))
    }

    /// The user for a member of staff, or for anybody else who must be credited to one.
    pub(super) fn user_for(&self, person: &Person) -> Resolved {
        let resolved = |user, credit, shown_name, code| Resolved { user, credit, shown_name, code };
        let name = display_name(person);
        match self.agent(person) {
            Some(Agent::User(address)) => resolved(UserRef::Address(address.clone()), None, name, None),
            Some(Agent::Departed(name)) => {
                resolved(self.default_user(), Some(name.clone()), None, Some(codes::MAP_DEPARTED_AGENT))
            }
            None => match person.emails.iter().find_map(|email| stored_address(email)) {
                Some(address) if self.is_staff(person) => resolved(UserRef::Address(address), None, name, None),
                _ => resolved(self.default_user(), name, None, Some(codes::MAP_UNKNOWN_AGENT)),
            },
        }
    }

    /// The user who works on a conversation; else the name of a departed agent, if it is one.
    pub(super) fn assignee(&self, person: &Person) -> Result<String, Option<String>> {
        match self.agent(person) {
            Some(Agent::User(address)) => Ok(address.clone()),
            Some(Agent::Departed(name)) => Err(Some(name.clone())),
            None => person.emails.iter().find_map(|email| stored_address(email)).ok_or(None),
        }
    }

    /// The user who stands in for those that are not known.
    pub(super) fn default_user(&self) -> UserRef {
        self.default.clone().map_or(UserRef::FirstAdministrator, UserRef::Address)
    }
}

/// What to call somebody in a text. The old system itself, known by an id alone, is nobody.
pub(super) fn display_name(person: &Person) -> Option<String> {
    let name = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let known = name.or(person.email()).map(str::to_owned);
    known.or_else(|| person.id.as_ref().filter(|id| !id.starts_with('-')).map(|id| format!("user {id}")))
}

/// Whether nothing at all is said of somebody.
pub(super) fn is_nobody(person: &Person) -> bool {
    person.id.is_none() && is_unknown(person)
}

/// Whether the archive says nothing of somebody but an id: neither customer nor agent can be told.
pub(super) fn is_unknown(person: &Person) -> bool {
    person.name.is_none() && person.emails.is_empty() && person.phones.is_empty() && person.role.is_none()
}

/// Whether two mentions are one person, as far as the archive says.
pub(super) fn is_same(one: &Person, other: &Person) -> bool {
    if let (Some(one), Some(other)) = (&one.id, &other.id)
        && one == other
    {
        return true;
    }
    if one.emails.is_empty() && other.emails.is_empty() {
        let has_ids = one.id.is_some() && other.id.is_some();
        return !has_ids && one.name.is_some() && one.name == other.name;
    }
    one.emails.iter().any(|email| other.emails.iter().any(|known| known.trim().eq_ignore_ascii_case(email.trim())))
}

/// The customer that a person becomes, with findings about what could not be kept.
pub(super) fn customer(record: &Record, person: &Person, findings: &mut Vec<Finding>) -> Customer {
    let mut emails: Vec<String> = Vec::with_capacity(person.emails.len());
    for written in &person.emails {
        match stored_address(written) {
            Some(address) if emails.contains(&address) => {}
            Some(address) => emails.push(address),
            None if written.trim().is_empty() => {}
            None => findings.push(bad_address(written)),
        }
    }
    let is_stand_in = emails.is_empty();
    if is_stand_in {
        let address = stand_in(record, person);
        let who = display_name(person).unwrap_or_else(|| "a person without a name".to_owned());
        findings.push(Finding::new(codes::PERSON_STAND_IN, format!("{who} has no address; `{address}` was used")));
        emails.push(address);
    }
    let (first_name, last_name) = names(person, findings);
    let company = person.company.as_deref().map(str::trim).filter(|company| !company.is_empty());
    Customer {
        key: emails[0].clone(),
        first_name,
        last_name,
        emails,
        is_stand_in,
        phones: person.phones.iter().map(|phone| phone.trim().to_owned()).filter(|phone| !phone.is_empty()).collect(),
        company: company.map(|company| cut(company, "company", findings)),
        ..Customer::default()
    }
}

/// The customer of a record whose people are all staff, or that names nobody.
pub(super) fn nobody(record: &Record, findings: &mut Vec<Finding>) -> Customer {
    let nobody = Person::default();
    customer(record, &nobody, findings)
}

/// The finding for an address that FreeScout does not keep.
pub(super) fn bad_address(written: &str) -> Finding {
    Finding::new(codes::PERSON_BAD_ADDRESS, format!("`{}` is not an address; it was left out", written.trim()))
}

/// Stable per person: by the archive's id, else by name and telephone, else one per record.
///
/// People of the same name and telephone in an archive without ids and
/// addresses become one: nothing in it tells them apart.
fn stand_in(record: &Record, person: &Person) -> String {
    let local = match (&person.id, &person.name) {
        (Some(id), _) if !id.trim().is_empty() => plain(id),
        (_, Some(name)) if !name.trim().is_empty() => {
            let mut hasher = blake3::Hasher::new();
            hasher.update(fold(name).as_bytes());
            for phone in &person.phones {
                hasher.update(b"\0");
                hasher.update(phone.trim().as_bytes());
            }
            format!("name-{}", &hasher.finalize().to_hex()[..12])
        }
        _ => format!("record-{}", plain(&record.id.original)),
    };
    format!("{}-{local}@{STAND_IN_DOMAIN}", record.id.source)
}

/// A stable stand-in for somebody whose address may not be a customer's.
pub(crate) fn stand_in_for(source: &str, address: &str) -> String {
    format!("{source}-staff-{}@{STAND_IN_DOMAIN}", &blake3::hash(address.as_bytes()).to_hex()[..12])
}

/// An id as part of an address: kept if it can stand there, else a hash of it.
fn plain(id: &str) -> String {
    let id = id.trim();
    let is_plain =
        id.len() <= 60 && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_plain { id.to_owned() } else { blake3::hash(id.as_bytes()).to_hex()[..16].to_owned() }
}

/// First and last name: split at the first space; `Last, First` is turned round.
fn names(person: &Person, findings: &mut Vec<Finding>) -> (String, String) {
    let Some(name) = person.name.as_deref() else { return Default::default() };
    let name = name.trim().trim_matches(['"', '\'']).trim();
    // Mail programs put the address where a name is missing.
    if name.is_empty() || person.emails.iter().any(|email| email.trim().eq_ignore_ascii_case(name)) {
        return Default::default();
    }
    let (first, last) = match name.split_once(',') {
        Some((last, first)) if is_turned_round(last, first) => (first.trim(), last.trim()),
        _ => name.split_once(char::is_whitespace).map_or((name, ""), |(first, last)| (first, last.trim())),
    };
    (cut(first, "first name", findings), cut(last, "last name", findings))
}

fn is_turned_round(last: &str, first: &str) -> bool {
    let is_company = ["inc", "ltd", "llc", "corp", "gmbh", "ag", "bv", "b.v", "sa", "s.a", "srl", "plc"]
        .contains(&first.trim().trim_end_matches('.').to_lowercase().as_str());
    !last.trim().is_empty() && !first.trim().is_empty() && !first.contains(',') && !is_company
}

/// The text within FreeScout's limit.
pub(super) fn cut(text: &str, what: &str, findings: &mut Vec<Finding>) -> String {
    match text.char_indices().nth(NAME_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => {
            let message = format!("a {what} of {} characters was cut to {NAME_CHARS}", text.chars().count());
            findings.push(Finding::new(codes::NAME_CUT, message));
            text[..end].trim_end().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_as_freescout_keeps_them() {
        let long = format!("{}@example.org", "a".repeat(191));
        let cases: &[(&str, Option<&str>)] = &[
            ("Ada@Example.ORG", Some("ada@example.org")),
            (" <ada@example.org> ", Some("ada@example.org")),
            ("MAILTO:ada@example.org", Some("ada@example.org")),
            ("ada.@example.org.", Some("ada@example.org")),
            ("a+b=c/d'e@sub.example.org", Some("a+b=c/d'e@sub.example.org")),
            ("ada", None),
            ("ada@localhost", None),
            ("@example.org", None),
            ("ada@@example.org", None),
            ("a b@example.org", None),
            ("ada@example..org", None),
            ("ada@exämple.org", None),
            ("Ada <ada@example.org>", None),
            ("ada@example.org, bob@example.org", None),
            ("", None),
            (&long, None),
        ];
        for (written, expected) in cases {
            assert_eq!(stored_address(written).as_deref(), *expected, "{written}");
        }
    }

    #[test]
    fn names_are_split_where_first_and_last_name_meet() {
        let long = "x".repeat(300);
        let cases: &[(&str, (&str, &str))] = &[
            ("Ada", ("Ada", "")),
            ("Ada King Lovelace", ("Ada", "King Lovelace")),
            ("  Ada   Lovelace ", ("Ada", "Lovelace")),
            ("Lovelace, Ada", ("Ada", "Lovelace")),
            ("Printers, Inc.", ("Printers,", "Inc.")),
            ("\"Ada Lovelace\"", ("Ada", "Lovelace")),
            ("ada@example.org", ("", "")),
            ("李小龙", ("李小龙", "")),
            ("", ("", "")),
            (&long, (&long[..255], "")),
        ];
        for (name, (first, last)) in cases {
            let person = Person::with_email("ADA@example.org", Some((*name).to_owned()));
            assert_eq!(names(&person, &mut Vec::new()), ((*first).to_owned(), (*last).to_owned()), "{name}");
        }
    }
}
