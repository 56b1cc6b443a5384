use std::collections::BTreeMap;

use proptest::prelude::*;
use subbyte_num::Packed;

use super::*;
use crate::{
    CodedRows, Param, Storage,
    networks::{NETWORKS, NetworkConfig, build},
};

/// A small network with one weight stored as codes, class names and extras.
fn example() -> (Graph, Extras) {
    let config = NetworkConfig {
        height: 28,
        width: 28,
        ..NetworkConfig::default()
    };
    let mut graph = build("lenet5", &config).unwrap();
    graph.classes = (0..10).map(|i| format!("class \"{i}\" é")).collect();
    let weight: &mut Param = graph.params.get_mut("linear2.weight").unwrap();
    let codes: Vec<u8> = (0..weight.len()).map(|i| (i * 5 % 8) as u8).collect();
    weight.storage = Storage::Codes(vec![CodedRows {
        codebook: vec![0.0, 1.0, 2.0, 4.0, -0.0, -1.0, -2.0, -4.0],
        scales: (1..=weight.shape[0]).map(|i| 1.0 / i as f32).collect(),
        multipliers: None,
        codes: Packed::new(3, &codes),
    }]);
    let tensors = [
        (
            "momentum/linear2.weight",
            vec![2, 3],
            vec![1.5, f32::MIN_POSITIVE, -0.0, 3.0, f32::NAN, f32::INFINITY],
        ),
        ("empty", vec![0], vec![]),
        ("scalar", vec![], vec![0.1]),
    ];
    let tensors = tensors.map(|(name, shape, data)| (name.to_owned(), (shape, data)));
    let text = [("recipe", "[network]\nname = \"lenet5\"\n"), ("epoch", "3")];
    let extras = Extras {
        tensors: tensors.into(),
        text: text.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    };
    (graph, extras)
}

/// Bits of numbers, so that NaN and -0 are compared too.
fn bits(extras: &Extras) -> BTreeMap<&String, (&Vec<usize>, Vec<u32>)> {
    let tensors = extras.tensors.iter();
    tensors
        .map(|(name, (shape, data))| (name, (shape, data.iter().map(|x| x.to_bits()).collect())))
        .collect()
}

#[test]
fn what_is_read_is_what_was_written() {
    let (graph, extras) = example();
    let bytes = to_bytes(&graph, &extras).unwrap();
    let (graph_again, extras_again) = from_bytes(&bytes).unwrap();
    assert_eq!(graph, graph_again);
    assert_eq!(bits(&extras), bits(&extras_again));
    assert_eq!(extras.text, extras_again.text);
    assert_eq!(bytes, to_bytes(&graph_again, &extras_again).unwrap());
}

#[test]
fn every_network_survives_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.sbg");
    for network in NETWORKS
        .iter()
        .filter(|network| !network.name.starts_with("resnet18"))
    {
        let graph = build(network.name, &NetworkConfig::default()).unwrap();
        save(&path, &graph, &Extras::default()).unwrap();
        assert_eq!(load(&path).unwrap(), (graph, Extras::default()));
    }
}

#[test]
fn codes_take_their_bits_on_disk() {
    let (graph, extras) = example();
    let codes = to_bytes(&graph, &extras).unwrap().len();
    let mut graph = graph;
    let weight = graph.params.get_mut("linear2.weight").unwrap();
    weight.storage = Storage::F32(weight.to_vec());
    let floats = to_bytes(&graph, &extras).unwrap().len();
    let saved = weight_bytes(&graph, 32) - weight_bytes(&graph, 3);
    let overhead = 4 * (84 + 8) + 400;
    assert!(
        codes < floats - saved + overhead,
        "{codes} bytes, {floats} as f32"
    );
}

fn weight_bytes(graph: &Graph, bits: usize) -> usize {
    graph.params["linear2.weight"].len() * bits / 8
}

#[test]
fn graphs_that_could_not_be_read_again_are_not_written() {
    let (mut graph, mut extras) = example();
    extras.tensors.insert("short".into(), (vec![2], vec![1.0]));
    let error = to_bytes(&graph, &extras).unwrap_err();
    assert!(matches!(error.kind(), SbgErrorKind::Content(_)), "{error}");
    let bias = graph.params.get_mut("classifier.bias").unwrap();
    bias.storage = Storage::F32(vec![f32::NAN; 10]);
    let error = to_bytes(&graph, &Extras::default()).unwrap_err();
    assert!(error.to_string().contains("classifier.bias"), "{error}");
}

#[test]
fn errors_name_the_file_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.sbg");
    let error = load(&path).unwrap_err();
    assert!(matches!(error.kind(), SbgErrorKind::Read(_)));
    assert!(error.to_string().contains("run.sbg"), "{error}");
    std::fs::write(&path, b"PNG").unwrap();
    let error = load(&path).unwrap_err().to_string();
    assert!(
        error.contains("run.sbg") && error.contains("no .sbg file"),
        "{error}"
    );
    let (graph, extras) = example();
    let error = save(folder.path().join("missing/run.sbg"), &graph, &extras).unwrap_err();
    assert!(matches!(error.kind(), SbgErrorKind::Write(_)));
}

/// `bytes` with `from` replaced by `to` in its header, under a checksum that is right again.
fn with_header(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (length, rest) = bytes.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = String::from_utf8(header.to_vec()).unwrap();
    assert!(header.contains(from), "{from} is in the header");
    let header = header.replace(from, to).into_bytes();
    let mut bytes = [&(header.len() as u64).to_le_bytes(), &header[..], data].concat();
    checksum::seal(&mut bytes);
    bytes
}

#[test]
fn every_changed_byte_is_noticed() {
    let (graph, extras) = example();
    let bytes = to_bytes(&graph, &extras).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for place in (0..header).chain((header..bytes.len()).step_by(61)) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1 << (place % 8);
        assert!(from_bytes(&damaged).is_err(), "byte {place}");
    }
}

#[test]
fn contradictions_are_told_apart() {
    let (graph, extras) = example();
    let bytes = to_bytes(&graph, &extras).unwrap();
    let error = |from: &str, to: &str| from_bytes(&with_header(&bytes, from, to)).unwrap_err();
    for (from, to, expected) in [
        ("subbyte.graph", "another.graph", "without a subbyte graph"),
        ("\\\"version\\\":1", "\\\"version\\\":2", "update subbyte"),
        (
            "param/conv1.weight",
            "param/conv9.weight",
            "`param/conv1.weight` is missing",
        ),
        (
            "extra/scalar",
            "other/scalar",
            "nothing uses tensor `other/scalar`",
        ),
        (
            "\\\"op\\\":\\\"relu\\\"",
            "\\\"op\\\":\\\"tanh\\\"",
            "unknown variant `tanh`",
        ),
        (
            "\\\"bits\\\":3",
            "\\\"bits\\\":4",
            "codes of `linear2.weight`",
        ),
        (
            "\\\"role\\\":\\\"bias\\\"",
            "\\\"role\\\":\\\"norm\\\"",
            "use Bias",
        ),
    ] {
        let error = error(from, to).to_string();
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let (graph, extras) = example();
    let bytes = to_bytes(&graph, &extras).unwrap();
    for length in (0..bytes.len())
        .step_by(997)
        .chain(bytes.len() - 16..bytes.len())
    {
        assert!(from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(from_bytes(&[&bytes[..], b"\0"].concat()).is_err());
}

#[test]
fn offsets_near_the_end_of_the_address_space_are_an_error() {
    let tensors: Vec<String> = (0..8u64)
        .map(|i| {
            let [start, end] = [i, i + 1].map(|i| i * (u64::MAX / 8));
            format!(
                r#""t{i}":{{"dtype":"U8","shape":[{}],"data_offsets":[{start},{end}]}}"#,
                end - start
            )
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(",")).into_bytes();
    let bytes = [&(header.len() as u64).to_le_bytes(), &header[..]].concat();
    assert!(from_bytes(&bytes).is_err());
    assert!(from_bytes(&[0xff; 64]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Changed bytes under a checksum that is right again give an error or another valid graph, never a panic.
    #[test]
    fn damaged_bytes_never_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (graph, extras) = example();
        let mut bytes = to_bytes(&graph, &extras).unwrap();
        // Half of the damage goes into the header, which is the smaller part.
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for (i, (index, value)) in changes.into_iter().enumerate() {
            let range = if i % 2 == 0 { header } else { bytes.len() };
            bytes[index.index(range)] = value;
        }
        checksum::seal(&mut bytes);
        if let Ok((graph, extras)) = from_bytes(&bytes) {
            prop_assert!(graph.validate().is_ok());
            prop_assert!(to_bytes(&graph, &extras).is_ok());
        }
    }

    /// Numbers in the description come back to the bit.
    #[test]
    fn attributes_are_exact(mean in any::<f32>(), eps in 0.0f32..1.0) {
        prop_assume!(mean.is_finite());
        let config = NetworkConfig { mean: vec![mean], first: crate::networks::FirstLayer::Float, ..NetworkConfig::default() };
        let mut graph = build("small", &config).unwrap();
        for node in &mut graph.nodes {
            if let crate::Op::BatchNorm { eps: old } = &mut node.op {
                *old = eps;
            }
        }
        let (again, _) = from_bytes(&to_bytes(&graph, &Extras::default()).unwrap()).unwrap();
        prop_assert_eq!(graph, again);
    }
}
