"""Paper 003: SpikeZIP."""

from __future__ import annotations

from bitspike.costs import ann_energy
from bitspike.reproduce.networks import graph_of
from bitspike.reproduce.table import Row

__all__ = ["ann_energy_of_resnet20", "table6"]

NJ_PER_MJ = 1e6

TABLE6 = {
    ("Spiking-YOLO", "8000 steps"): (("53.01", "51.83", "-1.18"), ("26.24", "25.66", "-0.58")),
    ("Spiking-YOLO V2", "5000 steps"): (("53.01", "51.74", "-1.27"), ("26.24", "25.78", "-0.46")),
    ("Fast-SNN", "15 steps"): (("76.16", "76.05", "-0.11"), ("46.96", "46.40", "-0.56")),
    ("SpikeZIP", "15 steps"): (("77.55", "77.48", "-0.07"), ("52.10", "52.20", "+0.10")),
}
"""Of the ANN, of the SNN, and their difference: on PASCAL VOC 2007, and on COCO 2017."""
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


def table6() -> tuple[Row, ...]:
    """paper 003, Table 6: mean average precision of detectors, before and after conversion"""
    rows = []
    for (work, steps), printed in TABLE6.items():
        for (data, called), (ann, snn, difference) in zip(DATA.items(), printed, strict=True):
            named = f"{work}, {called}"
            note = _queued(data, called) if work == "SpikeZIP" else "another work's, as paper 003 quotes it"
            rows += [
                _precision(f"{named}: ANN", ann, None, "%", note),
                _precision(f"{named}: SNN of {steps}", snn, None, "%", note),
                _precision(
                    f"{named}: difference", difference, round(float(snn) - float(ann), 2), "points", _DIFFERENCE
                ),
            ]
    return tuple(rows)


_DIFFERENCE = (
    "ours is the difference of the two printed numbers; of a network that we convert it is measured image by image: "
    "its raw outputs equal the quantized network's once it has settled, and so do its boxes"
)


def _precision(row: str, printed: str, ours: float | None, unit: str, note: str) -> Row:
    return Row(row=row, printed=printed, ours=ours, unit=f"{unit} of mAP", counting="COCO's metric", note=note)


def _queued(data: str, called: str) -> str:
    recipe = f"spikezip-yolov3-{data}"
    where = f"until {called} ({data} of `bitspike data list`) and a GPU are here"
    return f"queued, {where}: `bitspike train {recipe}-ann`, then `bitspike convert {recipe}`"
