"""Paper 003: SpikeZIP."""

from __future__ import annotations

from bitspike.costs import ann_energy, cost
from bitspike.reproduce import accuracies
from bitspike.reproduce.networks import IMAGENET, graph_of
from bitspike.reproduce.table import MISPRINT, Row, waiting

__all__ = ["ann_energy_of_resnet20", "table3", "table4", "table6", "text"]

NJ_PER_MJ = 1e6

TABLE6 = {
    ("Spiking-YOLO", "8000 steps"): (("53.01", "51.83", "-1.18"), ("26.24", "25.66", "-0.58")),
    ("Spiking-YOLO V2", "5000 steps"): (("53.01", "51.74", "-1.27"), ("26.24", "25.78", "-0.46")),
    ("Fast-SNN", "15 steps"): (("76.16", "76.05", "-0.11"), ("46.96", "46.40", "-0.56")),
    ("SpikeZIP", "15 steps"): (("77.55", "77.48", "-0.07"), ("52.10", "52.20", "+0.10")),
}
"""Of the ANN, of the SNN, and their difference: on PASCAL VOC 2007, and on COCO 2017."""

OWN = "its own numbers"
DELTAS = {  # of Table 3: SpikeZIP and the best that others had, accuracy by accuracy; their steps where it is fewer
    "CIFAR100 VGG-16": (
        ("best", "0.25", 77.21, 76.96, "QCFS's 77.01 at 32 steps, in the same table, is better than Offset's"),
        ("steps saved", "27", 36, 9, ""),
        ("T = 2", "0.84", 64.63, 63.79, ""),
        ("T = 4", "0.95", 75.19, 74.24, ""),
        ("T = 8", "0.76", 77.02, 76.26, ""),
        ("T = 16", "0.22", 76.99, 76.77, ""),
    ),
    "CIFAR100 ResNet-20": (
        ("best", "0.02", 70.31, 70.29, ""),
        ("steps saved", "26", 36, 10, ""),
        ("T = 2", "7.02", 44.90, 37.88, ""),
        ("T = 4", "1.19", 63.58, 62.39, ""),
        ("T = 8", "0.53", 68.65, 68.12, ""),
        ("T = 16", "0.63", 70.07, 69.44, ""),
    ),
    "ImageNet VGG-16": (
        ("best", "0.12", 73.92, 73.82, f"{MISPRINT}: 73.92 less 73.82 is 0.10"),
        ("steps saved", "7", 16, 9, ""),
        ("T = 2", "6.35", 59.04, 52.69, ""),
        ("T = 4", "1.14", 72.27, 71.13, ""),
        ("T = 8", "0.65", 73.75, 73.10, ""),
        ("T = 16", "0.08", 73.90, 73.82, ""),
    ),
    "ImageNet ResNet-34": (
        ("best", "0.07", 74.21, 74.14, ""),
        ("steps saved", "5", 16, 11, ""),
        ("T = 2", "15.39", 15.39, 0, "nobody else has one"),
        ("T = 4", "51.71", 64.46, 12.75, ""),
        ("T = 8", "3.81", 72.91, 69.11, "of accuracies that are rounded"),
        ("T = 16", "-0.25", 73.91, 74.14, f"{MISPRINT}: 73.91 less 74.14 is -0.23"),
    ),
}
RESNET34 = (  # of Table 4: method, the network it names, what it prints
    ("HC-STDB", "ResNet34", "21.79"),
    ("DSR", "PreAct-ResNet18", "21.79"),
    ("PLIF, STBP-tdBN, TET, SEW", "ResNet34", "21.79"),
    ("MS-ResNet", "ResNet34", "21.80"),
    ("SpikeZIP-PR", "ResNet34", "21.79"),
)
METRIC = "COCO's metric"
DIFFERENCE = (
    "ours is the difference of the two printed numbers; of a network that we convert it is measured image by image: "
    "its raw outputs equal the quantized network's once it has settled, and so do its boxes"
)
DATA = {"voc": "PASCAL VOC 2007", "coco": "MS COCO 2017"}


def ann_energy_of_resnet20() -> tuple[Row, ...]:
    """paper 003, energy: the ANN of ResNet20, 12.5 pJ for each floating-point operation"""
    total = ann_energy(graph_of("resnet20-thin", "16/1/1", classes=100), "sop-77fj").total
    row = Row(
        row="ResNet20 ANN",
        printed="1.02",
        ours=total.total / NJ_PER_MJ,
        unit="mJ",
        counting="sop-77fj",
        note="40.82 M multiply-accumulates of two operations each, with 1x1 convolutions as shortcuts and 100 classes",
    )
    return (row,)


def table3() -> tuple[Row, ...]:
    """paper 003, Table 3: accuracy of converted networks, and what it is above other conversions"""
    rows: list[Row] = []
    for network, lines in DELTAS.items():
        rows += accuracies.of_003(network)
        for what, printed, ours, theirs, note in lines:
            unit = "steps" if what == "steps saved" else "points"
            rows.append(_of_its_own(f"{network}: over others, {what}", printed, ours - theirs, note, unit))
    return tuple(rows)


def table4() -> tuple[Row, ...]:
    """paper 003, Table 4: parameters of ResNet34 on ImageNet, and SpikeZIP beside direct training"""
    rows = [_params(*line) for line in RESNET34]
    rows += [
        accuracies.of_003_table4(),
        _of_its_own("SpikeZIP-PR over MS-ResNet, T = 4", "0.39", 69.79 - 69.40, "", "points"),
        _of_its_own(
            "SpikeZIP-PR over SEW, T = 4",
            "1.93",
            69.79 - 67.04,
            f"{MISPRINT}: 67.86 would give it; the table has 67.04",
            "points",
        ),
    ]
    return tuple(rows)


def text() -> tuple[Row, ...]:
    """paper 003, Sec. 4.1 and Fig. 4: fewer steps, and the cost of training"""
    return (
        _of_its_own("fewer steps, VGG16 on ImageNet", "43.75", 100 * (16 - 9) / 16, "", "%"),
        _of_its_own(
            "fewer steps, ResNet34 on ImageNet",
            "33.3",
            100 * (16 - 11) / 16,
            f"{MISPRINT}: 5 of 16 are 31.25 %; 5 of 15 would be 33.3 %",
            "%",
        ),
        _of_its_own(
            "GPU hours, SEW over SpikeZIP (Figure 4)", "43.5", 332.1 / 7.62, "332.1 and 7.62, cut off", "times"
        ),
    )


def _of_its_own(row: str, printed: str, ours: float, note: str, unit: str) -> Row:
    return Row(row=row, printed=printed, ours=ours, unit=unit, counting=OWN, note=note)


def _params(method: str, network: str, printed: str) -> Row:
    name = "ms-resnet18" if "18" in network else "sew-resnet34"
    count = cost(graph_of(name, "16/1/4", IMAGENET, 1000)).total.params / 1e6
    note = "of a ResNet of 34 layers, counted to five digits" if printed == "21.80" else "cut off, not rounded"
    if "18" in network:
        note = f"{MISPRINT}: that is a ResNet34; one of 18 layers has {count:.2f} M"
    unit, counting = "M parameters", "exact"
    return Row(row=f"{method}, {network}", printed=printed, ours=count, unit=unit, counting=counting, note=note)


def table6() -> tuple[Row, ...]:
    """paper 003, Table 6: mean average precision of detectors, before and after conversion"""
    rows = []
    for (work, steps), printed in TABLE6.items():
        for (data, called), (ann, snn, difference) in zip(DATA.items(), printed, strict=True):
            named = f"{work}, {called}"
            for label, printed_map in (("ANN", ann), (f"SNN of {steps}", snn)):
                rows.append(_precision(f"{named}: {label}", printed_map, data if work == "SpikeZIP" else None, called))
            rows.append(
                Row(
                    row=f"{named}: difference",
                    printed=difference,
                    ours=round(float(snn) - float(ann), 2),
                    unit="points of mAP",
                    counting=METRIC,
                    note=DIFFERENCE,
                )
            )
    return tuple(rows)


def _precision(row: str, printed: str, data: str | None, called: str) -> Row:
    """One mean average precision; ``data`` is the recipe's, of SpikeZIP's own."""
    unit = "% of mAP"
    if data is None:
        note = "another work's, as paper 003 quotes it"
        return Row(row=row, printed=printed, ours=None, unit=unit, counting=METRIC, note=note)
    recipe = f"spikezip-yolov3-{data}"
    until = f"until {called} ({data} of `bitspike data list`) and a GPU are here"
    note = f"queued, {until}, after `bitspike train {recipe}-ann`"
    return waiting(row, printed, f"bitspike convert {recipe}", note, unit, METRIC)
