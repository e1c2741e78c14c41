//! Gmail's labels: decoded, split, and the system's own told from the user's.

use crate::mail::header;

/// Nobody gives one mail more labels.
const MOST: usize = 500;

/// What a system label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// In the inbox.
    Inbox,
    /// Written by the owner.
    Sent,
    /// Never sent.
    Draft,
    /// Unwanted.
    Spam,
    /// Thrown away.
    Trash,
    /// A chat, which is no mail.
    Chat,
    /// Read, starred, archived, a category: nothing a help desk needs.
    State,
}

/// Splits a raw `X-Gmail-Labels` value.
///
/// It is decoded first: the field is encoded as a whole or in part, and a comma may be inside an encoded
/// word. Labels with a comma of their own are quoted.
pub fn split(raw: &[u8]) -> Vec<String> {
    let text = header::decode(raw);
    let mut labels = Vec::new();
    let mut label = String::new();
    let mut is_quoted = false;
    for c in text.chars().chain([',']) {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                let trimmed = label.split_whitespace().collect::<Vec<_>>().join(" ");
                if !trimmed.is_empty() && labels.len() < MOST && !labels.contains(&trimmed) {
                    labels.push(trimmed);
                }
                label.clear();
            }
            c => label.push(c),
        }
    }
    // A quote that was never closed swallowed the rest.
    let rest = label.trim_matches([',', ' ']);
    if !rest.is_empty() {
        labels.push(rest.to_owned());
    }
    labels
}

/// What a label says, if it is one of Gmail's own, in English, German, French or Spanish.
pub fn system(label: &str) -> Option<System> {
    let lower = label.to_lowercase();
    let lower = lower.strip_prefix("[gmail]/").unwrap_or(&lower);
    const CATEGORIES: [&str; 8] = [
        "category ",
        "kategorie ",
        "catégorie ",
        "categoría ",
        "categoria ",
        "category_",
        "kategorie: ",
        "catégorie : ",
    ];
    if CATEGORIES.iter().any(|prefix| lower.starts_with(prefix)) || lower.starts_with("imap_") {
        return Some(System::State);
    }
    Some(match lower {
        "inbox" | "posteingang" | "boîte de réception" | "recibidos" | "bandeja de entrada" => System::Inbox,
        "sent" | "sent mail" | "gesendet" | "messages envoyés" | "envoyé" | "envoyés" | "enviado" | "enviados" => {
            System::Sent
        }
        "draft" | "drafts" | "entwurf" | "entwürfe" | "brouillon" | "brouillons" | "borrador" | "borradores" => {
            System::Draft
        }
        "spam" | "junk" | "pourriel" | "correo no deseado" => System::Spam,
        "trash" | "bin" | "papierkorb" | "corbeille" | "papelera" => System::Trash,
        "chat" | "chats" => System::Chat,
        "starred" | "important" | "opened" | "unread" | "archived" | "snoozed" | "scheduled" | "muted" | "all mail"
        | "markiert" | "wichtig" | "geöffnet" | "ungelesen" | "archiviert" | "zurückgestellt" | "geplant"
        | "alle nachrichten" | "favoris" | "suivis" | "messages suivis" | "ouvert" | "ouverts" | "non lus"
        | "non lu" | "archivé" | "archivés" | "archivées" | "messages archivés" | "en attente"
        | "tous les messages" | "destacado" | "destacados" | "importante" | "importantes" | "abierto" | "abiertos"
        | "no leído" | "no leídos" | "sin leer" | "archivado" | "archivados" | "pospuesto" | "pospuestos" | "todos" => {
            System::State
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_decoded_before_they_are_split() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"Inbox,Important,Opened", &["Inbox", "Important", "Opened"]),
            (b"Inbox,\r\n Category Updates,\r\n\tOpened", &["Inbox", "Category Updates", "Opened"]),
            (b"\"Smith, Inc\",Inbox", &["Smith, Inc", "Inbox"]),
            (b"=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Ouvert?=", &["Boîte de réception", "Ouvert"]),
            (b"Inbox,=?UTF-8?Q?Caf=C3=A9?=", &["Inbox", "Café"]),
            (b"Receipts/2024", &["Receipts/2024"]),
            (b"", &[]),
            (b"a,a", &["a"]),
            (b"\"open, quote", &["open, quote"]),
        ];
        for (raw, expected) in cases {
            assert_eq!(split(raw), *expected, "{}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn system_labels_are_known_in_four_languages() {
        for label in ["Spam", "Pourriel", "Correo no deseado"] {
            assert_eq!(system(label), Some(System::Spam), "{label}");
        }
        for label in ["Posteingang", "Boîte de réception", "Recibidos", "INBOX"] {
            assert_eq!(system(label), Some(System::Inbox), "{label}");
        }
        for label in ["Papierkorb", "Corbeille", "Papelera", "Trash"] {
            assert_eq!(system(label), Some(System::Trash), "{label}");
        }
        assert_eq!(system("Category Updates"), Some(System::State));
        assert_eq!(system("Receipts/2024"), None);
    }
}
