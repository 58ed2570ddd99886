"""What the chapter on speed and cost says and shows, from its tables.

Brackets are the lowest and the highest round; one case is called faster than another where no round says otherwise.
"""

import functools

import numpy as np
import pandas as pd

from wagf_src.arms import BACKBONES, arm_label, parse_arm
from wagf_src.report.tables.speed import FILES, MEASURED

NOT_MEASURED = "*Not measured yet:* `make bench` writes what this section shows."
CPU = "derived from this benchmark's training steps"
WHAT = {"train": "training", "predict": "inference"}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
SCALED = {"copies": "make all copies", "read": "read one epoch", "store": "decode all images"}

# Aims that were set before anything was measured.
AIMS = {"literal": 1.25, "input": 3, "decode": 20}
JUDGED_SIDE = 128  # pixels, at which the literal form was to be compared
PYTORCH_AIMS = (("mobilenetv2", 1.0), ("densenet121", 0.8))  # times as fast, by backbone


def _where_measured(otherwise):
    """Of a function of tables: ``otherwise`` where one of them has no rows."""

    def decorate(function):
        @functools.wraps(function)
        def checked(*arguments):
            tables = (argument for argument in arguments if isinstance(argument, pd.DataFrame))
            return function(*arguments) if all(map(len, tables)) else otherwise

        return checked

    return decorate


_sentences, _table = _where_measured(NOT_MEASURED), _where_measured(pd.DataFrame())


# --- numbers for people --------------------------------------------------------------------------------------


def number(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}g}"
    return f"{value:,.0f}" if float(text) >= 1000 else text  # 999.7, too, of which three digits are 1e+03


def duration(seconds: float) -> str:
    for unit, size, least in (("h", 3600, 2), ("min", 60, 2), ("s", 1, 1)):
        if seconds >= least * size:
            return f"{number(seconds / size)} {unit}"
    return "–" if np.isnan(seconds) else f"{number(1000 * seconds)} ms"


def memory(n: float) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{number(n / factor)} {unit}"
    return f"{n:.0f} bytes"


def label(case: str) -> str:
    """An arm as every page calls it; other cases as they are called in the files."""
    arm, comma, how = case.partition(", ")
    return f"{arm_label(arm)}{comma}{how}" if arm.split("-")[0] in BACKBONES else case


def _rate(row) -> str:
    """Images per second, with the lowest and the highest round."""
    low, middle, high = (number(1 / row[f"seconds_{at}"], 4) for at in ("high", "per_image", "low"))
    return f"{middle} [{low}, {high}]"


def _spread(value: float, low: float, high: float, digits: int = 2) -> str:
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _ratio(row, digits: int = 2) -> str:
    triple = _triple(row)
    return "reference" if np.isnan(triple[0]) else _spread(*triple, digits)


def _triple(row) -> tuple[float, float, float]:
    return row["ratio"], row["ratio_low"], row["ratio_high"]


def quotient(a, b) -> tuple[float, float, float]:
    """How many times as fast a is as b, where each is (ratio, low, high) to one reference, measured in other rounds.

    The ends are the farthest that both spreads allow: the two were never measured in turns with each other.
    """
    return a[0] / b[0], a[1] / b[2], a[2] / b[1]


def aim(value_low: float, value_high: float, wanted: float, at_most: bool = False) -> str:
    """Whether an aim is met, by the whole spread."""
    if at_most:
        value_low, value_high, wanted = -value_high, -value_low, -wanted
    return "met" if value_low >= wanted else "missed" if value_high < wanted else "not decided by these rounds"


def _listed(parts) -> str:
    return ", ".join(parts) or "none"


def _records(frame):
    return frame.to_dict("records")


def _comparison(frame, first: str, name) -> pd.DataFrame:
    """A table of cases: what they are called, rate and ratio, first call and memory."""
    return pd.DataFrame(
        {
            first: name(row),
            "side (px)": row["pixels"],
            "batch": row["batch"],
            "what": WHAT.get(row["what"], row["what"]),
            "images/s": _rate(row),
            "times as fast": _ratio(row),
            "first call": duration(row["first_seconds"]),
            "peak memory": memory(row["peak_mib"] * 2**20),
        }
        for row in _records(frame)
    )


# --- the first screen ----------------------------------------------------------------------------------------


def _gpu(profiles) -> str:
    """The one GPU that sentences speak of."""
    published = profiles.loc[profiles["basis"] == "derived from published rates", "device"]
    return next((name for name in published if name.startswith("A100")), published.iloc[0])


@_sentences
def answer(profiles: pd.DataFrame, steps: pd.DataFrame) -> str:
    """What was measured, the dearest profile on a CPU and on one GPU, and what derived times leave out.

    Args:
        steps: the newest table with first steps of ours: ``speed_peers``, or ``speed_arms`` where there is none.
    """
    gpu, measured = _gpu(profiles), profiles[profiles["basis"] == MEASURED]
    took = _listed(f"{duration(3600 * row['hours'])} for `{row['profile']}`" for row in _records(measured))
    on_gpu = profiles[profiles["device"] == gpu].set_index("profile")["hours"]
    dearest = on_gpu.idxmax()
    on_cpu = profiles[(profiles["profile"] == dearest) & (profiles["basis"] == CPU)]
    times = [f"{duration(3600 * row['hours'])} on {row['device']}" for row in _records(on_cpu)]
    times.append(f"{duration(3600 * on_gpu[dearest])} on one {gpu}")
    ours = steps["case"].str.endswith(", ours")
    first = steps.loc[(ours if ours.any() else ~_is_literal(steps)) & (steps["what"] == "train"), "first_seconds"]
    return (
        f"all runs of a profile together took, measured on a CPU: {took}. Derived from counted operations, those of "
        f"the dearest, `{dearest}`, come to {' or '.join(times)}. Arms, seeds and epochs multiply it, and so does the "
        "number of pixels. The first step, which compiles, comes on top: "
        f"{duration(first.min())} to {duration(first.max())} from network to network, as measured, and some seconds "
        "until the network stands."
    )


def not_yet(peers: pd.DataFrame) -> str:
    """What the page's question asks and nobody has measured, as a further sentence of the answer."""
    return "" if len(peers) else " Against PyTorch nothing is measured yet."


@_table
def hours(profiles: pd.DataFrame) -> pd.DataFrame:
    """A line a profile, all its runs together; those named after another (lite-folds) are in ``devices_table`` only."""
    lines, names = [], set(profiles["profile"])
    for name, rows in profiles.groupby("profile", sort=False):
        if name.rpartition("-")[0] in names:
            continue
        first, gpu = rows.iloc[0], _gpu(profiles)
        line = {"profile": name, "runs, all planned": first["runs"], "side (px)": first["pixels"]}
        for title, hit in (
            ("on a CPU, derived", rows["basis"] == CPU),
            ("on a CPU, measured", rows["basis"] == MEASURED),
            (f"on one {gpu}, derived", rows["device"] == gpu),
        ):
            line[title] = duration(3600 * rows.loc[hit, "hours"].iloc[0]) if hit.any() else "–"
        lines.append(line)
    return pd.DataFrame(lines)


def provenance(frame: pd.DataFrame) -> str:
    """The line that a table rests on, for the figure drawn from it; empty where there are no rows."""
    return "".join(frame["provenance"].head(1))


def rests_on(*frames: pd.DataFrame) -> str:
    """What was measured where. Parts that differ in the load alone share a line; missing ones are named.

    Args:
        frames: in the order of ``tables.speed.FILES``.
    """
    loads = {}
    for name, frame in zip(FILES, frames):
        for line in frame["provenance"].head(1):
            load = next(part for part in line.split("; ") if part.startswith("load "))
            loads.setdefault(line.replace(f"; {load}", ""), []).append(f"*{name}* {load.split()[1]}")
    missing = [name for name, frame in zip(FILES, frames) if frame.empty]
    lines = [f"{shared} (load at the start of {', '.join(parts)})" for shared, parts in loads.items()]
    return (
        "**This page rests on** `results/bench`. "
        f"{'; '.join(lines) or 'Nothing is measured yet: `make bench` does it'}."
        + (f" Missing: {', '.join(missing)}." if missing and loads else "")
    )


# --- PyTorch -------------------------------------------------------------------------------------------------


@_sentences
def peers(peers: pd.DataFrame) -> str:
    """Our training step against PyTorch's own, network by network."""
    steps = peers[peers["what"] == "train"]
    sentences = []
    for row in _records(steps[steps["case"].str.endswith(", ours")]):
        arm = row["case"].removesuffix(", ours")
        same = steps[(steps["pixels"] == row["pixels"]) & steps["case"].str.startswith(f"{arm}, ")].set_index("case")
        wanted = dict(PYTORCH_AIMS).get(parse_arm(arm).backbone)
        judged = f" (aim: {wanted:g}, {aim(*_triple(row)[1:], wanted)})" if wanted else ""
        others = [
            f"{case.removeprefix(f'{arm}, ')} {_ratio(other)}"
            for case, other in same.iterrows()
            if case != row["case"] and pd.notna(other["ratio"])
        ]
        sentences.append(
            f"{arm_label(arm)} at {row['pixels']} px: ours {_ratio(row)} times as fast{judged}, {_listed(others)}; "
            f"first step {duration(row['first_seconds'])}, "
            f"PyTorch's {duration(same.loc[row['reference'], 'first_seconds'])}"
        )
    paces = steps[steps["ratio"].isna()]
    moved = (paces["seconds_high"] / paces["seconds_low"]).max()
    return (
        f"**Answer:** training, against PyTorch's plain step. {'. '.join(sentences)}. Ratios are of rounds side by "
        f"side, images/s medians over all rounds of a row, and PyTorch's own pace moved by a factor of up to "
        f"{moved:.1f} between its rounds: where the two disagree, the ratio counts."
    )


@_table
def peers_table(peers: pd.DataFrame) -> pd.DataFrame:
    return _comparison(peers, "network", lambda row: label(row["case"]))


# --- data ----------------------------------------------------------------------------------------------------


@_sentences
def data(data: pd.DataFrame) -> str:
    """Copies and reading, ours against the released way, scaled to the paper's protocol."""
    cases = data.set_index("case")
    time = cases["scaled_to"] * cases["seconds_per_image"]
    size = cases["scaled_to"] * cases["bytes_per_image"]
    offline, virtual, store = "offline copies on disk", "virtual copies", "decoding all images, once"
    device = cases.loc["decoded store, resampled on the device"]
    return (
        f"**Answer:** the {cases.loc[offline, 'scaled_to']:,.0f} files of the offline way would take "
        f"{duration(time[offline])} and {memory(size[offline])} of disk (scaled); as virtual copies they take "
        f"{duration(time[virtual])} and {memory(size[virtual])}. Their pixels are then computed in each step, at "
        f"{1 / device['seconds_per_image']:,.0f} images/s; the released loaders read files, which they do not "
        f"transform any more, {1 / device['ratio']:.1f} times as fast. All images are decoded once, in "
        f"{duration(time[store])} (aim: {AIMS['decode']} s, "
        f"{aim(time[store], time[store], AIMS['decode'], at_most=True)}), and never again."
    )


@_table
def data_table(data: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "case": f"{row['case']}, {row['pixels']} px",
            "images/s": _rate(row),
            "times as fast": _ratio(row, 1),
            "scaled to": f"{SCALED[row['what']]}: {row['scaled_to']:,}",
            "time, scaled": duration(row["scaled_to"] * row["seconds_per_image"]),
            "bytes, scaled": memory(row["scaled_to"] * row["bytes_per_image"]) if row["what"] != "read" else "–",
        }
        for row in _records(data)
    )


# --- arms ----------------------------------------------------------------------------------------------------


def _is_literal(arms):
    """The rows of the comparison whose reference is the literal model."""
    return arms["case"].str.contains(", literal") | arms["reference"].fillna("").str.endswith(", literal")


@_table
def ladder(arms: pd.DataFrame) -> pd.DataFrame:
    """Training steps of the arms, as ``figures.speed_of_arms`` takes them."""
    return arms[~_is_literal(arms) & (arms["what"] == "train")]


TITLES = {"train": "training step", "predict": "inference"}


@_table
def arms_table(arms: pd.DataFrame, what: str) -> pd.DataFrame:
    """One row an arm, for each side images per second and ratio to the reference; ``what``: "train" or "predict"."""
    lines = {}
    for row in _records(arms[~_is_literal(arms) & (arms["what"] == what)]):
        line = lines.setdefault(row["case"], {TITLES[what]: label(row["case"])})
        line[f"{row['pixels']} px, images/s"] = number(1 / row["seconds_per_image"], 4)
        line[f"{row['pixels']} px, times as fast"] = _ratio(row)
    return pd.DataFrame(lines.values())


@_table
def memory_table(arms: pd.DataFrame) -> pd.DataFrame:
    """Seconds to the network and of the first call, highest memory, by arm and side."""
    steps = arms[arms["what"] == "train"].drop_duplicates(["case", "pixels"])
    lines = {}
    for row in _records(steps.sort_values("pixels", kind="stable")):
        start = steps.loc[steps["case"] == row["case"], "start_seconds"].median()
        line = lines.setdefault(row["case"], {"arm": label(row["case"]), "to the network (s)": f"{start:.1f}"})
        line[f"{row['pixels']} px: first call (s)"] = f"{row['first_seconds']:.0f}"
        line[f"{row['pixels']} px: memory"] = memory(row["peak_mib"] * 2**20)
    return pd.DataFrame(lines.values())


@_sentences
def literal(arms: pd.DataFrame) -> str:
    """The released model as we train it against its literal form, and what is left to gain."""
    steps = arms[_is_literal(arms) & (arms["what"] == "train") & arms["ratio"].notna()]
    fused = {row["pixels"]: row for row in _records(steps[steps["case"].str.contains(", literal,")])}
    ours = {row["pixels"]: row for row in _records(steps[~steps["case"].str.contains(", literal")])}
    same = {side: quotient(_triple(row), _triple(fused[side])) for side, row in ours.items() if side in fused}
    differ = [f"{side} px" for side, (_, low, high) in same.items() if low > 1 or high < 1]
    shown = f"a difference at {_listed(differ)}" if differ else "no difference: the gain is the normalisation"
    judged = [
        f" (aim at {s} px: {AIMS['literal']}, {aim(*_triple(ours[s])[1:], AIMS['literal'])})"
        for s in {JUDGED_SIDE} & set(ours)
    ]
    text = (
        "**Answer:** as this book trains it, a step of the released model is so many times as fast as its literal form "
        f"in Keras 3: {_listed(f'{_ratio(row)} at {side} px' for side, row in ours.items())}{''.join(judged)}. "
        "**With the same batch normalisation in both**: "
        f"{_listed(f'{_spread(*times)} at {side} px' for side, times in same.items())} (quotient of the two ratios to "
        f"the literal form, its brackets the farthest that their rounds allow); the rounds show {shown}."
    )
    plain = ladder(arms)
    for row in _records(plain[plain["case"].isin(steps["case"]) & plain["pixels"].isin(set(same) & {JUDGED_SIDE})]):
        side, base = row["pixels"], row["reference"]
        bare = quotient(same[side], _triple(row))
        seconds = plain[(plain["pixels"] == side) & (plain["case"] == base)]["seconds_per_image"].iloc[0]
        text += (
            f" Plain {label(base)}, with none of these modules, comes to {_spread(*bare)} times that form at {side} px "
            f"(by the rates in the tables {fused[side]['seconds_per_image'] / seconds:.2f}): about what any way of "
            "writing the modules could gain."
        )
    return text


@_table
def literal_table(arms: pd.DataFrame) -> pd.DataFrame:
    pairs = arms[_is_literal(arms)].sort_values(["what", "pixels"], ascending=[False, True])
    return _comparison(pairs, "model", lambda row: label(row["case"])).rename(
        columns={"times as fast": "times as fast as literal"}
    )


# --- input, backends, ways that were tried -------------------------------------------------------------------


@_sentences
def epoch(epoch: pd.DataFrame) -> str:
    """The share of an epoch that the input takes, ours and the released loaders'."""
    ours, theirs = (epoch[epoch["case"].str.startswith(start)].iloc[0] for start in ("ours", "released"))
    share, low, high = _share(ours)
    times = quotient(_triple(ours), _triple(theirs))
    shown = "the rounds show no difference" if times[1] <= 1 <= times[2] else "in every round"
    rates = theirs["seconds_per_image"] / ours["seconds_per_image"]
    return (
        f"**Answer:** our input takes {_spread(share, low, high, 1)}% of an epoch of {ours['images']:,} images at "
        f"{ours['pixels']} px (aim: at most {AIMS['input']}%, {aim(low, high, AIMS['input'], at_most=True)}), the "
        f"released loaders' {_spread(*_share(theirs), 1)}%. Against one fed by files our epoch is {_spread(*times)} "
        f"times as fast, by the quotient of the two ratios ({shown}); by the rates in the table, {rates:.2f} times."
    )


def _share(row):
    """Percent of the epoch that is not spent where the input is ready; NaN for the reference."""
    value, low, high = _triple(row)
    return 100 * (1 - value), 100 * (1 - high), 100 * (1 - low)


@_table
def epoch_table(epoch: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "input": row["case"],
            "images/s": _rate(row),
            "times as fast": _ratio(row, 3),
            "share of the epoch that the input takes (%)": "–" if np.isnan(row["ratio"]) else _spread(*_share(row), 1),
            "share of the epoch within fit (%)": "–" if np.isnan(row["fit_share"]) else f"{100 * row['fit_share']:.1f}",
        }
        for row in _records(epoch)
    )


@_sentences
def backends(backends: pd.DataFrame, arms: pd.DataFrame) -> str:
    """Whether anything trains faster than TensorFlow in float32."""
    steps = backends[(backends["what"] == "train") & (backends["ratio_low"] > 1)].sort_values("ratio")
    best = "nothing trains faster than TensorFlow in float32 in every round"
    if len(steps):
        row = steps.iloc[-1]
        best = f"{_backend(row)} trains {label(row['case'])} {_ratio(row)} times as fast as TensorFlow in float32, the"
        best += " most"
    text = f"**Answer:** on the machine measured, {best}. On another device the order may be another."
    lines = (frame["provenance"].iloc[0].split("; ") for frame in (backends, arms))
    if len({part for line in lines for part in line if part.startswith("commit ")}) > 1:
        text += (
            " These rates are of another commit than those of the training steps above (the line under the first "
            "table), when TensorFlow still had Keras's own batch normalisation; with its one kernel, float32 would be "
            "faster and every ratio to it lower."
        )
    return text


def _backend(row) -> str:
    return f"{BACKENDS[row['backend']]}, {row['precision'].removeprefix('mixed_')}"


@_table
def backends_table(backends: pd.DataFrame) -> pd.DataFrame:
    backends = backends.sort_values("what", ascending=False, kind="stable")
    return _comparison(backends, "arm and backend", lambda row: f"{label(row['case'])}: {_backend(row)}")


@_sentences
def tried(tried: pd.DataFrame) -> str:
    """What is faster and what is slower in every round."""
    faster = tried[tried["ratio_low"] > 1].sort_values("ratio", ascending=False)
    slower = tried[tried["ratio_high"] < 1].sort_values("ratio")
    faster, slower = (_listed(f"{r['case']} ({r['ratio']:.2f})" for r in _records(part)) for part in (faster, slower))
    return (
        f"**Answer:** of {tried['ratio'].notna().sum()} other ways, faster in every round: {faster}; slower in every "
        f"round: {slower}."
    )


@_table
def tried_table(tried: pd.DataFrame) -> pd.DataFrame:
    return _comparison(tried, "way", lambda row: row["case"])


@_table
def waits_table(waits: pd.DataFrame) -> pd.DataFrame:
    return waits.drop(columns="provenance").round({"expected by chance": 1})


# --- cost ----------------------------------------------------------------------------------------------------


@_sentences
def cost(flops: pd.DataFrame) -> str:
    """How operations grow with the side, and what the paper's modules add."""
    arm = flops["arm"].iloc[0]
    steps = flops[flops["arm"] == arm].set_index("pixels")["flops_training"].sort_index()
    power = np.log(steps.iloc[-1] / steps.iloc[0]) / np.log(steps.index[-1] / steps.index[0])
    side = middle_side(flops)
    text = f"**Answer:** operations of {arm_label(arm)} grow with the side to the power of {power:.2f}"
    full = flops[(flops["pixels"] == side) & flops["arm"].str.endswith("-wagf-described")]
    for row in _records(full):
        base = flops[(flops["pixels"] == side) & (flops["arm"] == f"{parse_arm(row['arm']).backbone}-base")]
        more = 100 * (row["flops_training"] / base["flops_training"].iloc[0] - 1)
        plain = arm_label(base["arm"].iloc[0])
        text += f"; all modules of the paper together add {more:.0f}% to plain {plain} at {side} px"
    return text + ". Nothing is shared between runs but the decoded images."


def middle_side(flops: pd.DataFrame) -> int:
    """The side at which arms are compared: the middle one of those counted."""
    return sorted(set(flops["pixels"]))[flops["pixels"].nunique() // 2]


@_where_measured((None, None))
def shown(flops: pd.DataFrame, profiles: pd.DataFrame) -> tuple[int | None, str | None]:
    """Side and device that the figure of costs takes."""
    return middle_side(flops), _gpu(profiles)


@_table
def flops_table(flops: pd.DataFrame) -> pd.DataFrame:
    """Billions of operations (GFLOP) for one image forward, one row an arm."""
    flops = flops.assign(arm=flops["arm"].map(arm_label), g=flops["flops_forward"] / 1e9)
    wide = flops.pivot_table("g", "arm", "pixels", sort=False)
    wide = wide.map("{:.3g}".format).rename(columns="{} px".format)
    parameters = flops.groupby("arm", sort=False)["parameters"].max() / 1e6
    wide.insert(0, "parameters (million)", parameters.map("{:.2f}".format))
    return wide.reset_index()


@_table
def devices_table(profiles: pd.DataFrame) -> pd.DataFrame:
    """Every profile on every device, all its runs together."""
    lines = []
    for name, rows in profiles.groupby("profile", sort=False):
        first = rows.iloc[0]
        line = {"profile": name, "runs": first["runs"]}
        line["images trained on (million)"] = number(first["training_images"] / 1e6)
        line["PFLOP"] = number(first["petaflops"])
        titles = rows["device"].where(rows["basis"] != MEASURED, "measured here")
        lines.append(line | dict(zip(titles, (3600 * rows["hours"]).map(duration))))
    return pd.DataFrame(lines)


@_table
def derived_table(derived: pd.DataFrame) -> pd.DataFrame:
    """The aims for one GPU: shares are to be reached, times not to be exceeded."""
    lines = []
    for row in _records(derived):
        value, unit, wanted = row["value"], row["unit"], row["target"]
        is_share = pd.isna(unit)
        if is_share:
            shown = f"{100 * value:.1f}%"
        else:
            shown = memory(value) if unit == "bytes" else f"{number(value, 4)} {unit}"
        line = {"quantity": row["quantity"], "derived value": shown, "aim": "–", "met": "–"}
        if pd.notna(wanted):
            line["aim"] = f"at least {100 * wanted:.0f}%" if is_share else f"at most {wanted:g} {unit}"
            line["met"] = "yes" if (value >= wanted if is_share else value <= wanted) else "no"
        lines.append(line)
    return pd.DataFrame(lines)


@_sentences
def sources(profiles: pd.DataFrame, derived: pd.DataFrame) -> str:
    """Links to the published rates."""
    urls = {url for frame in (profiles, derived) for line in frame["source"].dropna() for url in line.split()}

    def name(url):
        parts = url.split("/")
        return f"{parts[3] if 'github' in url else 'NVIDIA, A100'}, {parts[-1]}"

    return f"Published rates and figures are from: {', '.join(f'[{name(url)}]({url})' for url in sorted(urls))}."
