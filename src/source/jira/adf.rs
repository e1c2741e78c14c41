//! Atlassian's document format, a tree of JSON, as HTML.
//!
//! Nodes and marks are those of <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>; of others
//! the text is kept.

use serde_json::Value;

use super::escaped;

/// How deep a document may be nested; deeper nodes are left out. Lists in tables in panels reach a dozen.
const MAX_DEPTH: u32 = 100;

/// Whether a value is a document.
pub(super) fn is_document(value: &Value) -> bool {
    value["type"] == "doc" || (value["version"].is_number() && value["content"].is_array())
}

/// The HTML of a document.
pub(super) fn html(document: &Value) -> String {
    let mut out = String::new();
    node(document, &mut out, 0);
    out
}

fn node(value: &Value, out: &mut String, depth: u32) {
    if depth > MAX_DEPTH {
        return;
    }
    let attribute = |key: &str| value["attrs"][key].as_str().unwrap_or_default();
    let inside = |out: &mut String| {
        for child in value["content"].as_array().into_iter().flatten() {
            node(child, out, depth + 1);
        }
    };
    let wrapped = |tag: &str, out: &mut String| {
        out.push_str(&format!("<{tag}>"));
        inside(out);
        out.push_str(&format!("</{tag}>"));
    };
    match value["type"].as_str().unwrap_or_default() {
        "paragraph" => wrapped("p", out),
        "bulletList" | "decisionList" | "taskList" => wrapped("ul", out),
        "orderedList" => wrapped("ol", out),
        "listItem" | "decisionItem" => wrapped("li", out),
        "taskItem" => {
            out.push_str(if attribute("state") == "DONE" { "<li>[x] " } else { "<li>[ ] " });
            inside(out);
            out.push_str("</li>");
        }
        "blockquote" | "panel" => wrapped("blockquote", out),
        "codeBlock" => wrapped("pre", out),
        "table" => wrapped("table", out),
        "tableRow" => wrapped("tr", out),
        "tableHeader" => wrapped("th", out),
        "tableCell" => wrapped("td", out),
        "heading" => {
            let level = value["attrs"]["level"].as_u64().unwrap_or(1).clamp(1, 6);
            wrapped(&format!("h{level}"), out);
        }
        "expand" | "nestedExpand" => {
            out.push_str(&format!("<p><b>{}</b></p>", escaped(attribute("title"))));
            inside(out);
        }
        "rule" => out.push_str("<hr>"),
        "hardBreak" => out.push_str("<br>"),
        "text" => out.push_str(&marked(value)),
        "mention" => {
            let name = attribute("text").trim_start_matches('@');
            let name = if name.is_empty() { attribute("id") } else { name };
            out.push_str(&format!("@{}", escaped(name)));
        }
        "emoji" => {
            let text = attribute("text");
            out.push_str(&escaped(if text.is_empty() { attribute("shortName") } else { text }));
        }
        "date" => {
            let time = attribute("timestamp").parse().ok().and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
            match time {
                Some(time) => out.push_str(&time.strftime("%Y-%m-%d").to_string()),
                None => out.push_str(&escaped(attribute("timestamp"))),
            }
        }
        "status" => out.push_str(&format!("<b>{}</b>", escaped(attribute("text")))),
        "inlineCard" | "blockCard" | "embedCard" => {
            let url = escaped(attribute("url"));
            out.push_str(&format!("<a href=\"{url}\">{url}</a>"));
        }
        "media" | "mediaInline" => {
            let name = [attribute("alt"), attribute("__fileName")].into_iter().find(|it| !it.is_empty());
            match (name, attribute("url")) {
                (_, url) if attribute("type") == "external" => {
                    let url = escaped(url);
                    out.push_str(&format!("<a href=\"{url}\">{url}</a>"));
                }
                (Some(name), _) => out.push_str(&format!("[{}]", escaped(name))),
                (None, _) => out.push_str("[attachment]"),
            }
        }
        // Documents, groups of media, columns, and what comes after this was written.
        _ => {
            if let Some(text) = value["text"].as_str() {
                out.push_str(&escaped(text));
            } else if !attribute("text").is_empty() {
                out.push_str(&escaped(attribute("text")));
            }
            inside(out);
        }
    }
}

/// A text with its marks around it.
fn marked(value: &Value) -> String {
    let mut text = escaped(value["text"].as_str().unwrap_or_default());
    for mark in value["marks"].as_array().into_iter().flatten() {
        let tag = match mark["type"].as_str().unwrap_or_default() {
            "strong" => "b",
            "em" => "i",
            "code" => "code",
            "strike" => "s",
            "underline" => "u",
            "subsup" if mark["attrs"]["type"] == "sub" => "sub",
            "subsup" => "sup",
            "link" => {
                let url = escaped(mark["attrs"]["href"].as_str().unwrap_or_default());
                text = format!("<a href=\"{url}\">{text}</a>");
                continue;
            }
            _ => continue,
        };
        text = format!("<{tag}>{text}</{tag}>");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_become_html_and_unknown_nodes_keep_their_text() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let table = [
            (json!({"type": "paragraph", "content": [text("a <b>")]}), "<p>a &lt;b&gt;</p>"),
            (
                json!({"type": "paragraph", "content": [{"type": "text", "text": "x", "marks": [{"type": "strong"}, {"type": "link", "attrs": {"href": "https://example.org/?a=\"b"}}]}]}),
                "<p><a href=\"https://example.org/?a=&quot;b\"><b>x</b></a></p>",
            ),
            (
                json!({"type": "bulletList", "content": [{"type": "listItem", "content": [{"type": "paragraph", "content": [text("one")]}]}]}),
                "<ul><li><p>one</p></li></ul>",
            ),
            (json!({"type": "heading", "attrs": {"level": 9}, "content": [text("h")]}), "<h6>h</h6>"),
            (json!({"type": "codeBlock", "content": [text("1 < 2")]}), "<pre>1 &lt; 2</pre>"),
            (json!({"type": "mention", "attrs": {"id": "1", "text": "@Sam Hill"}}), "@Sam Hill"),
            (json!({"type": "emoji", "attrs": {"shortName": ":lamp:", "text": "💡"}}), "💡"),
            (json!({"type": "date", "attrs": {"timestamp": "1709510400000"}}), "2024-03-04"),
            (
                json!({"type": "mediaSingle", "content": [{"type": "media", "attrs": {"type": "file", "alt": "a.png"}}]}),
                "[a.png]",
            ),
            (json!({"type": "taskItem", "attrs": {"state": "DONE"}, "content": [text("x")]}), "<li>[x] x</li>"),
            (json!({"type": "brandNew", "content": [{"type": "newer", "text": "kept"}]}), "kept"),
            (json!({"type": "brandNew", "attrs": {"text": "kept, too"}}), "kept, too"),
        ];
        for (value, expected) in table {
            assert_eq!(html(&json!({"type": "doc", "version": 1, "content": [value]})), expected);
        }
    }

    #[test]
    fn a_document_without_a_bottom_is_cut() {
        let mut value = json!({"type": "text", "text": "deep"});
        for _ in 0..120 {
            value = json!({"type": "panel", "content": [value]});
        }
        assert!(!html(&value).contains("deep"));
    }
}
