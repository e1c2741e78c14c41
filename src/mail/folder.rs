//! The names of mail folders: decoded, and what they say about the mails in them.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

use crate::mail::labels::{self, System};

/// Base64 as folder names have it: `,` for `/`, and no padding.
const MODIFIED: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Undoes modified UTF-7 (RFC 3501, 5.1.3): `Entw&APw-rfe` is `Entwürfe`. A name that is not in it stays as it is.
pub fn decode(name: &str) -> String {
    whole(name).unwrap_or_else(|| name.to_owned())
}

fn whole(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (code, after) = rest[at + 1..].split_once('-')?;
        if code.is_empty() {
            out.push('&');
        } else {
            let bytes = MODIFIED.decode(code).ok()?;
            let (pairs, odd) = bytes.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            out.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// What the names of a folder and of those around it say; the innermost that says something counts.
pub fn system<'a>(names: impl DoubleEndedIterator<Item = &'a str>) -> Option<System> {
    names.rev().find_map(of_name)
}

/// The names that mail programs give their folders, beside those of Gmail's labels.
fn of_name(name: &str) -> Option<System> {
    let lower = name.trim().to_lowercase();
    let lower = lower.strip_suffix(".mbox").or(lower.strip_suffix(".sbd")).unwrap_or(&lower);
    Some(match lower {
        "sent items"
        | "sent messages"
        | "sent-mail"
        | "gesendete elemente"
        | "gesendete objekte"
        | "éléments envoyés"
        | "elementos enviados"
        | "mensajes enviados"
        | "posta inviata"
        | "inviata"
        | "verzonden"
        | "verzonden items"
        | "verzonden berichten"
        | "itens enviados"
        | "enviadas"
        | "wysłane"
        | "skickat"
        | "sendt"
        | "odeslaná pošta"
        | "отправленные" => System::Sent,
        "unsent messages" | "templates" | "vorlagen" | "bozze" | "concepten" | "rascunhos" | "szkice"
        | "wersje robocze" | "utkast" | "kladder" | "koncepty" | "черновики" => System::Draft,
        "junk e-mail"
        | "junk email"
        | "junk mail"
        | "junk-e-mail"
        | "bulk mail"
        | "spamverdacht"
        | "unerwünscht"
        | "courrier indésirable"
        | "indésirables"
        | "posta indesiderata"
        | "ongewenste e-mail"
        | "lixo eletrônico"
        | "lixo electrónico"
        | "wiadomości-śmieci"
        | "skräppost"
        | "nevyžádaná pošta"
        | "спам" => System::Spam,
        "deleted"
        | "deleted items"
        | "deleted messages"
        | "gelöscht"
        | "gelöschte elemente"
        | "gelöschte objekte"
        | "éléments supprimés"
        | "messages supprimés"
        | "elementos eliminados"
        | "eliminados"
        | "cestino"
        | "posta eliminata"
        | "prullenbak"
        | "verwijderde items"
        | "lixeira"
        | "lixo"
        | "itens excluídos"
        | "kosz"
        | "papperskorgen"
        | "papirkurv"
        | "koš"
        | "корзина" => System::Trash,
        _ => return labels::system(lower).filter(|system| !matches!(system, System::State | System::Chat)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_decoded_and_others_stay_as_they_are() {
        let cases = [
            ("INBOX", "INBOX"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("&AMk-l&AOk-ments envoy&AOk-s", "Éléments envoyés"),
            ("R&-D", "R&D"),
            ("&ZeVnLIqe-", "日本語"),
            ("&2D7djg-", "🦎"),
            ("Q&A", "Q&A"),
            ("A&B-C", "A&B-C"),
            ("&2D4-", "&2D4-"),
            ("Entwürfe", "Entwürfe"),
        ];
        for (name, expected) in cases {
            assert_eq!(decode(name), expected, "{name}");
        }
    }

    #[test]
    fn the_innermost_name_that_says_something_counts() {
        let cases: &[(&[&str], Option<System>)] = &[
            (&["INBOX"], Some(System::Inbox)),
            (&["INBOX", "Archive"], Some(System::Inbox)),
            (&["INBOX", "Trash"], Some(System::Trash)),
            (&["Trash.sbd", "Projects"], Some(System::Trash)),
            (&["Gesendete Objekte"], Some(System::Sent)),
            (&["Courrier indésirable"], Some(System::Spam)),
            (&["Deleted Items.mbox", "mbox"], Some(System::Trash)),
            (&["[Gmail]", "Entwürfe"], Some(System::Draft)),
            (&["Important"], None),
            (&["Customers", "Sento Ltd"], None),
            (&[], None),
        ];
        for (names, expected) in cases {
            assert_eq!(system(names.iter().copied()), *expected, "{names:?}");
        }
    }
}
