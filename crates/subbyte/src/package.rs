use alloc::{borrow::ToOwned, string::ToString};

use subbyte_engine::{Plan, RunError};
use subbyte_model::{Model, TestVector};

/// Test vectors that a model carries unless told otherwise.
pub const TEST_VECTORS: usize = 4;

/// Notes where a model comes from, in place of an earlier note of the same name.
pub fn add_provenance(model: &mut Model, name: &str, value: impl ToString) {
    model.provenance.retain(|(other, _)| other != name);
    model.provenance.push((name.to_owned(), value.to_string()));
}

/// Replaces the model's test vectors by `images`, u8 `[height][width][colours]` each, with the logits that `plan`, made of the
/// model, gives them.
///
/// # Errors
/// If an image has another size than the model's input.
pub fn add_test_vectors<'a>(
    model: &mut Model,
    plan: &Plan,
    images: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), RunError> {
    let mut arena = plan.arena();
    let vectors = images.into_iter().map(|image| {
        let logits = plan.run(&mut arena, image)?.to_vec();
        let image = image.to_vec();
        Ok(TestVector { image, logits })
    });
    model.vectors = vectors.collect::<Result<_, _>>()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use subbyte_engine::Options;
    use subbyte_model::{reference, testing};

    #[test]
    fn vectors_hold_the_logits_of_the_reference() {
        let mut model = testing::random_model(7);
        let plan = Plan::new(&model, Options::default()).unwrap();
        let images: Vec<_> = (0..3).map(|i| testing::random_image(&model, i)).collect();
        add_test_vectors(&mut model, &plan, images.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(model.vectors.len(), 3);
        for (vector, image) in model.vectors.iter().zip(&images) {
            assert_eq!(vector.image, *image);
            assert_eq!(vector.logits, reference::run(&model, image).unwrap());
        }
        let before = model.vectors.clone();
        assert!(add_test_vectors(&mut model, &plan, [&images[0][1..]]).is_err());
        assert_eq!(model.vectors, before);
    }

    #[test]
    fn a_note_replaces_the_one_of_its_name() {
        let mut model = testing::random_model(7);
        add_provenance(&mut model, "top1", 0.5);
        add_provenance(&mut model, "top1", 0.75);
        let notes = model.provenance.iter().filter(|(name, _)| name == "top1");
        assert_eq!(
            notes.map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
            ["0.75"]
        );
    }
}
