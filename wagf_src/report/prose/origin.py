"""Where the data protocol and three numbers of Table 2 may come from; says what is consistent, never what happened."""

from wagf_src.paper import published, table2_sources
from wagf_src.stats.proportions import difference_percent, wilson_percent


def protocol() -> str:
    """The same split in an earlier work, and what its stored accuracy is beside the paper's."""
    source, headline = table2_sources.missing(), published.TABLE1[-1]
    same = sum(source.supports[c] == n for c, n in published.TEST_SUPPORTS.items())
    low, high = wilson_percent(source.accuracy, source.n)
    value, least, most = difference_percent(source.accuracy, headline.accuracy, source.n, published.N_TEST)
    images = source.hits - round(headline.accuracy * published.N_TEST / 100)
    within = "within the noise of two test sets: not lower" if least < 0 < most else "beyond the noise of two test sets"
    return (
        f"The notebook of their 20% split stores {source.left:,} images left, {source.augmented:,} files after "
        f"augmentation and {source.n:,} test images, with {same} of {len(source.supports)} class supports equal to "
        "those of the released notebooks here: the same rule of the split, the same augmentation to the file. "
        "The paper does not cite the work, and its protocol is consistent with having come from there, or from a "
        "common source. "
        f"{source.model} reaches {source.accuracy:.2f}% there, {source.hits:,} of {source.n:,} "
        f"[{low:.1f}, {high:.1f}]; row {headline.row} of Table 1, {headline.accuracy:.2f}%, is {images} images less. "
        f"The difference, {value:+.2f} points [{least:+.1f}, {most:+.1f}], is {within}. Neither draw has a published "
        f"seed, so the images need not be the same. Also theirs: {source.note}; the test images were their validation "
        "images too."
    )


def table3() -> str:
    """Three values under one heading in two tables, and what the sources say they are."""
    rows = table2_sources.same_values()
    sources = table2_sources.sources()
    lines = [f"{row} {published.row(row).accuracy:.2f}: in the source {sources[row].metric}" for row in rows]
    return (
        f"Three accuracies of Table 2 stand in the table of earlier work of {table2_sources.missing().row} too, to the "
        f"digit and under the same heading, *accuracy*. {'; '.join(lines)}. That is consistent with their having been "
        "taken from that table, and does not prove it; anyone who read the same preprints may have noted the same "
        "numbers."
    )
