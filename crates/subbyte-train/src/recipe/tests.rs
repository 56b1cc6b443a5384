use super::*;

fn problems(result: Result<impl std::fmt::Debug, TrainError>) -> String {
    result.expect_err("accepted").to_string()
}

#[test]
fn a_written_recipe_reads_back_the_same() {
    let mut recipe = Recipe {
        network: "resnet20".into(),
        from: Some("float.sbg".into()),
        input: Some(Input::GeneralisedThermometer),
        schedule: Schedule::Steps,
        steps_at: vec![3, 5],
        ..Recipe::default()
    };
    recipe.table.bits = Some(3);
    assert_eq!(Recipe::parse(&recipe.to_toml()).unwrap(), recipe);
}

#[test]
fn every_key_of_a_written_recipe_is_described_once_and_the_other_way_round() {
    let recipe = Recipe {
        from: Some("float.sbg".into()),
        teacher: Some("float.sbg".into()),
        preprocess: Some(Preprocess::Torch),
        input: Some(Input::Table),
        data: DataRecipe {
            size: Some(224),
            shorter_side: Some(256),
            ..DataRecipe::default()
        },
        augment: AugmentRecipe {
            crop: Some(0.08),
            ..AugmentRecipe::default()
        },
        table: TableRecipe {
            bits: Some(2),
            ..TableRecipe::default()
        },
        ..Recipe::default()
    };
    let mut written: Vec<String> = keys::leaves(&recipe.to_toml().parse().unwrap())
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let mut described: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    written.sort();
    described.sort();
    assert_eq!(written, described);
}

#[test]
fn values_are_set_from_words_numbers_and_lists() {
    let mut recipe = Recipe::default();
    for assignment in [
        "network=resnet20",
        "bits = w1a2",
        "learning-rate=1",
        "steps-at=[2, 4]",
        "table.depth=32",
        "table.init=\"linear\"",
        "data.path=/data/cifar 100",
        "augment.flip=true",
    ] {
        recipe.set(assignment).unwrap();
    }
    assert_eq!(recipe.network, "resnet20");
    assert_eq!(recipe.bits.to_string(), "w1a2");
    assert_eq!(recipe.learning_rate, 1.0);
    assert_eq!(recipe.steps_at, [2, 4]);
    assert_eq!(recipe.table.depth, 32);
    assert_eq!(recipe.data.path, "/data/cifar 100");
    assert!(recipe.augment.flip);
}

#[test]
fn an_unknown_key_is_answered_with_the_nearest_known_one() {
    let mut recipe = Recipe::default();
    for (wrong, right) in [
        ("epoch=3", "`epochs`"),
        ("learning_rate=3", "`learning-rate`"),
        ("depth=3", "`table.depth`"),
        ("data.validatoin=0.2", "`data.validation`"),
    ] {
        let message = problems(recipe.set(wrong));
        assert!(message.contains(right), "{message}");
    }
    assert_eq!(recipe, Recipe::default());
}

#[test]
fn all_wrong_keys_of_a_file_are_named_at_once_with_what_they_should_be() {
    let message = problems(Recipe::parse(
        "epochs = \"ten\"\nbits = \"2\"\nfirst = \"eight\"\nseed = -1\n[table]\ndeep = 3\n",
    ));
    for part in [
        "`epochs`",
        "a whole number",
        "`bits`",
        "w2a2",
        "`first`",
        "eight-bit",
        "`seed`",
        "`table.deep`",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn all_impossible_combinations_are_listed_at_once() {
    let recipe = Recipe {
        bits: Bits::try_from("w9a2".to_owned()).unwrap(),
        residual_bits: 0,
        weight_quantizer: WeightQuantizer::Dorefa,
        dampening: 0.1,
        teacher_weight: 2.0,
        batch_size: 1,
        steps_at: vec![3],
        learning_rate: f64::NAN,
        warm_up_epochs: 100.0,
        ..Recipe::default()
    };
    let message = problems(recipe.validate());
    for key in [
        "`bits`",
        "`residual-bits`",
        "`dampening`",
        "`teacher-weight`",
        "`batch-size`",
        "`steps-at`",
        "`learning-rate`",
        "`warm-up-epochs`",
    ] {
        assert!(message.contains(key), "{key} is not in: {message}");
    }
    Recipe::default().validate().unwrap();
}

#[test]
fn differences_name_the_keys_but_not_where_the_data_lie() {
    let mut other = Recipe::default();
    other.set("data.path=/elsewhere").unwrap();
    assert!(Recipe::default().differences(&other).is_empty());
    other.set("seed=2").unwrap();
    other.set("from=a.sbg").unwrap();
    let differences = other.differences(&Recipe::default());
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert!(differences.iter().any(|d| d == "seed: 2 here, 1 there"));
}

#[test]
fn a_missing_recipe_and_broken_toml_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.toml");
    assert!(problems(Recipe::load(&path)).contains("broken.toml"));
    std::fs::write(&path, "epochs = = 3").unwrap();
    assert!(problems(Recipe::load(&path)).contains("broken.toml"));
}

#[test]
fn relative_paths_lie_beside_the_recipe_and_stay_where_they_are_when_it_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(
        &path,
        "from = \"float.sbg\"\nteacher = \"teacher.sbg\"\n[data]\npath = \"images\"\n",
    )
    .unwrap();
    let recipe = Recipe::load(&path).unwrap();
    assert_eq!(recipe.from, Some(folder.path().join("float.sbg")));
    assert_eq!(recipe.teacher, Some(folder.path().join("teacher.sbg")));
    assert_eq!(Path::new(&recipe.data.path), folder.path().join("images"));
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let copy = folder.path().join("run/recipe.toml");
    std::fs::write(&copy, recipe.to_toml()).unwrap();
    assert_eq!(Recipe::load(&copy).unwrap(), recipe);
}
