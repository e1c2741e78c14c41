//! How FreeScout rewrites file names and addresses.

use super::limits;

/// Endings to which FreeScout appends `_`, besides everything that begins with `php`.
///
/// Core 1.8.235, read; `sh`, `pl`, `php`, `phtml` and a leading dot are recorded (case `attachments/names`).
const RESTRICTED: &[&str] =
    &["pht", "phtm", "phps", "sh", "pl", "phtml", "phar", "shtml", "cgi", "asp", "aspx", "jsp", "config"];

/// The name under which FreeScout stores an attachment.
///
/// Spaces, `#` and `/` become `_`; a name that begins with a dot or has a restricted ending gets
/// `_` at its end; one over 255 bytes is cut to 125 characters, ending included. That `\ : * ? " < > |` become `_` and
/// control characters go is read, not observed.
pub fn stored_file_name(name: &str) -> String {
    let mut stored: String = name
        .trim()
        .chars()
        .filter(|c| {
            !c.is_control() && !matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{FEFF}')
        })
        .map(|c| match c {
            ' ' | '\u{A0}' | '#' | '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c => c,
        })
        .collect();
    if stored.len() > limits::FILE_NAME_BYTES {
        let ending = match stored.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() && ending.chars().count() < 20 => format!(".{ending}"),
            _ => String::new(),
        };
        let room = limits::CUT_FILE_NAME_CHARS - ending.chars().count();
        let stem = &stored[..stored.len() - ending.len()];
        stored = stem.chars().take(room).chain(ending.chars()).collect();
    }
    let ending = stored.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    if stored.starts_with('.') || ending.starts_with("php") || RESTRICTED.contains(&&*ending) {
        stored.push('_');
    }
    stored
}

/// What FreeScout's sanitiser makes of an address; `None`: it leaves the address out.
///
/// Core 1.8.235 `Email::sanitizeEmail`: wants something on both sides of an `@`, strips every character that
/// an address may not hold (display names and their brackets too, so that `Ada <a@example.org>` becomes
/// `adaa@example.org`), lower-cases, drops dots at the end and before the `@`, keeps the last 191 bytes.
pub fn stored_address(address: &str) -> Option<String> {
    let address = address.trim();
    let at = address.find('@')?;
    if at == 0 || at + 1 == address.len() {
        return None;
    }
    let kept: String = address
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-=?^_`{|}~@.[]".contains(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let kept = kept.trim_end_matches('.');
    let (local, domain) = kept.split_once('@')?;
    let local = local.strip_suffix('.').unwrap_or(local);
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    let stored = format!("{local}@{domain}");
    // Only ASCII is left, so any byte is a boundary.
    let cut = stored.len().saturating_sub(limits::ADDRESS_BYTES);
    Some(stored[cut..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_stored_as_recorded() {
        let table = [
            ("run.sh", "run.sh_"),
            ("a b#c.txt", "a_b_c.txt"),
            ("../../etc/passwd", ".._.._etc_passwd_"),
            ("x.php", "x.php_"),
            ("page.phtml", "page.phtml_"),
            (".htaccess", ".htaccess_"),
            ("übung 😀.pdf", "übung_😀.pdf"),
            ("report.pl", "report.pl_"),
            ("plist.plist", "plist.plist"),
            ("", ""),
        ];
        for (name, stored) in table {
            assert_eq!(stored_file_name(name), stored);
        }
        assert_eq!(stored_file_name(&format!("{}.txt", "n".repeat(300))), format!("{}.txt", "n".repeat(121)));
        assert_eq!(stored_file_name(&"ü".repeat(200)).chars().count(), 125);
    }

    #[test]
    fn addresses_are_stored_as_observed() {
        let long = format!("{}@example.org", "x".repeat(300));
        let table = [
            ("John Doe <john@x.org>", Some("johndoejohn@x.org")),
            ("a@x.org,b@x.org", Some("a@x.orgb@x.org")),
            ("MÜller@x.de", Some("mller@x.de")),
            ("mailto:x@y.z", Some("mailtox@y.z")),
            ("a@b", Some("a@b")),
            ("a.@b.org.", Some("a@b.org")),
            ("a", None),
            ("@b", None),
            ("a@", None),
            ("", None),
            ("日本@example.org", None),
            (&*long, Some(&long[long.len() - 191..])),
        ];
        for (address, stored) in table {
            assert_eq!(stored_address(address).as_deref(), stored, "{address}");
        }
    }
}
