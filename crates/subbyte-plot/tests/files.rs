//! Writing: the extension decides, errors name the file, nothing is left half written.

use std::fs;

use subbyte_plot::{Error, Figure, Histogram, Report, code_histograms};

fn figure() -> Figure {
    let histogram = Histogram {
        name: "conv".into(),
        counts: vec![1, 2, 3, 4],
    };
    code_histograms(&[histogram]).unwrap()
}

#[test]
fn the_extension_chooses_the_format() {
    let folder = tempfile::tempdir().unwrap();
    for (name, start) in [
        ("a.png", &b"\x89PNG"[..]),
        ("b.PNG", b"\x89PNG"),
        ("c.svg", b"<svg"),
    ] {
        let path = folder.path().join(name);
        figure().write(&path).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(start), "{name}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn other_extensions_are_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jpg", "b", "png"] {
        let error = figure().write(folder.path().join(name)).unwrap_err();
        assert!(matches!(error, Error::Extension { .. }));
        assert!(
            error.to_string().contains(name) && error.to_string().contains(".svg"),
            "{error}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let picture = figure().write(missing.join("a.svg")).unwrap_err();
    assert!(picture.to_string().contains("a.svg"), "{picture}");
    let report = Report::new("t").write(missing.join("r.html")).unwrap_err();
    assert!(report.to_string().contains("r.html"), "{report}");
}
