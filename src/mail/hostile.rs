//! Mails made to be slow: the work must grow with their length and not with its square.
//!
//! Quadratic work on these would take minutes, and the tests would be killed for it. How long each takes is printed by
//! `cargo test --release --lib mail::hostile -- --ignored --nocapture`.

use std::time::Instant;

use jiff::tz::TimeZone;

use super::*;

/// Mails of about so many bytes, each with a name for what it has too much of.
fn mails(length: usize) -> Vec<(String, Vec<u8>)> {
    let many = |unit: &[u8]| unit.repeat(length / unit.len().max(1));
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let units: &[&[u8]] = &[
        b"=?x?q?a ",
        b"=?x?q?a?= ",
        b"=?utf-8?b?w6k=?=",
        b"\xFF=?x?q?a?=",
        b"\xFF=?",
        b"=?x?q?\xFF?= ",
        b"\"\\",
        b"\"",
        b"(",
        b"(a)",
        b"<",
        b"<a>",
        b"<a@b>",
        b"a=",
        b"a=\"",
        b";a=b",
        b"name*0=\"",
        b"name*0*=x'y'%41;",
        b"\n ",
        b"\n\t\n ",
        b":,",
        b"a:b@c;",
        b"=?",
        b"?=",
        b">From ",
        b"a@b,",
        b"a b <c@d>,",
        b"\r",
        b" ",
        b"@",
        b"a . b @ c ",
        b"\x1B$B",
        b"1 ",
        b"1:",
        b"Jan ",
        b"\xC3",
    ];
    let fields =
        ["Subject", "From", "Content-Type", "Content-Disposition", "References", "Date", "X-Gmail-Labels", "Received"];
    for unit in units {
        for name in fields {
            let message = [format!("{name}: ").as_bytes(), &many(unit), b"\n\nx"].concat();
            all.push((format!("{name} of {}", unit.escape_ascii()), message));
        }
        all.push((
            format!("header of {}", unit.escape_ascii()),
            [&many(&[unit, &b": x\n"[..]].concat())[..], b"\nx"].concat(),
        ));
        all.push((format!("text of {}", unit.escape_ascii()), [b"\n", &many(unit)[..]].concat()));
        for kind in ["text/plain; format=flowed", "text/html", "text/enriched", "application/ms-tnef", "message/rfc822"]
        {
            for encoding in ["8bit", "base64", "quoted-printable", "x-uuencode"] {
                let header = format!("Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n");
                let name = format!("{encoding} {kind} of {}", unit.escape_ascii());
                all.push((name, [header.as_bytes(), &many(unit)].concat()));
            }
        }
    }
    let mixed = |parts: Vec<u8>| [b"Content-Type: multipart/mixed; boundary=b\n\n", &parts[..]].concat();
    let bodies: &[(&str, &[u8])] = &[
        ("boundaries", b"--b\n"),
        ("ends", b"--b--\n"),
        ("boundaries in text", b" --b\n--bb\n--b x\n"),
        ("parts", b"--b\n\nx\n"),
        ("parts of strange letters", b"--b\n\n\xFF\xFE\n"),
        ("mails", b"--b\nContent-Type: message/rfc822\n\nSubject: a\n"),
        ("alternatives", b"--b\nContent-Type: multipart/alternative; boundary=b\n\n"),
        ("files in text", b"--b\n\nbegin 644 a\n`\nend\n"),
        ("reports", b"--b\nContent-Type: multipart/report; boundary=c\n\n--c\n\nx\n"),
        ("pictures", b"--b\nContent-Type: image/png\nContent-ID: <a>\nContent-Location: a\n\nx\n"),
    ];
    for (name, unit) in bodies {
        all.push(((*name).to_owned(), mixed(many(unit))));
    }
    let mut nested = Vec::new();
    while nested.len() < length {
        let n = nested.len();
        nested.extend(format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n").into_bytes());
    }
    all.push(("nested parts".to_owned(), nested));
    for unit in
        [&b"begin 644 a\n"[..], b"begin 644 a\n#0V%T\n", b"begin-base64 644 a\nQ2F0\n", b"begin 644 a\n`\nend\n"]
    {
        all.push((format!("text of {}", unit.escape_ascii()), [b"\n", &many(unit)[..]].concat()));
    }
    let related = [
        b"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n",
        &b"<img src=a>".repeat(length / 22)[..],
        b"\n",
        &b"--b\nContent-Type: image/png\nContent-Location: z\n\nx\n".repeat(length / 104),
    ];
    all.push(("pictures by place".to_owned(), related.concat()));
    all.push(("rich text".to_owned(), winmail(&many(b"{\\*\\x"))));
    all.push(("rich text in bytes".to_owned(), winmail(&many(b"\\'93\\f1"))));
    all
}

/// A mail with nothing but a `winmail.dat` that says this in rich text.
fn winmail(rtf: &[u8]) -> Vec<u8> {
    let packed = [&[0; 4][..], &u32::MAX.to_le_bytes(), b"MELA\0\0\0\0{\\rtf1 ", rtf].concat();
    let properties = tnef::tests::list(&[(0x0102, 0x1009, &packed)]);
    [&b"Content-Type: application/ms-tnef\n\n"[..], &tnef::tests::stream(&[(1, 0x9003, properties)])].concat()
}

/// Reads a mail and all of its files.
fn read(message: &[u8]) {
    let (mail, _) = Mail::parse_sent(message, b"From a@b Mon Jan 15 10:30:00 2024", &TimeZone::UTC);
    // The first and the last stand for the others: each is found by taking the message apart again.
    for file in mail.files.iter().take(1).chain(mail.files.last()) {
        assert_eq!(leaf(message.to_vec(), false, file.part).unwrap().len() as u64, file.length, "{}", file.name);
    }
    let _ = (body_hash(message), content_id(message, b""), unquote(message).len());
}

#[test]
fn mails_made_to_be_slow_are_read_in_time_that_grows_with_their_length() {
    for (_, message) in mails(60_000) {
        read(&message);
    }
}

#[test]
#[ignore = "prints how long a megabyte of each takes"]
fn a_megabyte_of_anything_is_read_within_a_second() {
    let mut times: Vec<_> = mails(1 << 20)
        .into_iter()
        .map(|(name, message)| {
            let began = Instant::now();
            read(&message);
            (began.elapsed(), name)
        })
        .collect();
    times.sort_unstable();
    for (time, name) in times.iter().rev().take(25) {
        println!("{time:9.1?}  {name}");
    }
    println!("{} mails", times.len());
}
