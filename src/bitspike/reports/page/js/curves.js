// Learning curves, drawn by uPlot: loss, accuracy, and how far learned bits are from their target.
"use strict";

page.section({
  id: "curves",
  title: "Learning curves",
  short: "Curves",
  make(body) {
    const runs = page.content.runs.filter((run) => run.curve.step.length || run.curve.epochs.length);
    if (!runs.length)
      return page.content.runs.length ? "The runs have no metrics.jsonl." : "Frozen networks have no training to show.";
    const boxes = page.content.measure === "test_map50";
    const watched = boxes ? "validation_map50" : "validation_accuracy";
    const overEpochs = (run, of) => [
      run.curve.epochs.map((line) => line.epoch),
      run.curve.epochs.map((line) => of(line) ?? null),
    ];
    const line = (run, points, more = "") => ({
      name: run.name + more,
      colour: page.content.runs.indexOf(run),
      points,
    });
    const aimed = runs.filter((run) => run.curve.epochs.some((each) => each.target || each.of_budget));
    const kinds = {
      accuracy: [
        boxes ? "Validation mAP50" : "Validation accuracy",
        "%",
        () =>
          runs.map((run) =>
            line(
              run,
              overEpochs(run, (each) => each[watched]),
            ),
          ),
      ],
      loss: [
        "Training loss",
        "loss",
        () =>
          runs.map((run) =>
            line(run, [run.curve.step.map((step) => step / run.curve.steps_per_epoch), run.curve.loss]),
          ),
      ],
      validation: [
        "Validation loss",
        "loss",
        () =>
          runs.map((run) =>
            line(
              run,
              overEpochs(run, (each) => each.validation_loss),
            ),
          ),
      ],
      ...(aimed.length ? { target: ["Distance to target", "of the target", () => aimed.flatMap(distances)] } : {}),
    };
    let kind = "accuracy",
      drawn = null;

    // What was reached over what was asked for, minus 1: 0 is the target, 0.5 half too much.
    function distances(run) {
      const found = [];
      const budgets = Object.keys(run.curve.epochs.findLast((each) => each.of_budget)?.of_budget ?? {});
      for (const name of budgets)
        found.push([
          name.replace("_", " "),
          (each) => (each.of_budget?.[name] === undefined ? null : 100 * (each.of_budget[name] - 1)),
        ]);
      if (run.curve.epochs.some((each) => each.target)) {
        ["w", "s", "t"].forEach((name, at) =>
          found.push([
            `mean ${name}`,
            (each) =>
              each.target && each.mean_bits?.[name] !== undefined
                ? 100 * (each.mean_bits[name] / each.target[at] - 1)
                : null,
          ]),
        );
      }
      return found.map(([name, of], at) => ({
        ...line(run, overEpochs(run, of), ` ${name}`),
        ...(aimed.length > 1 ? {} : { name }),
        colour: aimed.length > 1 ? page.content.runs.indexOf(run) : at,
        dash: aimed.length > 1 ? [[], [6, 4], [2, 3]][at % 3] : [],
      }));
    }

    function options(width, lines, unit) {
      const quiet = page.variable("--quiet"),
        grid = { stroke: page.variable("--faint"), width: 1 },
        font = "12px system-ui, sans-serif";
      const axis = {
        stroke: quiet,
        grid,
        ticks: { stroke: page.variable("--line"), width: 1 },
        font,
        labelFont: font,
        labelSize: 18,
      };
      return {
        width,
        height: Math.min(360, Math.max(240, width * 0.42)),
        padding: [10, 12, 0, 0],
        scales: { x: { time: false } },
        cursor: { y: false, drag: { x: false, y: false } },
        legend: {
          markers: { width: 0, fill: (u, at) => (at ? page.variable(`--r${lines[at - 1].colour % 8}`) : null) },
        },
        axes: [
          { ...axis, label: "epoch", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000] },
          { ...axis, label: unit, size: 56 },
        ],
        series: [
          { label: "epoch", value: (u, v) => words.plain(v ?? u.data[0].at(-1)) },
          ...lines.map((one) => ({
            label: one.name,
            stroke: page.variable(`--r${one.colour % 8}`),
            dash: one.dash,
            width: 2,
            spanGaps: true,
            points: { show: one.points[0].length < 40, size: 5 },
            value: (u, v, at) =>
              words.plain(v ?? u.data[at].findLast((one) => one !== null && one !== undefined) ?? 0, 4),
          })),
        ],
      };
    }
    // The names in uPlot's legend hide their line when they are clicked; so that keys do so too.
    function reachable(place) {
      for (const name of [...place.querySelectorAll(".u-series th")].slice(1)) {
        name.tabIndex = 0;
        name.setAttribute("role", "button");
        name.title = "Hide or show this line";
        name.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            name.click();
          }
        });
      }
    }
    const host = page.plot(
      (place, width) => {
        const [, unit, of] = kinds[kind];
        const lines = of().filter((one) => one.points[1].some((v) => v !== null));
        drawn?.destroy();
        place.replaceChildren();
        const note = kind === "target" ? "% off the target (0 is the target)" : unit;
        if (lines.length) {
          drawn = new uPlot(options(width, lines, note), uPlot.join(lines.map((one) => one.points)), place);
          reachable(place);
        } else {
          drawn = null;
          place.append(page.el("p", { class: "quiet" }, "No epoch of these runs tells it."));
        }
      },
      { role: "group", "aria-label": "Learning curves; the numbers are in the table below" },
    );
    const thinned = Math.max(...runs.map((run) => run.curve.mean_of));
    body.append(
      page.controls(
        page.choice(
          "Show",
          Object.entries(kinds).map(([name, [text]]) => [name, text]),
          kind,
          (name) => {
            kind = name;
            host.again();
          },
        ),
      ),
      host,
      thinned > 1
        ? page.el("p", { class: "quiet small" }, `A point of the training loss is a mean of up to ${thinned} steps.`)
        : "",
      page.behind(
        "After each epoch",
        [
          ["run", (row) => row.run],
          ["epoch", (row) => row.epoch, true],
          [kinds.accuracy[0], (row) => words.percent(row[watched]), true],
          [
            "validation loss",
            (row) => ((row.validation_loss ?? null) === null ? null : row.validation_loss.toFixed(4)),
            true,
          ],
          [
            "mean bits w, s, T",
            (row) =>
              row.mean_bits
                ? ["w", "s", "t"]
                    .filter((name) => name in row.mean_bits)
                    .map((name) => row.mean_bits[name].toFixed(2))
                    .join(", ")
                : null,
          ],
        ],
        () => runs.flatMap((run) => run.curve.epochs.map((each) => ({ ...each, run: run.name }))),
      ),
    );
  },
});
