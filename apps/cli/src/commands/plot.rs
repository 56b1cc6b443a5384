use std::path::{Path, PathBuf};

use crate::note;
use anyhow::{Context, Result, bail};
use subbyte::train::{Epoch, Record, RunFolder, read_log};
use subbyte_plot::{Figure, Run, code_histograms, pixel_table, training_curves};

use crate::args::{Picture, Plot};
use crate::files;
use crate::output::print;
use crate::pictures;

/// Images whose codes are counted.
const HISTOGRAM_IMAGES: usize = 512;

/// Draws the curves of all runs together, and the pixel table and codes of each network. Prints the files that it wrote.
pub fn run(args: &Plot) -> Result<()> {
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot create the folder {}", args.output.display()))?;
    let mut pictures = Pictures {
        args,
        written: Vec::new(),
    };
    let (logs, networks): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.inputs.iter().partition(|path| is_run(path));
    if !logs.is_empty() {
        let runs = logs
            .iter()
            .map(|path| curves(path))
            .collect::<Result<Vec<_>>>()?;
        pictures.write("curves", &training_curves(&runs)?)?;
    }
    for (path, name) in networks.iter().zip(names(&networks)) {
        pictures.network(path, &name)?;
    }
    print(&pictures.written.join("\n"))
}

/// Whether the input is a run rather than a network.
fn is_run(path: &Path) -> bool {
    path.is_dir()
        || path
            .extension()
            .is_some_and(|extension| extension == "jsonl")
}

/// The curves of a run folder or of its log.
fn curves(path: &Path) -> Result<Run> {
    let log = if path.is_dir() {
        RunFolder::new(path).log()
    } else {
        path.to_owned()
    };
    let records = read_log(&log).with_context(|| format!("{} is no run folder", path.display()))?;
    let epoch = |record| match record {
        Record::Epoch(epoch) => Some(epoch),
        _ => None,
    };
    let epochs: Vec<Epoch> = records.into_iter().filter_map(epoch).collect();
    if epochs.is_empty() {
        bail!(
            "{}: no epoch is finished, so there is nothing to draw yet",
            log.display()
        );
    }
    // A run is known by its folder.
    let folder = if path.is_dir() {
        Some(path)
    } else {
        path.parent()
    };
    let name = folder
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    Ok(pictures::curves(
        &name.unwrap_or_else(|| path.display().to_string()),
        &epochs,
    ))
}

/// Names of the networks' pictures: those of the files, numbered where they would be the same.
fn names(paths: &[&PathBuf]) -> Vec<String> {
    let stems = paths.iter().map(|path| {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    });
    let mut names: Vec<String> = Vec::new();
    for stem in stems {
        let numbered = (2..).map(|i| format!("{stem}-{i}"));
        let mut candidates = std::iter::once(stem.clone()).chain(numbered);
        names.extend(candidates.find(|name| !names.contains(name)));
    }
    names
}

struct Pictures<'a> {
    args: &'a Plot,
    written: Vec<String>,
}

impl Pictures<'_> {
    fn write(&mut self, name: &str, figure: &Figure) -> Result<()> {
        let extension = match self.args.format {
            Picture::Png => "png",
            Picture::Svg => "svg",
        };
        let path = self.args.output.join(format!("{name}.{extension}"));
        figure.write(&path)?;
        self.written.push(path.display().to_string());
        Ok(())
    }

    fn network(&mut self, path: &Path, name: &str) -> Result<()> {
        let (model, noted) =
            files::load_lowered(path, "codes can be drawn of fully quantized networks only")?;
        if let Some(table) = pictures::table_picture(&model) {
            self.write(&format!("{name}-table"), &pixel_table(&table)?)?;
        }
        let Some(data) = self.args.data.as_ref().or(noted.as_ref()) else {
            note!(
                "{}: no code histograms, since it names no data; give --data PATH",
                path.display()
            );
            return Ok(());
        };
        let histograms =
            files::test_data(data, files::model_geometry(&model), files::resize(&model))
                .and_then(|data| pictures::histograms(&model, &data, HISTOGRAM_IMAGES));
        match histograms {
            Ok(histograms) => self.write(&format!("{name}-codes"), &code_histograms(&histograms)?),
            // Data that nobody asked for may be on another machine.
            Err(error) if self.args.data.is_none() => {
                note!(
                    "{}: no code histograms: {}; give --data PATH",
                    path.display(),
                    crate::output::chain(&error)
                );
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn pictures_of_files_of_one_name_do_not_replace_each_other() {
        let paths = ["a/final.sbm", "b/final.sbg", "c/other.sbm", "d/final.sbm"].map(Into::into);
        let paths: Vec<_> = paths.iter().collect();
        assert_eq!(names(&paths), ["final", "final-2", "other", "final-3"]);
    }
}
