//! Written files mean what their graphs mean. `scripts/test-onnx` runs the files in `tests/exported` with onnxruntime and the qonnx
//! package and records what they make; here they must be written to the same bytes again.

mod common;

use std::{fs, path::PathBuf};

use common::{floats, interpreter, networks, pixels};
use subbyte_graph::{Graph, Op, Param, Quantizer, Role, Storage};
use subbyte_onnx::{OnnxErrorKind, ReadOptions, from_bytes, write_qdq, write_qonnx};

/// Largest difference of the same network, of its largest output. Where sums are taken in another order, a code may differ.
const SAME: f32 = 2e-5;

fn exported(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/exported")
        .join(name)
}

fn forms(graph: &Graph) -> [(&'static str, Vec<u8>); 2] {
    let qonnx = write_qonnx(graph).unwrap_or_else(|e| panic!("{e}"));
    let qdq = write_qdq(graph).unwrap_or_else(|e| panic!("{e}"));
    [("qonnx", qonnx), ("qdq", qdq)]
}

fn run(graph: &Graph) -> Vec<f32> {
    interpreter::run(graph, &pixels([3, 8, 8])).data
}

fn assert_same(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted.iter().fold(0f32, |max, x| max.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= SAME * largest,
            "{what}: output {i} is {found}, not {wanted}"
        );
    }
}

#[test]
fn files_are_those_that_other_runtimes_were_checked_with() {
    for (name, graph) in networks::all() {
        let found = run(&graph);
        for (form, bytes) in forms(&graph) {
            let path = exported(&format!("{name}.{form}.onnx"));
            if std::env::var_os("SUBBYTE_WRITE_EXPORTED").is_some() {
                fs::write(&path, &bytes).expect("a folder that can be written to");
                let data: Vec<u8> = found.iter().flat_map(|x| x.to_le_bytes()).collect();
                fs::write(path.with_extension("expected"), data)
                    .expect("a folder that can be written to");
                continue;
            }
            let checked = fs::read(&path).expect("a checked file");
            assert!(
                checked == bytes,
                "{name} is written differently as {form}: check it with scripts/test-onnx"
            );
            let recorded = floats(&format!("../exported/{name}.{form}.f32"));
            assert_same(&found, &recorded, &format!("{name} as {form}"));
        }
    }
}

#[test]
fn what_is_written_and_read_again_is_the_same_network() {
    for (name, graph) in networks::all() {
        // Pixel tables are ONNX nodes that mean nothing else, but are not read.
        if graph.nodes.iter().any(|node| node.op == Op::PixelTable) {
            continue;
        }
        for (form, bytes) in forms(&graph) {
            let what = format!("{name} as {form}");
            let again = from_bytes(&bytes, None, &ReadOptions::default())
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_same(&run(&again), &run(&graph), &what);
            assert_eq!(again.classes, graph.classes, "{what}");
            assert_eq!(again.name, graph.name, "{what}");
        }
    }
}

/// Bits and signs of the quantizers, in the order of their names.
fn quantizers(graph: &Graph) -> Vec<(String, Quantizer)> {
    let of = |node: &subbyte_graph::Node| match node.op {
        Op::Quantize(quantizer) => Some((node.name.clone(), quantizer)),
        _ => None,
    };
    let mut all: Vec<_> = graph.nodes.iter().filter_map(of).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn quantizers_keep_their_bits() {
    for (name, graph) in networks::all() {
        if !["eight_bits", "few_bits", "imported_int8", "imported_low"].contains(&name) {
            continue;
        }
        let kinds = |graph: &Graph| {
            let mut all: Vec<_> = quantizers(graph)
                .into_iter()
                .map(|q| format!("{:?}", q.1))
                .collect();
            all.sort();
            all
        };
        // A quantized pixel table cannot be read; the others have none.
        if graph.nodes.iter().any(|node| node.op == Op::PixelTable) {
            continue;
        }
        for (form, bytes) in forms(&graph) {
            let again =
                from_bytes(&bytes, None, &ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(kinds(&again), kinds(&graph), "{name} as {form}");
        }
    }
}

#[test]
fn a_step_that_is_not_set_is_named() {
    let (_, mut graph) = networks::all().swap_remove(5);
    let unset = Param {
        storage: Storage::F32(vec![0.0]),
        ..Param::new([1], Role::Scale, vec![0.0])
    };
    graph.params.insert("norm.scale".to_owned(), unset);
    for error in [
        write_qonnx(&graph).unwrap_err(),
        write_qdq(&graph).unwrap_err(),
    ] {
        assert!(matches!(error.kind(), OnnxErrorKind::Write(_)));
        let text = error.to_string();
        assert!(
            text.contains("norm.quantize: its scale `norm.scale` is not set"),
            "{text}"
        );
    }
}
