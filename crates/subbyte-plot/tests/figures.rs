//! What holds for every figure.

use roxmltree::{Document, Node};
use subbyte_plot::{
    Epoch, Error, Figure, Histogram, PixelTablePicture, Point, Run, TensorNoise, accuracy_bytes,
    code_histograms, pixel_table, tensor_noise, training_curves,
};

const HOSTILE: &str = "<script>&\"'\u{0}\u{1b}]]>\n𝔘ñ\u{ffff}";

fn run(name: &str, accuracies: &[f64]) -> Run {
    let epochs = accuracies.iter().zip(1..).map(|(&accuracy, epoch)| Epoch {
        epoch,
        train_loss: 3.0 / f64::from(epoch),
        train_accuracy: accuracy,
        validation_accuracy: accuracy,
    });
    Run {
        name: name.into(),
        epochs: epochs.collect(),
    }
}

fn point(name: &str, bytes: u64, accuracy: f64) -> Point {
    Point {
        name: name.into(),
        bytes,
        accuracy,
    }
}

fn histogram(name: &str, counts: &[u64]) -> Histogram {
    Histogram {
        name: name.into(),
        counts: counts.into(),
    }
}

fn table() -> PixelTablePicture {
    PixelTablePicture {
        tables: 3,
        depth: 4,
        bits: 2,
        codes: (0..3 * 256 * 4).map(|i| (i / 300 % 4) as u8).collect(),
        levels: vec![-3, -1, 1, 3],
    }
}

fn noise(name: &str, ratio: f64) -> TensorNoise {
    TensorNoise {
        name: name.into(),
        ratio,
        marked: ratio < 20.0,
    }
}

/// One of each, all names being `name`.
fn all(name: &str) -> [Figure; 5] {
    [
        training_curves(&[run(name, &[0.1, 0.5, 0.6]), run(name, &[0.2])]).unwrap(),
        pixel_table(&table()).unwrap(),
        code_histograms(&[histogram(name, &[5, 0, 7, 9]), histogram(name, &[1; 256])]).unwrap(),
        accuracy_bytes(&[point(name, 500, 0.5), point(name, 90_000, 0.7)]).unwrap(),
        tensor_noise(&[noise(name, f64::INFINITY), noise(name, 41.5)], 20.0).unwrap(),
    ]
}

/// Texts of an SVG.
fn texts<'a>(document: &'a Document) -> Vec<&'a str> {
    let texts = document.descendants().filter(|n| n.has_tag_name(SVG_TEXT));
    texts.filter_map(|n| n.text()).collect()
}

const SVG: &str = "http://www.w3.org/2000/svg";
const SVG_TEXT: (&str, &str) = (SVG, "text");

fn lines<'a>(document: &'a Document) -> Vec<Node<'a, 'a>> {
    let nodes = document.descendants();
    nodes
        .filter(|n| n.has_tag_name((SVG, "polyline")))
        .collect()
}

#[test]
fn svg_and_png_are_the_same_every_time_and_of_the_same_size() {
    for (a, b) in all("w2a2").iter().zip(&all("w2a2")) {
        assert_eq!(a.to_svg(), b.to_svg());
        let file = a.to_png().unwrap();
        assert_eq!(file, b.to_png().unwrap());
        let reader = png::Decoder::new(std::io::Cursor::new(&file))
            .read_info()
            .unwrap();
        let svg = a.to_svg();
        let document = Document::parse(&svg).unwrap();
        let side = |name| {
            let attribute = document.root_element().attribute(name).unwrap();
            2.0 * attribute.parse::<f64>().unwrap()
        };
        let size = reader.info().size();
        assert_eq!(
            (size.0, size.1),
            (side("width").round() as u32, side("height").round() as u32)
        );
    }
}

#[test]
fn labels_are_text_in_the_svg() {
    let [curves, table, histograms, sizes, noise] = all("w2a2").map(|figure| figure.to_svg());
    let expected: [(&str, &[&str]); 5] = [
        (
            &curves,
            &[
                "Training loss",
                "Validation accuracy, %",
                "epoch",
                "w2a2",
                "60.0",
            ],
        ),
        (
            &table,
            &[
                "Red",
                "Green",
                "Blue",
                "pixel value",
                "0",
                "255",
                "d = 0",
                "3",
                "code",
            ],
        ),
        (
            &histograms,
            &[
                "w2a2",
                "21 codes, entropy 1.55 bits",
                "256 codes, entropy 8.00 bits",
            ],
        ),
        (&sizes, &["Accuracy, %", "size", "w2a2", "1 kB", "70"]),
        (
            &noise,
            &[
                "Signal to quantization noise",
                "dB",
                "w2a2",
                "exact",
                "41.5",
                "20",
            ],
        ),
    ];
    for (svg, labels) in expected {
        let document = Document::parse(svg).unwrap();
        let texts = texts(&document);
        for label in labels {
            assert!(texts.contains(label), "{label} in {texts:?}");
        }
    }
}

#[test]
fn hostile_names_stay_text() {
    for figure in all(HOSTILE) {
        let svg = figure.to_svg();
        let document = Document::parse(&svg).unwrap();
        assert!(!svg.contains("<script"));
        assert!(
            document
                .descendants()
                .all(|n| !n.has_tag_name((SVG, "script")))
        );
        figure.to_png().unwrap();
    }
    let svg = all(HOSTILE)[0].to_svg();
    let document = Document::parse(&svg).unwrap();
    assert!(
        texts(&document)
            .iter()
            .any(|t| t.starts_with("<script>&\"'"))
    );
}

#[test]
fn a_value_that_is_not_finite_is_a_gap_in_its_curve_alone() {
    let count = |accuracies: &[f64]| {
        let svg = training_curves(&[run("a", accuracies)]).unwrap().to_svg();
        let document = Document::parse(&svg).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let pens = lines(&document).into_iter();
        // All but the legend's sample.
        pens.filter(|n| n.attribute("stroke-width") == Some("2"))
            .count()
            - 1
    };
    assert_eq!(count(&[0.1, 0.2, 0.3, 0.4, 0.5]), 3);
    for gap in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        assert_eq!(count(&[0.1, 0.2, gap, 0.4, 0.5]), 5);
        assert_eq!(count(&[gap, 0.2, 0.3, 0.4, 0.5]), 3);
        assert_eq!(count(&[gap; 5]), 1, "two panels have nothing to show");
    }
}

#[test]
fn every_bar_and_every_point_is_drawn() {
    let svg = code_histograms(&[histogram("a", &[5, 0, 7, 9])])
        .unwrap()
        .to_svg();
    let document = Document::parse(&svg).unwrap();
    let rects = document
        .descendants()
        .filter(|n| n.has_tag_name((SVG, "rect")));
    assert_eq!(
        rects.count(),
        1 + 3,
        "the paper and a bar for each code that occurs"
    );
    let points: Vec<Point> = (1..=40).map(|i| point("p", 1000 * i, 0.5)).collect();
    let svg = accuracy_bytes(&points).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let dots = document
        .descendants()
        .filter(|n| n.has_tag_name((SVG, "circle")));
    assert_eq!(dots.count(), 40);
    let tensors = [
        noise("a", f64::INFINITY),
        noise("b", 30.0),
        noise("c", -3.0),
    ];
    let svg = tensor_noise(&tensors, 20.0).unwrap().to_svg();
    let document = Document::parse(&svg).unwrap();
    let fills: Vec<&str> = document
        .descendants()
        .filter(|n| n.has_tag_name((SVG, "rect")))
        .filter_map(|n| n.attribute("fill"))
        .collect();
    assert_eq!(fills.len(), 1 + 2, "the paper and two bars: {fills:?}");
    assert_ne!(fills[1], fills[2], "the marked one has another colour");
}

#[test]
fn nothing_to_draw_is_an_error_that_says_so() {
    let empty_table = PixelTablePicture {
        tables: 0,
        codes: Vec::new(),
        ..table()
    };
    let errors = [
        (training_curves(&[]), "there are no runs"),
        (
            training_curves(&[run("late", &[])]),
            "run `late` has no epochs",
        ),
        (code_histograms(&[]), "there are no histograms"),
        (
            code_histograms(&[histogram("conv1", &[])]),
            "histogram `conv1` has no codes",
        ),
        (accuracy_bytes(&[]), "there are no points"),
        (
            accuracy_bytes(&[point("a", 0, 0.5)]),
            "point `a` has no bytes",
        ),
        (
            accuracy_bytes(&[point("b", 7, f64::NAN)]),
            "point `b` has accuracy NaN",
        ),
        (pixel_table(&empty_table), "0 tables"),
        (tensor_noise(&[], 20.0), "there are no tensors"),
        (
            tensor_noise(&[noise("c", f64::NAN)], 20.0),
            "tensor `c` has ratio NaN",
        ),
    ];
    for (result, part) in errors {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Data { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    let mut silent = run("silent", &[f64::NAN; 3]);
    for epoch in &mut silent.epochs {
        epoch.train_loss = f64::NAN;
    }
    let error = training_curves(&[silent]).unwrap_err().to_string();
    assert!(error.contains("no run has a finite value"), "{error}");
}

#[test]
fn extreme_numbers_are_drawn() {
    let mut run = run("a", &[0.0, 1e20, -1e20]);
    run.epochs[2].epoch = u32::MAX;
    training_curves(&[run]).unwrap().to_png().unwrap();
    let huge = histogram("a", &[u64::MAX; 3]);
    code_histograms(&[huge, histogram("none", &[0; 3]), histogram("one", &[1])])
        .unwrap()
        .to_png()
        .unwrap();
    let points = [point("a", 1, 0.1), point("b", u64::MAX, 0.1)];
    accuracy_bytes(&points).unwrap().to_png().unwrap();
    accuracy_bytes(&points[..1]).unwrap().to_png().unwrap();
    let many: Vec<TensorNoise> = (0..300).map(|i| noise("a", f64::from(i) - 150.0)).collect();
    tensor_noise(&many, 20.0).unwrap().to_png().unwrap();
}
