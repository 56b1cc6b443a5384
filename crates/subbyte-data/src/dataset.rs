use crate::{
    Error, ErrorKind, Geometry,
    fingerprint::Fingerprint,
    random::{Purpose, Random},
};

/// Labelled images in memory, all of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    geometry: Geometry,
    classes: Vec<String>,
    images: Vec<u8>,
    labels: Vec<u16>,
}

/// A data set with its held-out part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<D = Dataset> {
    /// For training; validation images are taken from here, see [`Dataset::split_validation`].
    pub train: D,
    /// For the accuracy that is reported, and nothing else.
    pub test: D,
}

impl Dataset {
    /// Takes `images`, `[len][height][width][colours]`, with one label each and one name for each class.
    ///
    /// # Errors
    /// If the geometry is none of an image, there are no images, their bytes or labels do not match in number, or a label is not
    /// below the number of classes.
    pub fn new(
        geometry: Geometry,
        classes: Vec<String>,
        images: Vec<u8>,
        labels: Vec<u16>,
    ) -> Result<Self, Error> {
        geometry.check()?;
        if !images.len().is_multiple_of(geometry.bytes()) {
            return Err(ErrorKind::Length {
                expected: format!("a multiple of {}", geometry.bytes()),
                found: images.len().to_string(),
            }
            .into());
        }
        let count = images.len() / geometry.bytes();
        if count != labels.len() {
            return Err(ErrorKind::Counts {
                images: count,
                labels: labels.len(),
            }
            .into());
        }
        if count == 0 {
            return Err(ErrorKind::Empty.into());
        }
        check_labels(labels.iter().map(|&label| label.into()), classes.len())?;
        Ok(Self {
            geometry,
            classes,
            images,
            labels,
        })
    }

    /// Number of images, at least one.
    #[expect(clippy::len_without_is_empty, reason = "no data set is empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Size of every image.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Class names in the order of the labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// All images, `[len][height][width][colours]`.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// All labels, each below the number of classes.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Image `i`, `[height][width][colours]`.
    ///
    /// # Panics
    /// If `i` is not below [`Dataset::len`].
    pub fn image(&self, i: usize) -> &[u8] {
        &self.images[i * self.geometry.bytes()..][..self.geometry.bytes()]
    }

    /// Label of image `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Dataset::len`].
    pub fn label(&self, i: usize) -> u16 {
        self.labels[i]
    }

    /// All images with their labels.
    pub fn examples(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        (0..self.len()).map(|i| (self.label(i).into(), self.image(i)))
    }

    /// At most `count` images, spread evenly.
    pub fn spread(&self, count: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        let count = count.min(self.len());
        (0..count).map(move |i| self.image(i * self.len() / count))
    }

    /// Number of images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// The images of `indices`, in that order.
    ///
    /// # Errors
    /// If there are none.
    ///
    /// # Panics
    /// If an index is not below [`Dataset::len`].
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        let mut images = Vec::with_capacity(indices.len() * self.geometry.bytes());
        for &i in indices {
            images.extend_from_slice(self.image(i));
        }
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self::new(self.geometry, self.classes.clone(), images, labels)
    }

    /// Divides a training part at random into what remains for training and `fraction` of the images (rounded) for validation.
    /// Each keeps the order of the whole; the division depends on the seed and the number of images only.
    ///
    /// # Errors
    /// If the fraction leaves either side without an image.
    pub fn split_validation(&self, fraction: f64, seed: u64) -> Result<(Self, Self), Error> {
        let (train, validation) = validation_split(self.len(), fraction, seed)?;
        Ok((self.select(&train)?, self.select(&validation)?))
    }

    /// A hash of geometry, images and labels in their order, as 16 hexadecimal digits: it tells which data a model has seen.
    pub fn fingerprint(&self) -> String {
        let labels: Vec<u8> = self.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        Fingerprint::new()
            .number(self.geometry.height)
            .number(self.geometry.width)
            .number(self.geometry.colours)
            .bytes(&labels)
            .bytes(&self.images)
            .text()
    }
}

/// The indices of `len` images that remain for training and those for validation, as [`Dataset::split_validation`] divides them.
pub(crate) fn validation_split(
    len: usize,
    fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let count = (len as f64 * fraction).round();
    if !(count >= 1.0 && count < len as f64) {
        return Err(ErrorKind::Argument(format!(
            "a validation part of {fraction} of {len} images leaves no image for training or validation; give a fraction \
             between 0 and 1"
        ))
        .into());
    }
    let mut validation = Random::new(Purpose::Validation, seed, 0, 0).permutation(len);
    let mut train = validation.split_off(count as usize);
    validation.sort_unstable();
    train.sort_unstable();
    Ok((train, validation))
}

/// Refuses the first label that is not below the number of classes.
pub(crate) fn check_labels(
    labels: impl IntoIterator<Item = usize>,
    classes: usize,
) -> Result<(), Error> {
    match labels
        .into_iter()
        .enumerate()
        .find(|&(_, label)| label >= classes)
    {
        Some((index, label)) => Err(ErrorKind::Label {
            index,
            label,
            classes,
        }
        .into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        height: 1,
        width: 2,
        colours: 3,
    };

    fn numbered(count: u8) -> Dataset {
        let images = (0..count).flat_map(|i| [i; 6]).collect();
        let labels = (0..count).map(|i| u16::from(i % 3)).collect();
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        Dataset::new(GEOMETRY, classes, images, labels).unwrap()
    }

    #[test]
    fn inconsistent_parts_are_refused() {
        let new = |geometry, images: usize, labels: Vec<u16>| {
            Dataset::new(geometry, vec!["a".into()], vec![0; images], labels).unwrap_err()
        };
        let wide = Geometry {
            width: usize::MAX,
            ..GEOMETRY
        };
        let two = Geometry {
            colours: 2,
            ..GEOMETRY
        };
        assert!(matches!(
            new(wide, 6, vec![0]).kind(),
            ErrorKind::Geometry(_)
        ));
        assert!(matches!(
            new(two, 4, vec![0]).kind(),
            ErrorKind::Geometry(_)
        ));
        assert!(matches!(
            new(GEOMETRY, 7, vec![0]).kind(),
            ErrorKind::Length { .. }
        ));
        assert!(matches!(
            new(GEOMETRY, 6, vec![0, 0]).kind(),
            ErrorKind::Counts { .. }
        ));
        assert!(matches!(new(GEOMETRY, 0, vec![]).kind(), ErrorKind::Empty));
        assert!(matches!(
            new(GEOMETRY, 12, vec![0, 1]).kind(),
            ErrorKind::Label {
                index: 1,
                label: 1,
                classes: 1
            }
        ));
    }

    #[test]
    fn validation_and_the_rest_are_the_whole_and_depend_on_the_seed() {
        let whole = numbered(100);
        let (train, validation) = whole.split_validation(0.2, 5).unwrap();
        assert_eq!((train.len(), validation.len()), (80, 20));
        let firsts =
            |set: &Dataset| -> Vec<u8> { (0..set.len()).map(|i| set.image(i)[0]).collect() };
        assert!(firsts(&train).is_sorted() && firsts(&validation).is_sorted());
        let mut both = [firsts(&train), firsts(&validation)].concat();
        both.sort_unstable();
        assert_eq!(both, (0..100).collect::<Vec<u8>>());
        for i in 0..20 {
            assert_eq!(validation.label(i), u16::from(validation.image(i)[0] % 3));
        }
        assert_eq!(whole.split_validation(0.2, 5).unwrap().1, validation);
        assert_ne!(whole.split_validation(0.2, 6).unwrap().1, validation);
    }

    #[test]
    fn a_few_images_are_spread_over_all() {
        let set = numbered(10);
        let firsts = |count| set.spread(count).map(|image| image[0]).collect::<Vec<_>>();
        assert_eq!(firsts(4), [0, 2, 5, 7]);
        assert_eq!(firsts(99), (0..10).collect::<Vec<_>>());
        assert_eq!(firsts(0), []);
    }

    #[test]
    fn a_validation_part_that_leaves_nothing_is_refused() {
        for fraction in [0.0, 0.001, 0.999, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
            let error = numbered(100).split_validation(fraction, 0).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{fraction}");
        }
    }

    #[test]
    fn the_fingerprint_sees_pixels_labels_and_shape_but_not_names() {
        let set = numbered(9);
        let mut renamed = set.clone();
        renamed.classes[0] = "z".into();
        assert_eq!(renamed.fingerprint(), set.fingerprint());
        let (mut pixel, mut label, mut shape) = (set.clone(), set.clone(), set.clone());
        pixel.images[53] ^= 1;
        label.labels[8] = 0;
        (shape.geometry.height, shape.geometry.width) = (2, 1);
        for other in [&pixel, &label, &shape] {
            assert_ne!(other.fingerprint(), set.fingerprint());
        }
    }
}
