//! People in cells: names, addresses, or both.

use crate::record::Person;

/// One person: `Ada Lovelace <ada@example.org>`, `ada@example.org`, or a name.
pub(super) fn one(text: &str) -> Option<Person> {
    let text = super::build::trim(text);
    if text.is_empty() {
        return None;
    }
    if let (Some(open), Some(close)) = (text.rfind(['<', '(']), text.rfind(['>', ')']))
        && open < close
        && text[open..close].contains('@')
    {
        let address = text[open + 1..close].trim();
        let name = text[..open].trim().trim_matches(['"', '\'']).trim();
        return Some(Person {
            name: (!name.is_empty()).then(|| name.to_owned()),
            emails: vec![address.strip_prefix("mailto:").unwrap_or(address).to_owned()],
            ..Person::default()
        });
    }
    let is_address = text.contains('@') && !text.contains(char::is_whitespace);
    Some(if is_address {
        Person::with_email(text.strip_prefix("mailto:").unwrap_or(text), None)
    } else {
        Person { name: Some(text.to_owned()), ..Person::default() }
    })
}

/// Several people, parted by commas, semicolons, bars or line ends outside quotes and brackets.
pub(super) fn list(text: &str) -> Vec<Person> {
    let mut people = Vec::new();
    let (mut start, mut is_quoted, mut is_bracketed) = (0, false, false);
    let text = text.trim_start_matches('[').trim_end_matches(']');
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '<' => is_bracketed = true,
            '>' => is_bracketed = false,
            ',' | ';' | '|' | '\n' if !is_quoted && !is_bracketed => {
                people.extend(one(&text[start..at]));
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    people.extend(one(&text[start..]));
    for person in &mut people {
        for email in &mut person.emails {
            *email = email.trim_matches(['"', '\'']).to_owned();
        }
    }
    people
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(person: &Person) -> (Option<&str>, Option<&str>) {
        (person.name.as_deref(), person.email())
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        let table = [
            ("Ada Lovelace <ada@example.org>", (Some("Ada Lovelace"), Some("ada@example.org"))),
            ("\"Lovelace, Ada\" <ada@example.org>", (Some("Lovelace, Ada"), Some("ada@example.org"))),
            ("ada@example.org", (None, Some("ada@example.org"))),
            ("Ada (ada@example.org)", (Some("Ada"), Some("ada@example.org"))),
            ("Ada (Berlin)", (Some("Ada (Berlin)"), None)),
            (" Ada\u{a0}", (Some("Ada"), None)),
        ];
        for (text, expected) in table {
            assert_eq!(shown(&one(text).unwrap()), expected, "{text}");
        }
        assert!(one(" \u{a0}").is_none());
    }

    #[test]
    fn lists_are_parted_outside_quotes() {
        let people = list("\"L, Ada\" <a@example.org>, b@example.org; c@example.org\n");
        let emails: Vec<_> = people.iter().map(|person| person.email().unwrap()).collect();
        assert_eq!(emails, ["a@example.org", "b@example.org", "c@example.org"]);
        let emails: Vec<_> = list("[\"a@example.org\",\"b@example.org\"]");
        assert_eq!(emails[1].email(), Some("b@example.org"));
    }
}
