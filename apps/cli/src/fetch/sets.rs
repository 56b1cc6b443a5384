//! Which sets there are, where they lie and what their files are.

/// A public data set.
pub struct Set {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Folder that it gets, named as readers and recipes expect.
    pub folder: &'static str,
    /// Places that have the files, tried in this order; a file's name follows each.
    pub mirrors: &'static [&'static str],
    /// What is fetched.
    pub files: &'static [RemoteFile],
    /// Files that are taken out of what is fetched, where that is an archive; empty where it is used as it is.
    pub members: &'static [&'static str],
}

/// A file as it was published.
pub struct RemoteFile {
    /// Its name on the mirrors and in the folder.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: &'static str,
}

impl Set {
    /// Bytes that are fetched.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// All sets.
#[rustfmt::skip]
pub const SETS: &[Set] = &[
    Set {
        name: "mnist",
        summary: "handwritten digits, 60,000 + 10,000 grey images of 28x28",
        folder: "mnist",
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        files: &[
            RemoteFile { name: "train-images-idx3-ubyte.gz", bytes: 9_912_422, sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" },
            RemoteFile { name: "train-labels-idx1-ubyte.gz", bytes: 28_881,    sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c" },
            RemoteFile { name: "t10k-images-idx3-ubyte.gz",  bytes: 1_648_877, sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6" },
            RemoteFile { name: "t10k-labels-idx1-ubyte.gz",  bytes: 4_542,     sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6" },
        ],
        members: &[],
    },
    Set {
        name: "fashion-mnist",
        summary: "clothing, 60,000 + 10,000 grey images of 28x28",
        folder: "fashion-mnist",
        mirrors: &[
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        files: &[
            RemoteFile { name: "train-images-idx3-ubyte.gz", bytes: 26_421_880, sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84" },
            RemoteFile { name: "train-labels-idx1-ubyte.gz", bytes: 29_515,     sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845" },
            RemoteFile { name: "t10k-images-idx3-ubyte.gz",  bytes: 4_422_102,  sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073" },
            RemoteFile { name: "t10k-labels-idx1-ubyte.gz",  bytes: 5_148,      sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5" },
        ],
        members: &[],
    },
    Set {
        name: "cifar10",
        summary: "ten classes of things, 50,000 + 10,000 colour images of 32x32",
        folder: "cifar-10-batches-bin",
        mirrors: &[
            "https://www.cs.toronto.edu/~kriz/",
            "https://web.archive.org/web/2023id_/https://www.cs.toronto.edu/~kriz/",
        ],
        files: &[
            RemoteFile { name: "cifar-10-binary.tar.gz", bytes: 170_052_171, sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd" },
        ],
        members: &[
            "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
            "batches.meta.txt",
        ],
    },
    Set {
        name: "cifar100",
        summary: "a hundred classes of things, 50,000 + 10,000 colour images of 32x32",
        folder: "cifar-100-binary",
        mirrors: &[
            "https://www.cs.toronto.edu/~kriz/",
            "https://web.archive.org/web/2023id_/https://www.cs.toronto.edu/~kriz/",
        ],
        files: &[
            RemoteFile { name: "cifar-100-binary.tar.gz", bytes: 168_513_733, sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec" },
        ],
        members: &["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_has_mirrors_and_whole_checksums() {
        for set in SETS {
            assert!(set.mirrors.len() >= 2, "{}", set.name);
            assert!(set.mirrors.iter().all(|mirror| mirror.ends_with('/')));
            for file in set.files {
                let digits = file
                    .sha256
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                assert!(file.sha256.len() == 64 && digits, "{}", file.name);
            }
        }
    }
}
