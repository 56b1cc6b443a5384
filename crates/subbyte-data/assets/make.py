"""Makes the subset of Fashion-MNIST in this directory from the published files.

    pip install zopfli==0.4.3
    python make.py DIRECTORY_OF_FASHION_MNIST

From each part it keeps the first images of every class, in the published order, so both parts are balanced and no test image
comes from the training part. The output is IDX again, compressed by zopfli (ordinary gzip for every reader). The same input gives
the same bytes.
"""

import gzip
import sys
from pathlib import Path

import zopfli.gzip

CLASSES = 10
PIXELS = 28 * 28
# Images kept of each class. The training part is as large as the limit of 8,000,000 bytes for the whole set allows.
PER_CLASS = {"train": 1350, "t10k": 500}


def read(path, header, item):
    """The header of an IDX file with `header` bytes, and its items of `item` bytes each."""
    data = gzip.decompress(path.read_bytes())
    count = int.from_bytes(data[4:8], "big")
    if len(data) != header + count * item:
        sys.exit(f"{path}: {len(data)} bytes where {header + count * item} are announced")
    return data[:header], [data[at : at + item] for at in range(header, len(data), item)]


def write(path, header, items):
    """Writes IDX with the count of `header` replaced, compressed."""
    data = header[:4] + len(items).to_bytes(4, "big") + header[8:] + b"".join(items)
    path.write_bytes(zopfli.gzip.compress(data, numiterations=15))
    return path.stat().st_size


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source, target = Path(sys.argv[1]), Path(__file__).parent
    total = 0
    for part, per_class in PER_CLASS.items():
        images_name, labels_name = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        images_header, images = read(source / images_name, 16, PIXELS)
        labels_header, labels = read(source / labels_name, 8, 1)
        seen = [0] * CLASSES
        kept = []
        for index, label in enumerate(labels):
            seen[label[0]] += 1
            if seen[label[0]] <= per_class:
                kept.append(index)
        total += write(target / images_name, images_header, [images[i] for i in kept])
        total += write(target / labels_name, labels_header, [labels[i] for i in kept])
        print(f"{part}: {len(kept)} images, {per_class} of each class")
    print(f"{total} bytes in all")


if __name__ == "__main__":
    main()
