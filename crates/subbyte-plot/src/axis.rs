//! Scales: values to pixels, with ticks at round values.

use crate::label;

/// Values beyond this, and those that are not finite, are not drawn; below it no step of the layout overflows.
const LARGEST: f64 = 1e30;

/// Whether `value` can be drawn.
pub(crate) fn plottable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// Smallest and largest plottable value.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .into_iter()
        .filter(|&v| plottable(v))
        .fold(None, |range, v| match range {
            None => Some((v, v)),
            Some((lo, hi)) => Some((f64::min(lo, v), f64::max(hi, v))),
        })
}

/// A labelled value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub label: String,
}

/// A linear or logarithmic scale.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    log: bool,
    domain: (f64, f64),
    /// Pixels of the domain's ends.
    pub pixels: (f64, f64),
    pub ticks: Vec<Tick>,
}

impl Scale {
    /// Linear over `domain`, widened to whole steps, with about `count` steps.
    pub(crate) fn rounded(domain: (f64, f64), pixels: (f64, f64), count: usize) -> Self {
        let (lo, hi) = with_extent(domain);
        let step = step((hi - lo) / count as f64);
        let (first, last) = ((lo / step).floor(), (hi / step).ceil());
        Self {
            log: false,
            domain: (first * step, last * step),
            pixels,
            ticks: ticks(first, last, step),
        }
    }

    /// Linear over exactly `domain`, with ticks at whole numbers inside, about `count` at most.
    pub(crate) fn whole(domain: (f64, f64), pixels: (f64, f64), count: usize) -> Self {
        let (lo, hi) = domain;
        let step = step((hi - lo) / count as f64).max(1.0);
        let ticks = ticks((lo / step).ceil(), (hi / step).floor(), step);
        Self {
            log: false,
            domain: if lo < hi {
                domain
            } else {
                (lo - 0.5, hi + 0.5)
            },
            pixels,
            ticks,
        }
    }

    /// Sizes in bytes with a margin around them: logarithmic where they span a factor of 4 or more, so that at least two of the
    /// ticks at 1, 2 and 5 times a power of ten lie inside.
    pub(crate) fn bytes((lo, hi): (f64, f64), pixels: (f64, f64)) -> Self {
        if hi / lo < 4.0 {
            let mut scale = Self::rounded((lo, hi), pixels, 5);
            for tick in &mut scale.ticks {
                tick.label = label::bytes(tick.value);
            }
            return scale;
        }
        let margin = (hi / lo).powf(0.06);
        let domain = (lo / margin, hi * margin);
        let multiples: &[f64] = if hi / lo < 1000.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let (first, last) = (domain.0.log10().floor(), domain.1.log10().ceil());
        let ticks = (first as i32..=last as i32)
            .flat_map(|e| multiples.iter().map(move |m| m * 10f64.powi(e)))
            .filter(|v| (domain.0..=domain.1).contains(v))
            .map(|value| Tick {
                value,
                label: label::bytes(value),
            })
            .collect();
        Self {
            log: true,
            domain,
            pixels,
            ticks,
        }
    }

    /// The pixel of `value`.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { v.log10() } else { v };
        let (lo, hi) = (place(self.domain.0), place(self.domain.1));
        let part = (place(value) - lo) / (hi - lo);
        self.pixels.0 + part * (self.pixels.1 - self.pixels.0)
    }
}

/// `domain`, or something around it where it is a single value.
fn with_extent((lo, hi): (f64, f64)) -> (f64, f64) {
    // Ends that differ only in their last digits would need ticks finer than f64 can tell apart.
    if hi - lo > 1e-9 * lo.abs().max(hi.abs()) {
        (lo, hi)
    } else {
        let margin = (lo.abs() / 10.0).max(1e-3);
        (lo - margin, hi + margin)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `raw`.
fn step(raw: f64) -> f64 {
    // A tiny `raw` comes from an empty domain, which has one tick at most.
    let power = 10f64.powf(raw.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|&s| s >= raw * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn ticks(first: f64, last: f64, step: f64) -> Vec<Tick> {
    (0..)
        .map(|i| first + f64::from(i))
        .take_while(|&k| k <= last)
        .map(|k| Tick {
            value: k * step,
            label: label::tick(k * step, step),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn rounded_scales_enclose_their_data() {
        let scale = Scale::rounded((0.13, 2.2), (100.0, 0.0), 5);
        assert_eq!(labels(&scale), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!((scale.at(0.0), scale.at(2.5)), (100.0, 0.0));
    }

    #[test]
    fn every_domain_has_a_few_ticks_and_finite_pixels() {
        for domain in [
            (0.0, 0.0),
            (5.0, 5.0),
            (-LARGEST, LARGEST),
            (LARGEST, LARGEST),
            (1e-30, 2e-30),
            (1.0, 1.0 + 1e-15),
            (-1e9, 1e-9),
        ] {
            let scale = Scale::rounded(domain, (0.0, 100.0), 5);
            assert!((2..=12).contains(&scale.ticks.len()), "{domain:?}");
            for value in [domain.0, domain.1] {
                assert!((0.0..=100.0).contains(&scale.at(value)), "{domain:?}");
            }
        }
    }

    #[test]
    fn whole_numbers_stay_inside() {
        let scale = Scale::whole((1.0, 30.0), (0.0, 290.0), 6);
        assert_eq!(labels(&scale), ["5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(&Scale::whole((7.0, 7.0), (0.0, 1.0), 6)), ["7"]);
        assert_eq!(
            labels(&Scale::whole((1.0, 3.0), (0.0, 1.0), 6)),
            ["1", "2", "3"]
        );
    }

    #[test]
    fn wide_ranges_of_bytes_are_logarithmic() {
        let scale = Scale::bytes((18e3, 1.1e6), (0.0, 100.0));
        assert_eq!(
            labels(&scale),
            ["20 kB", "50 kB", "100 kB", "200 kB", "500 kB", "1 MB"]
        );
        let middle = scale.at((18e3f64 * 1.1e6).sqrt());
        assert!((middle - 50.0).abs() < 1e-9);
        assert!(labels(&Scale::bytes((80e3, 100e3), (0.0, 100.0))).contains(&"90 kB"));
    }
}
