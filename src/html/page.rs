//! What the pages that we make ourselves share: templates, and which pictures are shown.

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, escape_formatter};

use super::escape;

/// Templates by name and source, in which every value is escaped by [`escape`] unless it is marked as safe.
///
/// A name that a template misspells is an error and not an empty place.
///
/// # Errors
///
/// When a template does not parse.
pub(crate) fn templates(sources: &[(&'static str, &'static str)]) -> Result<Environment<'static>, Error> {
    let mut templates = Environment::empty();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_formatter(|out, state, value| {
        if value.is_safe() || value.is_undefined() {
            return escape_formatter(out, state, value);
        }
        if value.is_none() { Ok(()) } else { out.write_str(&escape(&value.to_string())).map_err(Error::from) }
    });
    for (name, source) in sources {
        templates.add_template(name, source)?;
    }
    Ok(templates)
}

/// Whether a picture of this type may be shown in a page: it cannot hold anything that runs.
pub(crate) fn is_picture(mime: &str) -> bool {
    matches!(mime, "image/png" | "image/jpeg" | "image/jpg" | "image/gif" | "image/webp" | "image/bmp")
}

#[cfg(test)]
mod tests {
    use minijinja::{Value, context};

    use super::*;

    #[test]
    fn values_are_escaped_by_our_own_rule_unless_they_are_safe() {
        let templates =
            templates(&[("a", "<p title=\"{{ text }}\">{{ text }}{{ html }}{{ none }}</p>")]).expect("it parses");
        let text = "<b>\"it's\" & so</b>";
        let html = Value::from_safe_string("<i>x</i>".to_owned());
        let made = templates.get_template("a").expect("it is there").render(context! { text, html, none => () });
        let escaped = escape(text);
        assert_eq!(made.expect("it renders"), format!("<p title=\"{escaped}\">{escaped}<i>x</i></p>"));
    }

    #[test]
    fn a_misspelt_name_is_an_error() {
        let templates = templates(&[("a", "{{ subjct }}")]).expect("it parses");
        let made = templates.get_template("a").expect("it is there").render(context! { subject => "x" });
        assert!(made.is_err());
    }
}
