"""Grad-CAM and SaFA's map, side by side."""

from wagf_src.report.figures.attention import attention_maps


def grad_cam_examples(frame, outlines=None):
    """The table ``grad_cam_examples``: one column a class, one row a map, each stretched to its own range.

    Args:
        frame: map, class, image_id, predicted, row, column, value. outlines: lesion masks (S, S), one an image.
    """
    rows, titles = {}, {}
    for (name, dx, image_id, predicted), cells in frame.groupby(["map", "class", "image_id", "predicted"], sort=False):
        values = cells.pivot(index="row", columns="column", values="value").to_numpy()
        note = f"{values.min():.2f} to {values.max():.2f}" + (f"\ntaken for {predicted}" if predicted != dx else "")
        rows.setdefault(name, []).append((values, note))
        titles[dx, image_id] = f"{dx}\n{image_id}"
    return attention_maps(rows, list(titles.values()), outlines)
