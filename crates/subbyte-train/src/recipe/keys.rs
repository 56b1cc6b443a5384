use toml::{Table, Value};

/// A key of a recipe.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, dotted where it lies in a table.
    pub name: &'static str,
    /// What its value must be.
    pub expected: &'static str,
}

macro_rules! keys {
    ($($name:literal: $expected:literal,)*) => {
        /// All keys of a recipe, in the order of the file.
        pub const KEYS: &[Key] = &[$(Key { name: $name, expected: $expected }),*];
    };
}

keys! {
    "network": "the name of a built-in network or \"imported\"",
    "bits": "\"float\" or weight and activation bits such as \"w2a2\"",
    "residual-bits": "a whole number of bits",
    "first": "\"float\", \"eight-bit\" or \"body\"",
    "last": "\"float\", \"eight-bit\" or \"body\"",
    "input": "\"table\", \"naive\", \"planes\", \"thermometer\" or \"generalised-thermometer\"",
    "weight-quantizer": "\"lsq\" or \"dorefa\"",
    "binary-scale": "\"channel\" or \"tensor\"",
    "activation-quantizer": "\"lsq\", \"mid-tread-half\", \"dorefa\" or \"pact\"",
    "from": "the path of a .sbg, ONNX, safetensors or PyTorch file",
    "from-scales": "\"keep\" or \"new\"",
    "preprocess": "\"torch\", \"caffe\", \"tf\", \"unit\" or \"raw\"",
    "normalize": "\"data\" or \"imagenet\"",
    "teacher": "the path of a .sbg or ONNX file",
    "teacher-weight": "a number",
    "teacher-temperature": "a number",
    "epochs": "a whole number",
    "batch-size": "a whole number of images",
    "seed": "a whole number",
    "optimizer": "\"sgd\" or \"adam\"",
    "momentum": "a number",
    "nesterov": "true or false",
    "learning-rate": "a number",
    "schedule": "\"constant\", \"cosine\" or \"steps\"",
    "steps-at": "a list of epochs such as [100, 150]",
    "step-factor": "a number",
    "warm-up-epochs": "a number of epochs",
    "weight-decay": "a number",
    "step-gradient-scale": "a number",
    "dampening": "a number",
    "label-smoothing": "a number",
    "reestimation-images": "a whole number of images",
    "data.path": "\"builtin\" or the path of a data set",
    "data.size": "a whole number of pixels",
    "data.shorter-side": "a whole number of pixels",
    "data.validation": "a number",
    "augment.pad": "a whole number of pixels",
    "augment.flip": "true or false",
    "augment.crop": "a number",
    "augment.cutout": "a whole number of pixels",
    "table.depth": "a whole number of codes",
    "table.rows": "a whole number of rows",
    "table.bits": "a whole number of bits",
    "table.shared": "true or false",
    "table.init": "\"uniform\", \"thermometer\", \"generalised-thermometer\", \"linear\" or \"bit-planes\"",
    "table.smoothness": "a number",
    "table.learning-rate-factor": "a number",
    "table.equalise": "true or false",
}

/// The key called `name`; otherwise a message with the nearest one.
pub(super) fn find(name: &str) -> Result<&'static Key, String> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    // Someone who writes `depth` or `smoothness` means the key of that name inside a table.
    let distance = |key: &Key| {
        let last = key.name.rsplit('.').next().unwrap_or(key.name);
        edit_distance(name, key.name).min(edit_distance(name, last))
    };
    let nearest = KEYS.iter().min_by_key(|key| distance(key));
    Err(match nearest {
        Some(key) => format!(
            "unknown key `{name}`; the nearest known one is `{}`",
            key.name
        ),
        None => format!("unknown key `{name}`"),
    })
}

/// All values of a recipe file with their dotted keys.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => leaves.extend(
                inner
                    .iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value.clone())),
            ),
            value => leaves.push((name.clone(), value.clone())),
        }
    }
    leaves
}

/// The value of a dotted key.
pub(super) fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((outer, inner)) => table.get(outer)?.get(inner),
        None => table.get(key),
    }
}

/// Sets the value of a dotted key.
pub(super) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        Some((outer, inner)) => {
            let entry = table
                .entry(outer)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(table) = entry {
                table.insert(inner.into(), value);
            }
        }
        None => {
            table.insert(key.into(), value);
        }
    }
}

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
