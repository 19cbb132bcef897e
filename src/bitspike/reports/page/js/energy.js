// Where the energy of a sample goes: parts of the whole, and layers.
"use strict";

page.section({
  id: "energy",
  title: "Energy",
  make(body) {
    const runs = page.content.runs.filter((run) => run.energy);
    if (!runs.length)
      return page.content.runs.length
        ? "The runs hold no estimate of their energy: it needs counted spikes."
        : "A frozen network has counted no spikes, which the estimate needs.";
    const parts = [
      ["weights", "weights"],
      ["potentials", "potentials"],
      ["bias", "bias"],
      ["in_out", "inputs and outputs"],
      ["synaptic", "synaptic operations"],
      ["addressing", "addressing"],
    ];
    const most = Math.max(...runs.flatMap((run) => [run.energy.snn.total, run.energy.ann.total]));
    const stack = (name, total) =>
      page.el(
        "div",
        { style: "display:contents", role: "listitem" },
        page.el("div", { class: "name" }, name),
        page.el(
          "div",
          { class: "bar tall", title: parts.map(([part, text]) => `${text} ${words.joule(total[part])}`).join(", ") },
          page.el(
            "div",
            { class: "room" },
            page.el(
              "div",
              { class: "stack fill", style: `width:${(100 * total.total) / most}%` },
              parts.map(([part], at) =>
                page.el("span", {
                  style: `width:${(100 * (total[part] ?? 0)) / total.total}%;background:var(--p${at})`,
                }),
              ),
            ),
            page.el("span", { class: "value" }, words.joule(total.total)),
          ),
        ),
      );
    let ann = false;
    const whole = page.el("div");
    const show = () =>
      whole.replaceChildren(
        page.el(
          "div",
          { class: "bars", role: "list", "aria-label": "Energy by what uses it" },
          runs.flatMap((run) => [
            stack(run.name, run.energy.snn),
            ...(ann ? [stack(`${run.name}, as an ANN`, run.energy.ann)] : []),
          ]),
        ),
      );
    const series = page.seriesOf(
      runs,
      (run) => run.energy.layers,
      (row) => row.total,
    );
    body.append(
      page.el(
        "p",
        { class: "about" },
        `An estimate of one sample, not a measurement. ${runs[0].energy.about}: widths do not change it. The same network as an ANN multiplies every input once.`,
      ),
      page.controls(
        page.choice(
          "Beside it",
          [
            [false, "Nothing"],
            [true, "The same as an ANN"],
          ],
          ann,
          (each) => {
            ann = each;
            show();
          },
        ),
      ),
      page.key(
        parts.map(([, text]) => text),
        (at) => `var(--p${at})`,
      ),
      whole,
      page.el("h3", { style: "margin-top:1.4rem" }, "By layer"),
    );
    if (runs.length > 1)
      body.append(
        page.key(
          runs.map((run) => run.name),
          (at) => page.colour(page.content.runs.indexOf(runs[at])),
        ),
      );
    body.append(
      page.bars("Energy by layer", page.namesOf(series), series, words.joule),
      page.behind(
        "Energy of one sample",
        [
          ["run", ([name]) => name],
          ...parts.map(([part, text]) => [text, ([, total]) => words.joule(total[part]), true]),
          ["total", ([, total]) => words.joule(total.total), true],
        ],
        runs.flatMap((run) => [
          [run.name, run.energy.snn],
          [`${run.name}, as an ANN`, run.energy.ann],
        ]),
      ),
    );
    const without = page.lacking(
      page.content.runs.filter((run) => !run.energy),
      "no estimate of its energy",
    );
    if (without) body.append(without);
    show();
  },
});
