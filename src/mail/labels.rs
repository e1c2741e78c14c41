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

/// What a label says, if it is one of Gmail's own, in any of the languages below.
pub fn system(label: &str) -> Option<System> {
    let lower = label.to_lowercase();
    let lower = ["[gmail]/", "[google mail]/"].iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    if CATEGORIES.iter().any(|word| is_category(lower, word)) || lower.starts_with("imap_") {
        return Some(System::State);
    }
    NAMES.iter().find(|(_, names)| names.split('|').any(|name| name == lower)).map(|(system, _)| *system)
}

/// `Category Updates`, `Kategorie: Soziale Netzwerke`, `CATEGORY_FORUMS`.
fn is_category(label: &str, word: &str) -> bool {
    let Some(rest) = label.strip_prefix(word) else { return false };
    let rest = rest.trim_start();
    // Languages that do without blanks do without them here.
    let is_apart = rest.len() < label.len() - word.len() || rest.starts_with([':', '_', '：']) || !word.is_ascii();
    is_apart && !rest.is_empty()
}

const CATEGORIES: &[&str] = &[
    "category",
    "kategorie",
    "catégorie",
    "categoría",
    "categoria",
    "categorie",
    "kategoria",
    "kategori",
    "категория",
    "カテゴリ",
    "类别",
    "分類",
];

/// Gmail's own labels as its languages call them, in lower case, parted by `|`.
const NAMES: &[(System, &str)] = &[
    (
        System::Inbox,
        "inbox|posteingang|boîte de réception|recibidos|bandeja de entrada|posta in arrivo|postvak in|\
         caixa de entrada|entrada|odebrane|inkorgen|indbakke|innboks|saapuneet|doručená pošta|doručené|\
         входящие|gelen kutusu|受信トレイ|收件箱|收件匣|받은편지함",
    ),
    (
        System::Sent,
        "sent|sent mail|gesendet|messages envoyés|envoyé|envoyés|enviado|enviados|inviati|posta inviata|\
         verzonden|verzonden berichten|e-mails enviados|wysłane|skickat|skickade|sendt|sendte|lähetetyt|\
         odeslaná pošta|odeslané|отправленные|gönderilmiş postalar|gönderilenler|送信済み|送信済みメール|已发送|已发邮件|\
         寄件備份|보낸편지함",
    ),
    (
        System::Draft,
        "draft|drafts|entwurf|entwürfe|brouillon|brouillons|borrador|borradores|bozze|concepten|\
         rascunho|rascunhos|robocze|wersje robocze|utkast|kladder|luonnokset|koncepty|черновики|\
         taslaklar|下書き|草稿|임시보관함",
    ),
    (
        System::Spam,
        "spam|junk|pourriel|correo no deseado|skräppost|søppelpost|roskaposti|спам|迷惑メール|垃圾邮件|垃圾郵件|스팸함",
    ),
    (
        System::Trash,
        "trash|bin|papierkorb|corbeille|papelera|cestino|prullenbak|lixeira|lixo|kosz|papperskorgen|\
         papirkurv|papirkurven|roskakori|koš|корзина|çöp kutusu|ゴミ箱|已删除邮件|回收站|垃圾桶|휴지통",
    ),
    (System::Chat, "chat|chats|chaty|чаты|sohbetler|チャット|聊天|聊天记录"),
    (
        System::State,
        "starred|important|opened|unread|archived|snoozed|scheduled|muted|all mail|markiert|wichtig|\
         geöffnet|ungelesen|archiviert|zurückgestellt|geplant|alle nachrichten|favoris|suivis|\
         messages suivis|ouvert|ouverts|non lus|non lu|archivé|archivés|archivées|messages archivés|\
         en attente|tous les messages|destacado|destacados|importante|importantes|abierto|abiertos|\
         no leído|no leídos|sin leer|archivado|archivados|pospuesto|pospuestos|todos|speciali|\
         importanti|aperti|aperto|aperta|da leggere|non letti|non letto|archiviati|archiviata|\
         posticipati|tutti i messaggi|met ster|belangrijk|geopend|ongelezen|gearchiveerd|gesnoozed|\
         alle e-mail|com estrela|aberto|aberta|não lido|não lida|não lidos|não lidas|arquivado|\
         arquivada|arquivados|adiado|adiados|todos os e-mails|oznaczone gwiazdką|ważne|otwarte|\
         nieprzeczytane|zarchiwizowane|wszystkie|stjärnmärkt|viktigt|öppnat|öppnade|oläst|olästa|\
         arkiverat|arkiverade|stjernemarkeret|vigtigt|åbnet|ulæst|arkiveret|stjernemerket|viktig|åpnet|\
         ulest|arkivert|tähdellä merkityt|tärkeät|avatut|lukemattomat|arkistoidut|s hvězdičkou|důležité|\
         otevřené|nepřečtené|archivované|všechny zprávy|помеченные|важное|открыто|открытые|\
         непрочитанные|архив|архивированные|вся почта|yıldızlı|önemli|açıldı|okunmamış|arşivlendi|\
         tüm postalar|スター付き|重要|開封済み|未読|アーカイブ済み|すべてのメール|已加星标|重要邮件|已打开|未读|已归档|所有邮件|已加星號|已開啟|未讀|已封存|별표편지함|\
         중요|읽지않음",
    ),
];

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
    fn system_labels_are_known_in_many_languages() {
        for label in ["Spam", "Pourriel", "Correo no deseado"] {
            assert_eq!(system(label), Some(System::Spam), "{label}");
        }
        for label in ["Posteingang", "Boîte de réception", "Recibidos", "INBOX"] {
            assert_eq!(system(label), Some(System::Inbox), "{label}");
        }
        for label in ["Papierkorb", "Corbeille", "Papelera", "Trash"] {
            assert_eq!(system(label), Some(System::Trash), "{label}");
        }
        for label in
            ["Posta in arrivo", "Postvak IN", "Caixa de entrada", "Odebrane", "Входящие", "受信トレイ", "收件箱"]
        {
            assert_eq!(system(label), Some(System::Inbox), "{label}");
        }
        for label in [
            "Category Updates",
            "CATEGORY_FORUMS",
            "Kategorie: Werbung",
            "Catégorie : Réseaux",
            "类别更新",
            "IMAP_$NotJunk",
        ] {
            assert_eq!(system(label), Some(System::State), "{label}");
        }
        for label in ["Categories", "Category", "Kategorien/Alt", "Sent to Ann"] {
            assert_eq!(system(label), None, "{label}");
        }
        assert_eq!(system("Receipts/2024"), None);
    }
}
