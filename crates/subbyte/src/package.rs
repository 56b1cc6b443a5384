use subbyte_data::Dataset;
use subbyte_engine::{Options, Plan};
use subbyte_model::{Model, TestVector};

use crate::Error;
use crate::measure::check;

/// Test vectors that a model carries unless told otherwise.
pub const TEST_VECTORS: usize = 4;

/// Notes where a model comes from, in place of an earlier note of the same name.
pub fn add_provenance(model: &mut Model, name: &str, value: impl ToString) {
    model.provenance.retain(|(other, _)| other != name);
    model.provenance.push((name.to_owned(), value.to_string()));
}

/// Replaces the model's test vectors by `count` images spread over `data`, with the logits that the model gives them.
///
/// # Errors
/// If the data do not fit the model.
pub fn add_test_vectors(model: &mut Model, data: &Dataset, count: usize) -> Result<(), Error> {
    model.vectors.clear();
    let plan = Plan::new(model, Options::default())?;
    check(plan.image_bytes(), plan.classes(), data)?;
    let mut arena = plan.arena();
    for i in 0..count.min(data.len()) {
        let image = data.image(i * data.len() / count);
        let logits = plan.run(&mut arena, image)?.to_vec();
        model.vectors.push(TestVector {
            image: image.to_vec(),
            logits,
        });
    }
    Ok(())
}
