"""From turns to tables: who is how fast, and whether subbyte is as much faster as it has to be."""

from dataclasses import dataclass
from statistics import median, quantiles

FIRST_LAYER = "subbyte, first layer"
TITLES = {
    "resnet18": "ResNet-18, 224x224",
    "resnet20": "ResNet-20, 32x32",
    "resnet18x8": "ResNet-18, 224x224, 8 images at once",
    "stem": "First layer of ResNet-18 (7x7, stride 2) in fp32",
}

# How many times faster than the fastest int8 peer: needed and aim, by class of machine.
GOALS = {
    ("resnet18", "w2a2"): {"AVX-512": (1.6, 2.0), "AVX2": (1.7, 2.0)},
    ("resnet18", "w1a2"): {"AVX-512": (2.0, 2.6), "AVX2": (2.8, 3.5)},
    ("resnet18", "w1a1"): {"AVX-512": (2.8, 4.0), "AVX2": (2.7, 4.0)},
    ("resnet18", "w4a4"): {"AVX-512": (1.0, 1.0), "AVX2": (1.0, 1.0)},
    ("resnet18", "w8a8"): {"AVX-512": (1.0, 1.0), "AVX2": (1.0, 1.0)},
    ("resnet18x8", "w2a2"): {"AVX-512": (1.6, 2.0), "AVX2": (1.7, 2.0)},
    ("resnet20", "w2a2"): {"AVX-512": (1.6, 2.0), "AVX2": (1.4, 1.8)},
}
RESNET20_NEEDED_WITH_TWO_THREADS = 1.3
FIRST_LAYER_NEEDED = 2.0


@dataclass
class Result:
    """The turns of one contender on one case: shortest and median run of each, in milliseconds."""

    case: str
    threads: int
    name: str
    bits: str
    minima: list
    medians: list

    def summary(self):
        """Shortest run, median of the turns' medians, and the middle half of these medians as a part of it."""
        low, middle, high = quantiles(self.medians, n=4, method="inclusive")
        return {"minimum": min(self.minima), "median": middle, "spread": f"{(high - low) / middle:.1%}"}

    def median(self):
        return median(self.medians)


def fastest(results, **wanted):
    """The fastest of the results that have the wanted properties."""
    found = [r for r in results if all(getattr(r, key) == value for key, value in wanted.items())]
    return min(found, key=Result.median, default=None)


def against_int8(results, machine_class):
    """subbyte against the fastest int8 peer on the same case, one row for each of its results."""
    for own in results:
        peer = fastest(results, case=own.case, threads=own.threads, bits="int8")
        if own.name != "subbyte" or not peer:
            continue
        faster = peer.median() / own.median()
        needed, aim = GOALS.get((own.case, own.bits), {}).get(machine_class, (None, None))
        if needed and (own.case, own.threads) == ("resnet20", 2):
            needed = RESNET20_NEEDED_WITH_TWO_THREADS
        yield {
            "network": TITLES[own.case],
            "bits": own.bits,
            "threads": own.threads,
            "subbyte, ms": own.median(),
            "fastest int8 peer": peer.name,
            "its ms": peer.median(),
            "times faster": faster,
            "by minima": min(peer.minima) / min(own.minima),
            "needed": needed,
            "aim": aim,
            "reached": needed and ("aim" if faster >= aim else "needed" if faster >= needed else "no"),
        }


def first_layers(results):
    """subbyte's first layer against the fastest one in fp32, and its network against the same body behind that layer."""
    for own in (r for r in results if r.name == FIRST_LAYER):
        peer = fastest(results, case="stem", threads=own.threads, bits="fp32")
        whole = fastest(results, case="stem", threads=own.threads, bits=own.bits, name="subbyte").median()
        behind_float = whole - own.median() + peer.median()
        yield {
            "bits": own.bits,
            "first layer, ms": own.median(),
            "fastest in fp32": peer.name,
            "its ms": peer.median(),
            "times faster": peer.median() / own.median(),
            "by minima": min(peer.minima) / min(own.minima),
            "needed": FIRST_LAYER_NEEDED,
            "network, ms": whole,
            "body behind the float layer, ms": behind_float,
            "network times faster": behind_float / whole,
        }


def comparisons(results, machine_class):
    """The rows of both comparisons, by title."""
    return {
        "Against the fastest int8 peer, by medians": list(against_int8(results, machine_class)),
        "First layer of ResNet-18, and the network against the same body behind a float layer": list(first_layers(results)),
    }


def case_rows(results, case):
    """All contenders on one case, the fastest first; every number of threads in columns of its own."""
    rows = {}
    for result in sorted((r for r in results if r.case == case), key=lambda r: (r.threads, r.median())):
        row = rows.setdefault((result.name, result.bits), {TITLES[case]: f"{result.name} {result.bits}"})
        row |= {f"{result.threads}T {key}": value for key, value in result.summary().items()}
    return rows.values()


def grid(rows):
    """Rows, all with the same keys, as a table in Markdown."""
    rows = list(rows)
    lines = [list(rows[0]), ["---"] * len(rows[0])] + [map(cell, row.values()) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value):
    if isinstance(value, float):
        return f"{value:#.3g}" if value < 100 else f"{value:.0f}"
    return "" if value is None else str(value)


def markdown(about, results, tables):
    """The page: about the run, the times of every case, and the comparisons by name."""
    parts = [about] + [grid(case_rows(results, case)) for case in dict.fromkeys(r.case for r in results)]
    return "\n\n".join(parts + [f"{name}:\n\n{grid(rows)}" for name, rows in tables.items() if rows])
