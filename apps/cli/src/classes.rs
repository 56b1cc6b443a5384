//! Which class of a network each folder of images means.

use anyhow::{Result, bail};

/// Folders without a class that an error lists.
const LISTED: usize = 10;

/// The class of each folder: by the classes' names; where no folder is named like a class and all are named by numbers below
/// `count`, by these. `None` where neither says anything, so that only the order of the folders is left.
///
/// # Errors
/// If some folders are named like a class and others are not.
pub fn of_folders(
    folders: &[String],
    names: &[String],
    count: usize,
) -> Result<Option<Vec<usize>>> {
    let named: Vec<Option<usize>> = folders.iter().map(|f| by_name(f, names)).collect();
    let strangers = folders.iter().zip(&named).filter(|(_, c)| c.is_none());
    let strangers: Vec<&str> = strangers.map(|(folder, _)| folder.as_str()).collect();
    if strangers.is_empty() {
        return Ok(named.into_iter().collect());
    }
    if strangers.len() < folders.len() {
        let more = match strangers.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        bail!(
            "folders that are named like no class of the network, while others are: {}{more}; rename or remove them \
             (`subbyte inspect` lists the classes)",
            strangers[..strangers.len().min(LISTED)].join(", ")
        );
    }
    Ok(folders.iter().map(|f| by_number(f, count)).collect())
}

/// The class of that name, or else of that name but for characters that a file system forbids.
fn by_name(folder: &str, names: &[String]) -> Option<usize> {
    let exact = names.iter().position(|name| name == folder);
    exact.or_else(|| names.iter().position(|name| plain(name) == plain(folder)))
}

/// `_` in place of what some file system forbids in names.
fn plain(name: &str) -> String {
    let forbidden = |c: char| r#"/\:*?"<>|"#.contains(c) || c.is_control();
    name.replace(forbidden, "_")
}

fn by_number(folder: &str, count: usize) -> Option<usize> {
    let digits = folder.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| folder.parse().ok())?;
    number.filter(|&number| number < count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn classes(folders: &[&str], names: &[&str], count: usize) -> Option<Vec<usize>> {
        of_folders(&list(folders), &list(names), count).unwrap()
    }

    #[test]
    fn names_count_before_numbers_and_numbers_before_order() {
        let names = ["T-shirt/top", "Bag", "1"];
        assert_eq!(
            classes(&["1", "Bag", "T-shirt_top"], &names, 3),
            Some(vec![2, 1, 0])
        );
        assert_eq!(classes(&["Bag"], &names, 3), Some(vec![1]));
        assert_eq!(classes(&["0", "1", "10"], &[], 11), Some(vec![0, 1, 10]));
        assert_eq!(classes(&["007", "2"], &["a", "b"], 8), Some(vec![7, 2]));
        assert_eq!(classes(&["0", "1", "10"], &[], 3), None);
        assert_eq!(classes(&["+1", "2"], &[], 3), None);
        assert_eq!(classes(&["cats", "dogs"], &names, 3), None);
    }

    #[test]
    fn an_exact_name_counts_before_one_with_replaced_characters() {
        assert_eq!(classes(&["a_b"], &["a/b", "a_b"], 2), Some(vec![1]));
    }

    #[test]
    fn folders_without_a_class_among_others_are_listed() {
        let folders = list(&["Bag", "cats", "dogs"]);
        let error = of_folders(&folders, &list(&["Bag", "Coat", "Hat"]), 3).unwrap_err();
        assert!(error.to_string().contains("cats, dogs;"), "{error}");
        assert!(!error.to_string().contains("Bag"), "{error}");
    }
}
