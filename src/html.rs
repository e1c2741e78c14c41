//! Texts on their way to FreeScout: HTML from strangers is cleaned, plain text becomes HTML.

/// HTML that may be shown to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The clean HTML.
    pub html: String,
    /// Whether anything was removed that is more than formatting (scripts, forms, unknown addresses).
    pub has_lost_something: bool,
    /// The `cid:` names that images in the HTML refer to, without `cid:`.
    pub content_ids: Vec<String>,
}

/// Cleans HTML: scripts, forms, event handlers, frames, styles that reach outside, unknown URL schemes.
pub fn clean(_html: &str) -> Cleaned {
    todo!("html")
}

/// Plain text as HTML: escaped, line ends kept, links made, quoted parts marked.
pub fn from_text(_text: &str) -> String {
    todo!("html")
}

/// Escapes text for use inside HTML, element content and attribute values alike.
pub fn escape(_text: &str) -> String {
    todo!("html")
}

/// The visible text of HTML with white space collapsed, for previews and blank checks.
pub fn to_text(_html: &str) -> String {
    todo!("html")
}
