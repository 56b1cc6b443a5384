use super::*;
use std::fs;

const TABLE: &str = r#"
epochs = 3
[rows.body]
first = "float"
last = "float"
from = "{sweep}/float-seed{seed}/final.sbg"
[rows.float]
bits = "float"
[rows.bit-planes]
input = "planes"
table.bits = 1
from = "{sweep}/body-seed{seed}/final.sbg"
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn plan(
        &self,
        files: &[&str],
        sets: &[&str],
        grid: &[&str],
        seeds: u32,
    ) -> Result<Sweep, TrainError> {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let spec = SweepSpec {
            recipes: files.iter().map(|file| self.0.path().join(file)).collect(),
            sets: texts(sets),
            grid: texts(grid),
            seeds,
        };
        spec.plan(&self.0.path().join("sweep"))
    }

    fn refusal(&self, files: &[&str], sets: &[&str], grid: &[&str], seeds: u32) -> String {
        let refused = self.plan(files, sets, grid, seeds);
        refused.expect_err("accepted").to_string()
    }
}

fn names(sweep: &Sweep) -> Vec<&str> {
    sweep.runs().iter().map(|run| run.name.as_str()).collect()
}

#[test]
fn a_grid_is_the_product_of_its_axes() {
    let place = Place::new(&[("a.toml", "epochs = 20")]);
    let grid = ["bits=w1a2,w2a2", "steps-at = [5, 10],[7]"];
    let sweep = place
        .plan(&["a.toml"], &["schedule=steps"], &grid, 2)
        .unwrap();
    assert_eq!(
        sweep.cells(),
        [
            "bits=w1a2,steps-at=_5,_10_",
            "bits=w1a2,steps-at=_7_",
            "bits=w2a2,steps-at=_5,_10_",
            "bits=w2a2,steps-at=_7_"
        ]
    );
    assert_eq!(sweep.runs().len(), 8);
    let run = &sweep.runs()[6];
    assert_eq!(
        (run.name.as_str(), run.recipe.seed),
        ("bits=w2a2,steps-at=_5,_10_-seed2", 2)
    );
    assert_eq!(run.recipe.steps_at, [5, 10]);
    assert_eq!(run.recipe.bits.to_string(), "w2a2");
}

#[test]
fn the_first_seed_of_every_row_comes_first_and_what_a_run_needs_before_it() {
    let place = Place::new(&[("table.toml", TABLE)]);
    let sweep = place.plan(&["table.toml"], &["epochs=2"], &[], 2).unwrap();
    assert_eq!(sweep.cells(), ["body", "float", "bit-planes"]);
    assert_eq!(
        names(&sweep),
        [
            "float-seed1",
            "body-seed1",
            "bit-planes-seed1",
            "float-seed2",
            "body-seed2",
            "bit-planes-seed2"
        ]
    );
    let needs: Vec<&[usize]> = sweep.runs().iter().map(|run| &run.needs[..]).collect();
    assert_eq!(needs, [&[][..], &[0], &[1], &[], &[3], &[4]]);
    let planes = &sweep.runs()[5].recipe;
    assert_eq!(
        (planes.epochs, planes.seed, planes.table.bits),
        (2, 2, Some(1))
    );
    let from = planes.from.as_ref().unwrap();
    assert_eq!(*from, sweep.folder().join("body-seed2/final.sbg"));
}

#[test]
fn several_files_are_told_apart_by_their_names_and_keep_their_folders() {
    let place = Place::new(&[("a.toml", "data.path = \"images\""), ("b.toml", TABLE)]);
    let refusal = place.refusal(&["a.toml", "b.toml"], &[], &[], 1);
    assert!(
        refusal.contains("float-seed1") && refusal.contains("no run of this sweep"),
        "{refusal}"
    );
    let sweep = place.plan(&["a.toml"], &[], &[], 1).unwrap();
    assert_eq!(names(&sweep), ["a-seed1"]);
    let images = place.0.path().join("images").display().to_string();
    assert_eq!(sweep.runs()[0].recipe.data.path, images);
}

#[test]
fn runs_are_chosen_by_their_name_or_by_that_of_their_cell() {
    let place = Place::new(&[("table.toml", TABLE)]);
    let sweep = place.plan(&["table.toml"], &[], &[], 2).unwrap();
    let select = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        sweep.select(&names)
    };
    assert_eq!(select(&[]).unwrap(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(select(&["body", "bit-planes-seed1"]).unwrap(), [1, 2, 4]);
    let refusal = select(&["bit-planes-seed3"]).unwrap_err().to_string();
    assert!(
        refusal.contains("bit-planes-seed3") && refusal.contains("`body`"),
        "{refusal}"
    );
}

#[test]
fn what_is_wrong_is_said_before_anything_is_trained() {
    let place = Place::new(&[
        ("a.toml", ""),
        (
            "unknown.toml",
            "epoch = 3\n[rows.a]\nbits = \"w2a2\"\n[rows.b]\n",
        ),
        ("row.toml", "[rows.a]\ndepth = 3\n"),
        ("name.toml", "[rows.\"a/b\"]\n"),
        ("seed.toml", "[rows.a]\nseed = 3\n"),
        ("no-rows.toml", "rows = 3\n"),
        (
            "cycle.toml",
            "[rows.a]\nfrom = \"{sweep}/b-seed1/final.sbg\"\n[rows.b]\nfrom = \"{sweep}/a-seed{seed}/final.sbg\"\n",
        ),
    ]);
    type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str], u32, &'a [&'a str]);
    let cases: &[Case] = &[
        ("a.toml", &[], &[], 0, &["seeds", "at least 1"]),
        ("a.toml", &[], &["bit=w1a2,w2a2"], 1, &["`bit`", "`bits`"]),
        ("a.toml", &[], &["bits"], 1, &["bits"]),
        ("a.toml", &[], &["bits=w1a2,"], 1, &["bits"]),
        (
            "a.toml",
            &[],
            &["bits=w1a2,w1a2"],
            1,
            &["two cells", "bits=w1a2"],
        ),
        (
            "a.toml",
            &[],
            &["bits=w1a2,w9a2"],
            1,
            &["bits=w9a2: ", "1 to 8"],
        ),
        (
            "a.toml",
            &[],
            &["epochs=1", "epochs=2"],
            1,
            &["epochs", "twice"],
        ),
        (
            "a.toml",
            &[],
            &["seed=1,2"],
            1,
            &["seed", "number of seeds"],
        ),
        ("a.toml", &["sed=1"], &[], 1, &["`seed`"]),
        ("none.toml", &[], &[], 1, &["none.toml"]),
        (
            "unknown.toml",
            &[],
            &[],
            1,
            &["unknown.toml", "`epoch`", "`epochs`"],
        ),
        ("row.toml", &[], &[], 1, &["a: ", "table.depth"]),
        ("name.toml", &[], &[], 1, &["a/b", "letters"]),
        ("seed.toml", &[], &[], 1, &["row `a`", "seed"]),
        ("no-rows.toml", &[], &[], 1, &["rows"]),
        ("cycle.toml", &[], &[], 1, &["needs itself"]),
    ];
    for (file, sets, grid, seeds, parts) in cases {
        let refusal = place.refusal(&[file], sets, grid, *seeds);
        for part in *parts {
            assert!(
                refusal.contains(part),
                "{file} {grid:?}: {part} is not in: {refusal}"
            );
        }
    }
    assert!(!place.0.path().join("sweep").exists());
}

#[test]
fn a_teacher_comes_first_and_a_moved_sweep_is_the_same() {
    let rows = "[rows.a]\nteacher = \"{sweep}/b-seed{seed}/final.sbg\"\n[rows.b]\n";
    let place = Place::new(&[("rows.toml", rows)]);
    let sweep = place.plan(&["rows.toml"], &[], &[], 1).unwrap();
    assert_eq!(names(&sweep), ["b-seed1", "a-seed1"]);
    let run = &sweep.runs()[1];
    assert_eq!(sweep.differences(run).unwrap(), None);

    let folder = sweep.run_folder(run);
    fs::create_dir_all(folder.path()).unwrap();
    let mut moved = run.recipe.clone();
    moved.teacher = Some("/elsewhere/sweep/b-seed1/final.sbg".into());
    fs::write(folder.recipe(), moved.to_toml()).unwrap();
    assert_eq!(sweep.differences(run).unwrap(), Some(vec![]));
    moved.teacher = Some("/elsewhere/sweep/c-seed1/final.sbg".into());
    fs::write(folder.recipe(), moved.to_toml()).unwrap();
    assert_eq!(sweep.differences(run).unwrap().unwrap().len(), 1);
}

#[test]
fn networks_from_elsewhere_are_listed() {
    let place = Place::new(&[("a.toml", "from = \"trained.sbg\"")]);
    let sweep = place.plan(&["a.toml"], &[], &[], 1).unwrap();
    let run = &sweep.runs()[0];
    assert_eq!(
        (run.needs.len(), &run.networks[..]),
        (0, &[place.0.path().join("trained.sbg")][..])
    );
}

#[test]
fn a_file_with_rows_is_no_recipe() {
    let refusal = Recipe::parse(TABLE).unwrap_err().to_string();
    assert!(refusal.contains("subbyte sweep"), "{refusal}");
}
