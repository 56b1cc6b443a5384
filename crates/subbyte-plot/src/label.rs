//! Numbers as people read them.

/// `bytes` in decimal units, with at most three digits that matter.
pub(crate) fn bytes(bytes: f64) -> String {
    in_units(bytes, [" B", " kB", " MB", " GB", " TB"])
}

/// `count` with thousands, millions, … as letters, with at most three digits that matter.
pub(crate) fn count(count: f64) -> String {
    in_units(count, ["", " k", " M", " G", " T"])
}

/// `value` in the largest unit that leaves at least 1; each is a thousand of the one before.
fn in_units(mut value: f64, units: [&str; 5]) -> String {
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let mut number = format!("{value:.decimals$}");
    if decimals > 0 {
        number.truncate(number.trim_end_matches('0').trim_end_matches('.').len());
    }
    number + units[unit]
}

/// `value`, a multiple of `step`, with the decimals that `step` needs.
pub(crate) fn tick(value: f64, step: f64) -> String {
    let number = if (1e-4..1e6).contains(&step) {
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.1e}")
    };
    number.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_change_at_a_thousand() {
        let sizes = [
            0.0, 7.0, 999.0, 1000.0, 12_340.0, 123_400.0, 999_600.0, 2.5e15,
        ];
        assert_eq!(
            sizes.map(bytes),
            [
                "0 B", "7 B", "999 B", "1 kB", "12.3 kB", "123 kB", "1 MB", "2500 TB"
            ]
        );
        assert_eq!([5.0, 1500.0].map(count), ["5", "1.5 k"]);
    }

    #[test]
    fn ticks_show_the_digits_of_their_step() {
        assert_eq!(tick(0.30000000000000004, 0.1), "0.3");
        assert_eq!(tick(1.0, 0.25), "1.0");
        assert_eq!(tick(40.0, 20.0), "40");
        assert_eq!(tick(-2.0, 1.0), "−2");
        assert_eq!(tick(2e9, 1e9), "2.0e9");
    }
}
