//! Places for labels that must not cover each other.

/// Heights near `wanted` that are at least `gap` apart and within `(top, bottom)`; `None` where there is no room for all.
pub(super) fn spread(wanted: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Option<Vec<f64>> {
    let needed = gap * wanted.len().saturating_sub(1) as f64;
    if needed > bottom - top {
        return None;
    }
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted.to_vec();
    // Downwards from the top, then whatever fell off the bottom is pushed up again.
    let mut next = top;
    for &i in &order {
        places[i] = places[i].max(next);
        next = places[i] + gap;
    }
    let mut last = bottom;
    for &i in order.iter().rev() {
        places[i] = places[i].min(last);
        last = places[i] - gap;
    }
    Some(places)
}

/// A rectangle on the figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    fn around((x, y): (f64, f64), half: f64) -> Area {
        Area {
            left: x - half,
            top: y - half,
            right: x + half,
            bottom: y + half,
        }
    }

    /// Size of the part that both cover.
    fn overlap(self, other: Area) -> f64 {
        let across = self.right.min(other.right) - self.left.max(other.left);
        let down = self.bottom.min(other.bottom) - self.top.max(other.top);
        across.max(0.0) * down.max(0.0)
    }

    fn size(self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }

    fn moved(self, (x, y): (f64, f64)) -> Area {
        Area {
            left: self.left + x,
            top: self.top + y,
            right: self.right + x,
            bottom: self.bottom + y,
        }
    }
}

/// Upper left corners for labels of the given sizes, one at each point, within `frame`: each takes, in the order of `points`, the
/// place around its point that covers least of the points, of the lines through `line`, and of the labels before it; near places and
/// the right side first.
pub(super) fn beside(
    points: &[(f64, f64)],
    sizes: &[(f64, f64)],
    line: &[(f64, f64)],
    frame: Area,
) -> Vec<(f64, f64)> {
    let dots = points.iter().map(|&point| Area::around(point, DOT));
    let mut taken: Vec<Area> = dots.chain(line.windows(2).flat_map(along)).collect();
    let mut corners = Vec::with_capacity(points.len());
    for (&(x, y), &(w, h)) in points.iter().zip(sizes) {
        let label = Area {
            left: 0.0,
            top: 0.0,
            right: w,
            bottom: h,
        };
        let cost = |corner: (f64, f64)| {
            let area = label.moved(corner);
            let covered: f64 = taken.iter().map(|t| t.overlap(area)).sum();
            covered + 4.0 * (area.size() - area.overlap(frame))
        };
        let mut best = (f64::INFINITY, (x, y));
        for (rank, offset) in offsets(w, h).enumerate() {
            let corner = (x + offset.0, y + offset.1);
            // A farther place must save more than a trifle of covered area.
            let cost = cost(corner) + rank as f64;
            if cost < best.0 {
                best = (cost, corner);
            }
        }
        taken.push(label.moved(best.1));
        corners.push(best.1);
    }
    corners
}

/// Small areas that cover the line between two points.
fn along(ends: &[(f64, f64)]) -> impl Iterator<Item = Area> {
    let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
    let half = 2.0;
    let count = ((x1 - x0).hypot(y1 - y0) / (2.0 * half)).ceil().max(1.0) as u32;
    (0..=count).map(move |i| {
        let part = f64::from(i) / f64::from(count);
        Area::around((x0 + part * (x1 - x0), y0 + part * (y1 - y0)), half)
    })
}

/// Half of the room that a point takes.
const DOT: f64 = 6.0;

/// Corners of a label of size `(w, h)` around a point, the most wanted first.
fn offsets(w: f64, h: f64) -> impl Iterator<Item = (f64, f64)> {
    let gap = DOT + 2.0;
    let (right, left, middle) = (gap, -w - gap, -h / 2.0);
    [0.0, 6.0, 12.0, 24.0, 36.0]
        .into_iter()
        .flat_map(move |far| {
            let (above, below) = (-h - gap - far + 3.0, gap + far - 3.0);
            [
                (right, middle + far),
                (right, middle - far),
                (left, middle - far),
                (left, middle + far),
                (-w / 2.0, above),
                (-w / 2.0, below),
                (0.0, above),
                (-w, above),
                (0.0, below),
                (-w, below),
            ]
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_labels_keep_their_distance_and_order() {
        let wanted = [50.0, 51.0, 99.0, 98.0, 10.0];
        let places = spread(&wanted, 12.0, (0.0, 100.0)).unwrap();
        let mut order: Vec<usize> = (0..wanted.len()).collect();
        order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
        for pair in order.windows(2) {
            assert!(places[pair[1]] - places[pair[0]] >= 12.0 - 1e-9);
        }
        assert!(places.iter().all(|p| (0.0..=100.0).contains(p)));
        assert_eq!(spread(&wanted, 30.0, (0.0, 100.0)), None);
        assert_eq!(spread(&[], 30.0, (0.0, 100.0)), Some(vec![]));
    }

    #[test]
    fn labels_of_close_points_do_not_overlap() {
        let frame = Area {
            left: 0.0,
            top: 0.0,
            right: 300.0,
            bottom: 200.0,
        };
        let points = [(150.0, 100.0), (155.0, 103.0), (158.0, 95.0), (295.0, 5.0)];
        let sizes = [(60.0, 14.0); 4];
        let corners = beside(&points, &sizes, &[], frame);
        let areas: Vec<Area> = corners
            .iter()
            .map(|&(x, y)| Area {
                left: x,
                top: y,
                right: x + 60.0,
                bottom: y + 14.0,
            })
            .collect();
        for (i, a) in areas.iter().enumerate() {
            assert!(
                a.overlap(frame) > a.size() - 1e-9,
                "label {i} leaves the frame"
            );
            assert!(areas[..i].iter().all(|b| a.overlap(*b) == 0.0));
        }
    }
}
