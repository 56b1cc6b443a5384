//! Reports: complete, escaped, alone.

use subbyte_plot::{Column, Histogram, Report, Table, code_histograms};

const HOSTILE: &str = "</title><script>alert('x')</script>&\u{1}\"";
const ESCAPED: &str =
    "&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;\u{fffd}&quot;";

fn report(text: &str) -> String {
    let table = Table::new([Column::text(text), Column::number(text)])
        .row([text, text])
        .row(["a", "1"]);
    let histogram = Histogram {
        name: text.into(),
        counts: vec![1, 2],
    };
    Report::new(text)
        .section(text)
        .paragraph(text)
        .table(&table)
        .figure(&code_histograms(&[histogram]).unwrap(), text)
        .preformatted(text)
        .to_html()
}

#[test]
fn every_text_is_escaped() {
    let html = report(HOSTILE);
    assert!(!html.contains("<script"));
    // Title twice, section, paragraph, two headings, two cells, caption, block.
    assert_eq!(html.matches(ESCAPED).count(), 10);
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let html = report("plain").replace("http://www.w3.org/2000/svg", "");
    for outside in [
        "http:", "https:", "src=", "@import", "url(", "<link", "<script",
    ] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn parts_come_in_order_and_numbers_are_marked() {
    let html = report("plain");
    let places: Vec<usize> = [
        "<h1>",
        "<h2>",
        "<p>",
        "<table>",
        "<svg",
        "<figcaption>",
        "<pre>",
    ]
    .map(|part| html.find(part).unwrap())
    .into();
    assert!(places.is_sorted());
    assert!(html.contains("<th scope=\"col\">plain</th><th scope=\"col\" class=\"n\">plain</th>"));
    assert!(html.contains("<tr><td>a</td><td class=\"n\">1</td></tr>"));
    assert_eq!(report("plain"), html);
}

#[test]
fn pictures_take_the_ink_of_the_page() {
    let html = report("plain");
    let svg = &html[html.find("<svg").unwrap()..html.find("</svg>").unwrap()];
    assert!(svg.contains("fill=\"currentColor\""));
    assert!(!svg.contains("#ffffff"));
}
