//! What is replaced, and what stays.

use serde_json::json;

use super::*;
use crate::record::json::{self as record_json, Files};

fn anonymiser() -> Anonymiser {
    Anonymiser::new([7; 32]).keeping_domain("@example.org").keeping_value("VIP").keeping_word("refund")
}

#[test]
fn words_are_replaced_the_same_everywhere_with_length_and_capitals() {
    let mut anonymiser = anonymiser();
    let text = anonymiser.text("Hello Ada, ADA here.\r\n-- \nAda Löwe refund 李小龙 Привет");
    assert!(!text.contains("Ada") && !text.contains("Löwe") && !text.contains("Hello"), "{text}");
    let ada = anonymiser.text("Ada");
    assert_eq!(text.matches(&ada).count(), 2, "{text}");
    assert!(text.contains(&ada.to_uppercase()), "{text}");
    assert!(text.contains("refund") && text.contains(".\r\n-- \n"), "{text}");
    assert_eq!(text.chars().count(), "Hello Ada, ADA here.\r\n-- \nAda Löwe refund 李小龙 Привет".chars().count());
    assert!(text.chars().next().is_some_and(char::is_uppercase));
    assert!(!text.contains("李") && !text.contains("Привет"), "{text}");
}

#[test]
fn another_key_gives_other_words() {
    assert_ne!(Anonymiser::new([1; 32]).text("Lovelace"), Anonymiser::new([2; 32]).text("Lovelace"));
    assert_eq!(Anonymiser::new([1; 32]).text("Lovelace"), Anonymiser::new([1; 32]).text("Lovelace"));
}

#[test]
fn different_words_stay_different() {
    let mut anonymiser = anonymiser();
    let letters = || "bcdfghjklm".chars();
    let originals: Vec<String> =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}")))).collect();
    let words: HashSet<String> = originals.iter().take(500).map(|word| anonymiser.text(word)).collect();
    assert_eq!(words.len(), 500);
    let addresses: HashSet<String> = ('a'..='z').map(|c| anonymiser.text(&format!("{c}@example.net"))).collect();
    assert_eq!(addresses.len(), 26);
}

#[test]
fn addresses_keep_own_domains_and_lose_others() {
    let mut anonymiser = anonymiser();
    for (address, domain) in [
        ("ada.lovelace@example.org", "@example.org"),
        ("Ada@mail.example.org", "@mail.example.org"),
        ("bob+7@corp.example.com", ".example"),
    ] {
        let found = anonymiser.text(address);
        assert!(found.ends_with(domain), "{address}: {found}");
        assert!(!found.to_lowercase().contains("ada") && !found.contains("bob") && !found.contains("corp"), "{found}");
        assert_eq!(anonymiser.text(&format!("<mailto:{address}>")), format!("<mailto:{found}>"));
        assert_eq!(anonymiser.value(&address.to_uppercase()), found, "case does not matter");
    }
}

#[test]
fn numbers_table() {
    let mut anonymiser = anonymiser();
    for (text, is_kept) in [
        ("12", true),
        ("3 of 7", false),
        ("4711", false),
        ("+49 (30) 12 34 56", false),
        ("06 12 34 56 78", false),
        ("10.50", true),
    ] {
        let found = anonymiser.text(text);
        let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
        if text.contains("of") {
            assert!(found.starts_with("3 ") && found.ends_with(" 7"), "{found}");
        } else {
            assert_eq!(shape(&found), shape(text));
            assert_eq!(found == text, is_kept, "{text}: {found}");
        }
    }
    assert_eq!(anonymiser.text("Ticket 4711").split(' ').nth(1), Some(anonymiser.text("4711").as_str()));
}

#[test]
fn times_and_what_is_to_be_kept_stay() {
    let mut anonymiser = anonymiser();
    for value in ["2024-01-31T12:00:00Z", "2024-01-31", "2024-01-31 12:00:00", "vip", " VIP "] {
        assert_eq!(anonymiser.value(value), value);
    }
    assert_ne!(anonymiser.value("vips"), "vips");
}

#[test]
fn html_keeps_its_tags_and_loses_its_texts() {
    let mut anonymiser = anonymiser();
    let html = "<div class=\"gmail_quote\" style='color:red'>Hi <b>Ada</b>&nbsp;M&uuml;ller &amp; Sons<br/>\
                <a href=\"https://corp.example.com/ada?x=1\" title=Ada>1 < 2</a><img src=\"cid:logo@corp.example.com\" alt=\"Ada\">\
                <!-- Ada --><img src=\"data:image/png;base64,QWRh\"></div>";
    let found = anonymiser.html(html);
    for gone in ["Ada", "ada", "ller", "Sons", "corp", "logo", "QWRh"] {
        assert!(!found.contains(gone), "{gone}: {found}");
    }
    for kept in [
        "<div class=\"gmail_quote\" style='color:red'>",
        "<b>",
        "&nbsp;",
        "&amp;",
        "<br/>",
        "<a href=\"https://",
        "src=\"cid:",
        "1 < 2</a>",
        "<!-- ",
    ] {
        assert!(found.contains(kept), "{kept}: {found}");
    }
    let cid = anonymiser.text("logo@corp.example.com");
    assert!(found.contains(&format!("cid:{cid}\"")), "the image is still that of its attachment: {found}");
}

#[test]
fn broken_html_ends() {
    let mut anonymiser = anonymiser();
    for html in [
        "<",
        "<a",
        "<a href=",
        "<a href=\"x",
        "<!--",
        "<a =x",
        "<a ==>",
        "&",
        "&&&#;",
        "<a 'x'>",
        "</",
        "<a\u{a0}b=c>",
        "<é>",
    ] {
        anonymiser.html(html);
    }
}

#[test]
fn nothing_of_a_person_is_left_in_a_record() {
    let record = json!({
        "id": "471100", "subject": "Ada Lovelace cannot log in", "status": "open", "channel": "web",
        "created_at": "2024-01-31T12:00:00Z", "tags": ["VIP", "lovelace"],
        "requester": {"id": "99001", "name": "Ada Lovelace", "email": "ada@corp.example.com", "phones": ["+44 20 7946 0991"],
            "role": "end-user", "company": "Lovelace Engines", "fields": {"locale": "Lovelace"}},
        "entries": [{"id": "<abc.lovelace@corp.example.com>", "html": "<p>I am <b>Ada</b> Lovelace, 020 7946 0991</p>",
            "author": "ada@corp.example.com", "attachments": [{"name": "lovelace.pdf", "data": "TG92ZWxhY2U="}]}],
        "fields": {"group": "Lovelace", "score": 5, "parent": {"ticket": 471100}, "customer": 47110815, "at": "2024-01-31", "note": "<p>Lovelace</p>", "lovelace@corp.example.com": "x"},
    });
    let at = Origin::whole(&"lovelace.json".into());
    let record = record_json::read(record, &at, "zendesk", &Files::none()).unwrap();
    let found = record_json::to_value(&anonymiser().record(record));
    let text = found.to_string();
    for gone in
        ["ovelace", "Ada", "ada@", "corp", "99001", "471100", "47110815", "7946", "0991", "TG92ZWxhY2U", "Engines"]
    {
        assert!(!text.contains(gone), "{gone}: {found:#}");
    }
    assert_eq!(found["tags"][0], "VIP");
    assert_eq!(found["status"], "open");
    assert_eq!(found["created_at"], "2024-01-31T12:00:00Z");
    assert_eq!(found["fields"]["score"], 5);
    assert_eq!(found["fields"]["at"], "2024-01-31");
    assert_eq!(found["requester"]["role"], "end-user");
    assert_eq!(found["entries"][0]["author"]["emails"][0], found["requester"]["emails"][0]);
    assert!(found["entries"][0]["attachments"][0]["name"].as_str().unwrap().ends_with(".pdf"));
}
