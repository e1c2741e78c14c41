//! Names for files that came without one.

use crate::mail::header;
use crate::mail::mime::Part;

/// A name for a part that came without one: a mail's is its subject, others go by their type and number.
pub fn made_up(part: &Part<'_>, number: usize) -> String {
    if matches!(part.mime.as_str(), "message/rfc822" | "message/global" | "message/news") {
        let message = part.decoded();
        let mut fields = header::Fields::of_message(&message);
        let subject =
            fields.find(|field| field.name.eq_ignore_ascii_case(b"Subject")).map(|field| header::decode(field.value));
        return of_mail(&subject.unwrap_or_default(), number);
    }
    by_type(&part.mime, number)
}

/// A name for a mail as a file: its subject, without what file systems or FreeScout would not have in a name.
pub fn of_mail(subject: &str, number: usize) -> String {
    const CHARACTERS: usize = 80;
    let is_unfit = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    let safe: String = subject.chars().map(|c| if is_unfit(c) { ' ' } else { c }).take(CHARACTERS).collect();
    let safe = safe.split_whitespace().collect::<Vec<_>>().join(" ");
    if safe.is_empty() { format!("message-{number}.eml") } else { format!("{safe}.eml") }
}

/// A name that says the type.
pub fn by_type(mime: &str, number: usize) -> String {
    let kind = mime.split('/').next().unwrap_or("file");
    let ending = match mime {
        "image/jpeg" | "image/jpg" | "image/pjpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/svg+xml" => "svg",
        "image/webp" => "webp",
        "image/bmp" => "bmp",
        "image/tiff" => "tif",
        "image/heic" | "image/heif" => "heic",
        "audio/mpeg" | "audio/mp3" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/amr" => "amr",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "text/html" => "html",
        "text/calendar" | "application/ics" => "ics",
        "text/csv" => "csv",
        "text/x-vcard" | "text/vcard" | "text/directory" => "vcf",
        "text/rtf" | "application/rtf" => "rtf",
        "application/pdf" => "pdf",
        "application/zip" | "application/x-zip-compressed" => "zip",
        "application/gzip" | "application/x-gzip" => "gz",
        "application/xml" | "text/xml" => "xml",
        "application/msword" => "doc",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.ms-powerpoint" => "ppt",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/mac-binhex40" => "hqx",
        "application/json" => "json",
        "application/pgp-signature" => "asc",
        "application/pgp-encrypted" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "p7m",
        "application/ms-tnef" | "application/vnd.ms-tnef" => return "winmail.dat".to_owned(),
        "message/delivery-status" | "message/global-delivery-status" => return "delivery-status.txt".to_owned(),
        "message/disposition-notification" => return "disposition-notification.txt".to_owned(),
        "text/rfc822-headers" | "message/global-headers" => return "headers.txt".to_owned(),
        "message/feedback-report" => return "feedback-report.txt".to_owned(),
        _ if mime.starts_with("text/") || mime.starts_with("message/") => "txt",
        _ => "bin",
    };
    let kind = if kind == "application" { "file" } else { kind };
    format!("{kind}-{number}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let cases = [
            ("image/jpeg", "image-3.jpg"),
            ("application/pdf", "file-3.pdf"),
            ("application/x-made-up", "file-3.bin"),
            ("text/x-log", "text-3.txt"),
            ("text/calendar", "text-3.ics"),
            ("application/ms-tnef", "winmail.dat"),
            ("message/delivery-status", "delivery-status.txt"),
        ];
        for (mime, expected) in cases {
            assert_eq!(by_type(mime, 3), expected);
        }
    }
}
