"""``python -m claims.figures_which_bits``: accuracy over each of four currencies, a panel for each network.

Of `claims.which_bits`, as ``tools/which_bits.py`` writes it out; into ``docs/figures/which-bits-*.png``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from statistics import mean, stdev
from typing import Any

from bitspike.errors import UserError, require
from claims.buying import shown
from claims.figures_004 import figure, save
from claims.which_bits import CURRENCIES, IMAGES, Currency, Network, Setting, front, networks

FILES = {"bytes": "bytes", "s_ace": "bit-operations", "us": "time", "lut_cycles": "lut-cycles"}
"""How the files end, by currency."""
LOOKS = (("o", "#0072b2"), ("s", "#e69f00"), ("^", "#009e73"), ("D", "#cc79a7"), ("v", "#56b4e9"), ("P", "#d55e00"))
"""Markers and colours (Okabe and Ito's, which all eyes tell apart), by steps, the fewest first."""
COLUMNS, SIZE = 2, (5.2, 3.5)
SIDES = {1: "left", -1: "right"}
"""Of a point, and how a label there is aligned."""
RISES = (0, 6, -6, 11, -11, 17, -17, 24, -24, 32, -32, 42, -42, 54, -54, 68, -68)
"""How much higher than its point a label may stand, in points; beyond the first few a thin line leads to it."""
NEAR, BESIDE = 11, (9, 24)
"""The last rise without a line, and how far beside the point a label then stands: without and with one."""


def against(trained: Sequence[Network], name: str) -> Any:
    """Mean test accuracy of every setting over one currency, with the spread of its seeds and the Pareto front.

    Raises:
        UserError: none of the networks has a cost in it.
    """
    drawn = [network for network in trained if any(name in setting.costs for setting in network.settings)]
    if not drawn:
        raise UserError(f"figure of {CURRENCIES[name].name}", "nothing measured", "run benchmarks/which_bits.py first")
    rows = -(-len(drawn) // COLUMNS)
    made = figure(SIZE[0] * COLUMNS, SIZE[1] * rows)
    panels = list(made.subplots(rows, COLUMNS, squeeze=False).flat)
    looks = dict(zip(sorted({s.where["T"] for network in drawn for s in network.settings}), LOOKS, strict=False))
    for axes, network in zip(panels, drawn, strict=False):
        panel(axes, network, name, looks)
    for axes in panels[len(drawn) :]:
        axes.set_axis_off()
    handles = {text: handle for axes in panels for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    by_steps = sorted(handles, key=lambda text: (not text.startswith("T"), len(text), text))
    made.legend([handles[text] for text in by_steps], by_steps, loc="outside lower center", ncols=6, frameon=False)
    require("matplotlib.backends.backend_agg", "viz").FigureCanvasAgg(made).draw()  # labels stand between what is there
    for axes, network in zip(panels, drawn, strict=False):
        label(axes, [s for s in network.settings if name in s.costs], CURRENCIES[name], name)
    return made


def panel(axes: Any, network: Network, name: str, looks: dict[int, tuple[str, str]]) -> None:
    currency = CURRENCIES[name]
    priced = [setting for setting in network.settings if name in setting.costs]
    best = front(priced, name)
    stairs = [place(setting, currency, name) for setting in best]
    axes.step(
        *zip(*stairs, strict=True),
        where="post",
        color="0.6",
        linewidth=1,
        zorder=1,
        label="Pareto front, its points filled",
    )
    for setting in priced:
        x, y = place(setting, currency, name)
        marker, colour = looks[setting.where["T"]]
        spread = stdev(setting.accuracy) if len(setting.accuracy) > 1 else 0
        filled = colour if setting in best else "white"
        style = {"fmt": marker, "color": colour, "markerfacecolor": filled, "capsize": 2, "elinewidth": 0.8}
        axes.errorbar(x, y, spread, middle_half(setting, name), label=f"T = {setting.where['T']}", **style)
    axes.set_xscale("log")
    costs = [place(setting, currency, name)[0] for setting in priced]
    low, high = min(costs), max(costs)
    edge = max((high / low) ** 0.14, 1.25)
    axes.set_xlim(low / edge, high * edge)
    axes.margins(y=0.12)
    round_ones = list(ticks(low / edge, high * edge))
    axes.set_xticks(round_ones, [f"{value:g}" for value in round_ones])
    axes.minorticks_off()
    said = f"{network.recipe}, {network.scale}"
    if name in ("us", "lut_cycles") and priced[0].floats:
        said += "\nweights are floats, measured with 8 bits"
    if name == "lut_cycles" and not network.counted:
        said += "\nLUTs are estimated, of the elements alone"
    axes.set_title(said, fontsize=9)
    axes.set_xlabel(currency.title, fontsize=9)
    axes.set_ylabel(f"{IMAGES[network.dataset]}: test accuracy (%)", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)


def middle_half(setting: Setting, name: str) -> list[list[float]] | None:
    """Of the rounds that a time is the median of, from it to both ends."""
    if name != "us":
        return None
    times = setting.measured["us"]
    return [[times["median"] - times["q1"]], [times["q3"] - times["median"]]]


def place(setting: Setting, currency: Currency, name: str) -> tuple[float, float]:
    return setting.costs[name] / currency.per, mean(setting.accuracy)


def ticks(low: float, high: float) -> Iterable[float]:
    """Round numbers between two: of one digit; of a narrow range 12, 15 and the like too."""
    digits = (1, 2, 5) if high / low > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    return (d * 10.0**power for power in range(-3, 9) for d in digits if low <= d * 10.0**power <= high)


def label(axes: Any, settings: Sequence[Setting], currency: Currency, name: str) -> None:
    """Each point's widths, where they cover no other label, no point and no line, and stand in the points' order.

    Raises:
        ValueError: there is no such place, even over a line.
    """
    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    dots = [axes.transData.transform(place(setting, currency, name)) for setting in settings]
    drawn = lines_of(axes)
    placed: list[tuple[Any, Any]] = []
    for setting, at in sorted(zip(settings, dots, strict=True), key=lambda pair: -pair[1][1]):
        for avoided, rise, side in product((drawn, []), RISES, SIDES):
            text = written(axes, setting, (currency, name), side, rise)
            text.update_positions(renderer)
            box = text_box(text, renderer)
            free = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
            free = free and not any(box.padded(2).contains(*point) for point in avoided)
            free = free and not any(box.padded(4).contains(*dot) for dot in dots)
            free = free and not any(box.overlaps(other) or crossed(box, at, other, dot) for other, dot in placed)
            if free:
                placed.append((box, at))
                break
            text.remove()
        else:
            raise ValueError(f"{setting.label} has no room in the panel of {setting.recipe}")


def written(axes: Any, setting: Setting, costing: tuple[Currency, str], side: int, rise: int) -> Any:
    far = abs(rise) > NEAR
    return axes.annotate(
        setting.label,
        place(setting, *costing),
        xytext=(side * BESIDE[far], rise),
        textcoords="offset points",
        ha=SIDES[side],
        va="center",
        fontsize=8,
        arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 3} if far else None,
    )


def crossed(box: Any, at: Any, other: Any, dot: Any) -> bool:
    """Whether two labels, one above the other, are of points that lie the other way around."""
    beside = box.x0 < other.x1 and other.x0 < box.x1
    return bool(beside and (box.y0 - other.y0) * (at[1] - dot[1]) < 0)


def lines_of(axes: Any) -> list[Any]:
    """Points along what is drawn as lines: the front, and the bars of the spread."""
    paths = [
        line.get_transform().transform_path(line.get_path()) for line in axes.lines if line.get_linestyle() != "None"
    ]
    for bars in axes.collections:
        paths += [bars.get_transform().transform_path(path) for path in bars.get_paths()]
    found = []
    for path in paths:
        for (x0, y0), (x1, y1) in pairwise(path.vertices):
            parts = max(int(max(abs(x1 - x0), abs(y1 - y0)) // 3), 1)
            found += [(x0 + (x1 - x0) * i / parts, y0 + (y1 - y0) * i / parts) for i in range(parts + 1)]
    return found


def text_box(text: Any, renderer: Any) -> Any:
    """Of a label without the line that leads to it."""
    arrow, text.arrow_patch = text.arrow_patch, None
    box = text.get_window_extent(renderer)
    text.arrow_patch = arrow
    return box


if __name__ == "__main__":
    trained = shown(networks())
    for name, ending in FILES.items():
        save(f"which-bits-{ending}", against(trained, name))
