//! What broken files and networks are told.

use prost::Message;

use super::from_bytes;
use crate::{
    ReadOptions,
    schema::{
        AttributeProto, DimensionProto, DimensionValue, EXTERNAL, GraphProto, ModelProto,
        NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto,
        TensorTypeProto, TypeProto, ValueInfoProto, data_type,
    },
};

/// A network of one convolution, 3 to 4 channels of an 8 x 8 image.
fn small() -> ModelProto {
    let graph = GraphProto {
        node: vec![node("Conv", &["input", "weight"], "logits")],
        name: Some("small".into()),
        initializer: vec![floats("weight", &[4, 3, 1, 1])],
        input: vec![image("input", &[1, 3, 8, 8])],
        output: vec![image("logits", &[])],
    };
    ModelProto {
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(18),
        }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(format!("the {op}")),
        op_type: Some(op.to_owned()),
        ..NodeProto::default()
    }
}

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(data_type::FLOAT),
        float_data: vec![0.5; dims.iter().product::<i64>() as usize],
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        dims: vec![values.len() as i64],
        data_type: Some(data_type::INT64),
        int64_data: values.to_vec(),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    }
}

fn image(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&n: &i64| DimensionProto {
        value: Some(DimensionValue::Length(n)),
    };
    let tensor_type = TensorTypeProto {
        elem_type: Some(data_type::FLOAT),
        shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
        }),
    };
    ValueInfoProto {
        doc_string: None,
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
        }),
    }
}

fn ints_attribute(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        ints: ints.to_vec(),
        ..AttributeProto::default()
    }
}

/// The message about the small network after `change`.
fn message(change: impl FnOnce(&mut GraphProto)) -> String {
    let mut model = small();
    change(model.graph.as_mut().expect("a graph"));
    let bytes = model.encode_to_vec();
    let read = from_bytes(&bytes, None, &ReadOptions::default());
    read.expect_err("should be refused").to_string()
}

/// Asserts that `change` makes a file whose message contains `expected`.
fn refuse(expected: &str, change: impl FnOnce(&mut GraphProto)) {
    let message = message(change);
    assert!(message.contains(expected), "`{expected}` in\n{message}");
}

#[test]
fn the_small_network_is_sound() {
    let read = from_bytes(&small().encode_to_vec(), None, &ReadOptions::default());
    assert_eq!(read.map(|graph| graph.name).ok(), Some("small".into()));
}

#[test]
fn what_is_no_model_is_said_to_be_none() {
    let error = |bytes: &[u8]| {
        from_bytes(bytes, None, &ReadOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error(b"PK\x03\x04 not an ONNX file").contains("is no ONNX file"));
    assert!(error(b"").contains("has no graph"));
    for version in [12, 26] {
        let mut model = small();
        model.opset_import[0].version = Some(version);
        let message = error(&model.encode_to_vec());
        assert!(
            message.contains(&format!("uses opset {version}")),
            "{message}"
        );
    }
    let mut model = small();
    model.opset_import.clear();
    assert!(error(&model.encode_to_vec()).contains("which version"));
}

#[test]
fn nodes_must_follow_from_each_other() {
    refuse("`nowhere` of node `the Conv`", |g| {
        g.node[0].input[0] = "nowhere".into();
    });
    refuse("`weight` of node `the Conv`", |g| g.initializer.clear());
    refuse("wait for each other: `the Relu`, `the Neg`", |g| {
        g.node.push(node("Relu", &["b"], "a"));
        g.node.push(node("Neg", &["a"], "b"));
    });
    refuse("makes the tensor `logits` twice", |g| {
        g.node.push(node("Relu", &["input"], "logits"));
    });
    refuse("output `elsewhere`: no node makes it", |g| {
        g.output[0].name = Some("elsewhere".into());
    });
    refuse("has no outputs", |g| g.output.clear());
}

#[test]
fn the_order_of_nodes_in_the_file_does_not_matter() {
    let mut model = small();
    let graph = model.graph.as_mut().unwrap();
    graph.node[0].output[0] = "features".into();
    graph.node.insert(0, node("Relu", &["features"], "logits"));
    assert!(from_bytes(&model.encode_to_vec(), None, &ReadOptions::default()).is_ok());
}

#[test]
fn the_input_must_be_an_image() {
    refuse("has no input", |g| {
        g.input.clear();
        g.initializer.push(floats("input", &[1, 3, 8, 8]));
    });
    refuse("is one of several inputs and has neither 1, 2 nor 4", |g| {
        g.input.push(image("more", &[1, 2, 3]));
    });
    refuse("is no batch of images", |g| {
        g.input = vec![image("input", &[1, 100])];
    });
    refuse("neither 1 nor 3 colours", |g| {
        g.input = vec![image("input", &[1, 4, 8, 8])];
    });
    refuse("too large", |g| {
        g.input = vec![image("input", &[1, 3, 1 << 40, 1 << 40])];
    });
    refuse("leaves height or width open", |g| {
        g.input = vec![image("input", &[1, 3, -1, 0])];
    });
}

#[test]
fn constants_must_be_whole() {
    refuse("has 5 numbers, its shape [4, 3, 1, 1] needs 12", |g| {
        g.initializer[0].float_data.truncate(5);
    });
    refuse("has 7 bytes, its shape [4, 3, 1, 1] needs 48", |g| {
        g.initializer[0].raw_data = Some(vec![0; 7]);
    });
    refuse("has the shape [4, -3, 1, 1]", |g| {
        g.initializer[0].dims[1] = -3;
    });
    refuse("is too large", |g| {
        g.initializer[0].dims = vec![i64::MAX, i64::MAX];
    });
    refuse("is too large", |g| {
        g.initializer[0].dims = vec![0, i64::MAX, i64::MAX];
    });
    refuse("element type 8", |g| g.initializer[0].data_type = Some(8));
    refuse("holds NaN", |g| g.initializer[0].float_data[3] = f32::NAN);
}

#[test]
fn shapes_must_fit() {
    refuse("reads 5 channels a group, its input has 3", |g| {
        g.initializer[0] = floats("weight", &[4, 5, 1, 1]);
    });
    refuse("larger than its padded input", |g| {
        g.initializer[0] = floats("weight", &[1, 3, 9, 9]);
    });
    refuse("two spatial axes", |g| {
        g.initializer[0] = floats("weight", &[4, 3, 1]);
    });
    refuse("its strides is [-1, 1]", |g| {
        g.node[0].attribute = vec![ints_attribute("strides", &[-1, 1])];
    });
    refuse("its padding is too large", |g| {
        let most = i64::MAX;
        g.node[0] = node("MaxPool", &["input"], "logits");
        g.node[0].attribute = vec![
            ints_attribute("kernel_shape", &[2, 2]),
            ints_attribute("pads", &[most; 4]),
            AttributeProto {
                name: Some("ceil_mode".into()),
                i: Some(1),
                ..AttributeProto::default()
            },
        ];
    });
}

#[test]
fn small_files_cannot_ask_for_much_memory() {
    refuse("many times the file's size", |g| {
        g.initializer.push(ints("shape", &[1 << 20, 1 << 10]));
        g.node.push(node("ConstantOfShape", &["shape"], "zeros"));
    });
    // Every node doubles its input.
    refuse("many times the file's size", |g| {
        g.initializer.push(ints("x0", &[1; 64]));
        for i in 0..40 {
            let input = format!("x{i}");
            let mut node = node("Concat", &[&input, &input], &format!("x{}", i + 1));
            node.attribute = vec![AttributeProto {
                name: Some("axis".into()),
                i: Some(0),
                ..AttributeProto::default()
            }];
            g.node.push(node);
        }
    });
    // Many channels for a shift of each.
    refuse("many times the file's size", |g| {
        g.initializer
            .push(ints("pads", &[0, 0, 0, 0, 0, 1 << 24, 0, 0]));
        g.initializer.push(floats("shift", &[1]));
        g.node = vec![
            node("Pad", &["input", "pads"], "wide"),
            node("Add", &["wide", "shift"], "logits"),
        ];
    });
}

#[test]
fn external_data_may_not_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("model");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("secret"), [0; 48]).unwrap();
    std::fs::write(inside.join("weights"), [0; 48]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret", inside.join("link")).unwrap();
    let read = |location: &str, offset: &str, length: &str| {
        let mut model = small();
        let weight = &mut model.graph.as_mut().unwrap().initializer[0];
        weight.float_data.clear();
        weight.data_location = Some(EXTERNAL);
        let entries = [
            ("location", location),
            ("offset", offset),
            ("length", length),
        ];
        let entries = entries.map(|(key, value)| StringStringEntryProto {
            key: Some(key.into()),
            value: Some(value.into()),
        });
        weight.external_data = entries.to_vec();
        let bytes = model.encode_to_vec();
        from_bytes(&bytes, Some(&inside), &ReadOptions::default()).map_err(|e| e.to_string())
    };
    assert!(read("weights", "0", "48").is_ok());
    let absolute = folder.path().join("secret");
    for location in [
        "../secret",
        "./../secret",
        "link",
        "",
        absolute.to_str().unwrap(),
    ] {
        #[cfg(not(unix))]
        if location == "link" {
            continue;
        }
        let error = read(location, "0", "48").unwrap_err();
        assert!(error.contains("outside the model's folder"), "{error}");
    }
    for (offset, length, expected) in [
        ("8", "48", "too few for 48 from byte 8 on"),
        (
            "0",
            "44",
            "its external data has 44 bytes, its shape needs 48",
        ),
        ("18446744073709551615", "48", "too few"),
        ("-1", "48", "its external offset is `-1`"),
    ] {
        let error = read("weights", offset, length).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn axes_do_not_pile_up() {
    refuse("axes", |g| {
        g.initializer.push(ints("axes", &[0; 20]));
        g.node.push(node("Unsqueeze", &["logits", "axes"], "more"));
    });
}
