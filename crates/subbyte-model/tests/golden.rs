//! One file of every version: it reads as the model that it was written from, forever.

mod common;

use subbyte_model::{read, reference, write};

const V1: &[u8] = include_bytes!("golden/v1.sbm");

#[test]
fn version_1_reads_as_it_was_written() {
    assert_eq!(read(V1), Ok(common::every_op()));
}

#[test]
fn the_current_version_is_written_to_the_byte() {
    assert_eq!(write(&common::every_op()).unwrap(), V1);
}

#[test]
fn the_test_vector_holds_the_logits_of_the_reference() {
    let model = read(V1).unwrap();
    let vector = &model.vectors[0];
    assert_eq!(vector.logits, [-82, -70_179, -81]);
    assert_eq!(
        reference::run(&model, &vector.image),
        Ok(vector.logits.clone())
    );
}
