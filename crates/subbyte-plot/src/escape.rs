//! Text inside HTML and XML.

/// `text` for use between tags and inside quoted attributes of HTML and XML. Characters that XML forbids even when escaped
/// become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn every_char_survives_an_xml_parser() {
        let all: String = ('\0'..=char::MAX).collect();
        let xml = format!("<a b=\"{}\">{}</a>", escape(&all), escape(&all));
        let document = roxmltree::Document::parse(&xml).unwrap();
        let text = document.root_element().text().unwrap();
        assert!(text.contains("&") && text.contains("<=>") && text.contains("\"#$%&'("));
    }
}
