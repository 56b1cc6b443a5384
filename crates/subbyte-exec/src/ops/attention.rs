use burn::tensor::{Tensor, activation};

/// Attention of the pixels of `query [N][H][W][C]` over those of `key [N][h][w][C]` and `value [N][h][w][V]` -> `[N][H][W][V]`: the mean of
/// the values, weighted by the softmax of `scale * <query, key>`, for each of `heads` runs of neighbouring channels on its own
/// (Vaswani and others, 1706.03762).
pub fn attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    heads: usize,
    scale: f32,
) -> Tensor<4> {
    let [n, height, width, _] = query.dims();
    let [_, _, _, channels] = value.dims();
    // [N][head][pixel][channel of the head]
    let split = |x: Tensor<4>| {
        let [n, height, width, channels] = x.dims();
        x.reshape([n, height * width, heads, channels / heads])
            .permute([0, 2, 1, 3])
    };
    let products = (split(query) * scale).matmul(split(key).permute([0, 1, 3, 2]));
    let weights = activation::softmax(products, 3);
    let means = weights.matmul(split(value)).permute([0, 2, 1, 3]);
    means.reshape([n, height, width, channels])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, random, to_vec};

    #[test]
    fn means_are_weighted_by_the_softmax_of_each_head() {
        let (heads, c, scale) = (2, 3, 0.7);
        let query = random([2, 2, 3, heads * c], 1);
        let key = random([2, 1, 4, heads * c], 2);
        let value = random([2, 1, 4, heads * 2], 3);
        let found = attention(query.clone(), key.clone(), value.clone(), heads, scale);
        assert_eq!(found.dims(), [2, 2, 3, heads * 2]);
        let [query, key, value] = [query, key, value].map(|x| to_vec(&x));
        let mut expected = Vec::new();
        for n in 0..2 {
            for pixel in 0..6 {
                for head in 0..heads {
                    let weight = |other: usize| {
                        let q = &query[((n * 6 + pixel) * heads + head) * c..][..c];
                        let k = &key[((n * 4 + other) * heads + head) * c..][..c];
                        let product: f32 = q.iter().zip(k).map(|(q, k)| q * k).sum();
                        (product * scale).exp()
                    };
                    let all: f32 = (0..4).map(weight).sum();
                    for channel in 0..2 {
                        let of =
                            |other: usize| value[((n * 4 + other) * heads + head) * 2 + channel];
                        let sum: f32 = (0..4).map(|other| weight(other) * of(other)).sum();
                        expected.push(sum / all);
                    }
                }
            }
        }
        assert_close(&to_vec(&found), &expected, 1e-5);
    }
}
