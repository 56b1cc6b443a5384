//! Prints the logits of an image, raw u8 `[height][width][colours]`, one a line, by the reference interpreter:
//! `cargo run --release -p subbyte-engine --example logits -- FILE.sbm IMAGE`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, image] = &arguments[..] else {
        return Err("give FILE.sbm IMAGE".into());
    };
    let model = subbyte_model::read(&std::fs::read(model)?)?;
    for logit in subbyte_model::reference::run(&model, &std::fs::read(image)?)? {
        println!("{logit}");
    }
    Ok(())
}
