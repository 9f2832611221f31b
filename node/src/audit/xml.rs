//! XML as audit messages need it: elements with attributes and text, every value escaped and bounded.

use std::fmt::Write as _;

/// Characters of one value. Names of patients and sites are shorter (PS3.5 §6.2: 64 a group); a message with every
/// value at this bound still fits the 32 KiB that every collector takes (PS3.15 §A.6).
const VALUE_CHARS: usize = 256;

/// An element. Nested as deep as the schema has it, which is five.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    pub(super) fn new(name: &'static str) -> Element {
        Element {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
            text: String::new(),
        }
    }

    /// With an attribute; of the value, the first [`VALUE_CHARS`] characters.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Element {
        let value = value.chars().take(VALUE_CHARS).collect();
        self.attributes.push((name, value));
        self
    }

    pub(super) fn child(mut self, child: Element) -> Element {
        self.children.push(child);
        self
    }

    pub(super) fn children(mut self, children: impl IntoIterator<Item = Element>) -> Element {
        self.children.extend(children);
        self
    }

    /// With text, likewise bounded.
    pub(super) fn text(mut self, text: &str) -> Element {
        self.text = text.chars().take(VALUE_CHARS).collect();
        self
    }

    /// With text that its maker has bounded: base64.
    pub(super) fn whole_text(mut self, text: String) -> Element {
        self.text = text;
        self
    }

    /// The document, on one line.
    pub(super) fn document(&self) -> String {
        let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
        if self.children.is_empty() && self.text.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        escape(&self.text, out);
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(self.name);
        out.push('>');
    }
}

/// Writes text so that it is nothing but text. What XML 1.0 cannot hold at all (§2.2) is made visible as `\u{HH}`; line
/// ends and tabs would be lost in attributes (§3.3.3) and are written as references.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", u32::from(char));
            }
            char if char.is_control() || matches!(char, '\u{FFFE}' | '\u{FFFF}') => {
                let _ = write!(out, "\\u{{{:X}}}", u32::from(char));
            }
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_values_stay_values() {
        let element = Element::new("A")
            .with("n", "\"/><x a='&amp;\n\u{0}\u{1B}\u{FFFF}")
            .child(Element::new("B").text("]]></B>山"));
        assert_eq!(
            element.document(),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?>"#,
                r#"<A n="&quot;/&gt;&lt;x a=&apos;&amp;amp;&#10;\u{0}\u{1B}\u{FFFF}">"#,
                "<B>]]&gt;&lt;/B&gt;山</B></A>"
            )
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let document = Element::new("A").with("n", &"山".repeat(10_000)).document();
        assert_eq!(document.matches('山').count(), VALUE_CHARS);
    }
}
