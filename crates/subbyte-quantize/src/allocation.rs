//! Bits for every output channel under a budget of bytes, as a Lagrangian: each channel takes the bits that are cheapest when a byte
//! costs `price`, and the price is searched for which the whole fits.

/// What a group of rows would cost and lose at each number of bits.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Layer of the rows.
    pub layer: usize,
    /// First row and number of rows, which get the same bits.
    pub rows: (usize, usize),
    /// `(bits, bytes, loss)` of each candidate, by rising bits.
    pub candidates: Vec<(u8, f64, f64)>,
}

/// The candidate of every choice, so that bytes stay within `budget` and the sum of losses is least.
///
/// # Errors
/// With the fewest bytes that are possible, where these are more than the budget.
pub(crate) fn allocate(choices: &[Choice], budget: f64) -> Result<Vec<usize>, f64> {
    let at = |price: f64| -> Vec<usize> { choices.iter().map(|c| best(c, price)).collect() };
    let bytes = |chosen: &[usize]| -> f64 {
        let each = choices.iter().zip(chosen).map(|(c, &i)| c.candidates[i].1);
        each.sum()
    };
    let least = at(f64::INFINITY);
    if bytes(&least) > budget {
        return Err(bytes(&least));
    }
    let free = at(0.0);
    if bytes(&free) <= budget {
        return Ok(free);
    }
    // Losses are of any magnitude, so the price is searched by its logarithm.
    let (mut low, mut high) = (-300f64, 300f64);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        match bytes(&at(middle.exp())) <= budget {
            true => high = middle,
            false => low = middle,
        }
    }
    let mut chosen = at(high.exp());
    let left = budget - bytes(&chosen);
    spend(choices, &mut chosen, left);
    Ok(chosen)
}

fn best(choice: &Choice, price: f64) -> usize {
    if price == f64::INFINITY {
        return 0;
    }
    let cost = |&(_, bytes, loss): &(u8, f64, f64)| loss + price * bytes;
    let costs = choice.candidates.iter().map(cost).enumerate();
    costs
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("at least one candidate")
        .0
}

/// What bytes are left go where the next bits gain most for each.
fn spend(choices: &[Choice], chosen: &mut [usize], mut left: f64) {
    let mut steps: Vec<(f64, usize)> = choices
        .iter()
        .enumerate()
        .filter_map(|(i, choice)| {
            let (now, next) = (
                choice.candidates[chosen[i]],
                choice.candidates.get(chosen[i] + 1)?,
            );
            Some(((now.2 - next.2) / (next.1 - now.1), i))
        })
        .collect();
    steps.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (gain, i) in steps {
        let candidates = &choices[i].candidates;
        let more = candidates[chosen[i] + 1].1 - candidates[chosen[i]].1;
        if gain > 0.0 && more <= left {
            chosen[i] += 1;
            left -= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(importance: f64, size: f64) -> Choice {
        let candidate = |bits: u8| {
            (
                bits,
                size * f64::from(bits),
                importance * 4f64.powi(-i32::from(bits)),
            )
        };
        Choice {
            layer: 0,
            rows: (0, 1),
            candidates: (2..=8).map(candidate).collect(),
        }
    }

    fn total(choices: &[Choice], chosen: &[usize]) -> (f64, f64) {
        let each = choices.iter().zip(chosen).map(|(c, &i)| c.candidates[i]);
        each.fold((0.0, 0.0), |sum, c| (sum.0 + c.1, sum.1 + c.2))
    }

    #[test]
    fn no_other_choice_of_as_many_bytes_loses_less() {
        let choices = [choice(1.0, 1.0), choice(50.0, 2.0), choice(0.01, 3.0)];
        for budget in [14.0, 20.0, 27.5, 40.0] {
            let chosen = allocate(&choices, budget).expect("fits");
            let (bytes, loss) = total(&choices, &chosen);
            assert!(bytes <= budget);
            for a in 0..7 {
                for b in 0..7 {
                    for c in 0..7 {
                        let (other, lost) = total(&choices, &[a, b, c]);
                        assert!(other > bytes || lost >= loss * (1.0 - 1e-9), "{budget}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_impossible_budget_tells_the_least() {
        let choices = [choice(1.0, 1.0), choice(1.0, 2.0)];
        assert_eq!(allocate(&choices, 5.9), Err(6.0));
        assert_eq!(allocate(&choices, 1e9), Ok(vec![6, 6]));
    }
}
