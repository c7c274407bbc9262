"""A strict reader of OpenMetrics 1.0 text: what a lenient one would let pass is an AssertionError here.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^ ]*)\})? (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "info": ("_info",), "histogram": ("_bucket", "_count", "_sum")}


def read(text):
    """{(name, ((label, value), …)): number}"""
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1, "no end, or more than one"
    assert "\r" not in text
    samples, seen, family, kind, parts = {}, set(), None, None, set()
    for line in text.splitlines()[:-1]:
        assert line and line == line.strip(" "), repr(line)
        if line.startswith("#"):
            mark, part, name, value = (line.split(" ", 3) + [""])[:4]
            assert mark == "#" and part in ("TYPE", "UNIT", "HELP"), line
            assert NAME.fullmatch(name), line
            if name != family:
                assert name not in seen, f"{name}: its lines do not stand together"
                seen.add(name)
                family, kind, parts = name, None, set()
            assert part not in parts, f"{line}: twice"
            parts.add(part)
            if part == "TYPE":
                assert value in SUFFIXES, line
                kind = value
            if part == "UNIT":
                assert name.endswith("_" + value), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        name, inside, number = match.groups()
        assert family and name.startswith(family) and name[len(family):] in SUFFIXES[kind], f"{name} is not of {family}"
        labels = LABEL.findall(inside or "")
        assert ",".join(f'{k}="{v}"' for k, v in labels) == (inside or ""), line
        assert len({k for k, _ in labels}) == len(labels), line
        key = (name, tuple(labels))
        assert key not in samples, f"{line}: twice"
        samples[key] = float(number)
        if kind in ("counter", "histogram"):
            assert samples[key] >= 0, line
    check_histograms(samples)
    return samples


def check_histograms(samples):
    for (name, labels), value in samples.items():
        if not name.endswith("_bucket"):
            continue
        rest = tuple(l for l in labels if l[0] != "le")
        bounds = [(dict(l)["le"], v) for (n, l), v in samples.items() if n == name and tuple(x for x in l if x[0] != "le") == rest]
        numbers = [float(le) for le, _ in bounds]
        assert numbers == sorted(numbers) and bounds[-1][0] == "+Inf", bounds
        counts = [v for _, v in bounds]
        assert counts == sorted(counts), f"{name} does not add up"
        assert samples[(name.removesuffix("_bucket") + "_count", rest)] == counts[-1]
        assert (name.removesuffix("_bucket") + "_sum", rest) in samples
