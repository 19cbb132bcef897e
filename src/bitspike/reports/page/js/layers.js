// Two sections of layers: their bits, and what they send.
"use strict";

// A section of bars by layer, whose kinds are [name, title, rows of a run, value of a row, how it is written, highest].
page.layered = ({ id, title, short, about, kinds, none }) =>
  page.section({
    id,
    title,
    short,
    about,
    make(body) {
      const runs = page.content.runs.filter((run) => run.layers.length);
      if (!runs.length) return page.content.runs.length ? (page.content.runs[0].missing.cost ?? none) : none;
      const known = kinds.filter(([, , rows, value]) =>
        runs.some((run) => rows(run).some((row) => (value(row) ?? null) !== null)),
      );
      if (!known.length) return none;
      const host = page.el("div");
      function show([, text, rows, value, written, most]) {
        const series = page.seriesOf(runs, rows, value),
          names = page.namesOf(series);
        host.replaceChildren(
          page.bars(`${title}: ${text}`, names, series, written, most),
          page.behind(
            text,
            [
              ["layer", (name) => name],
              ...series.map((one) => [
                one.name,
                (name) => {
                  const v = one.values.get(name);
                  return v === null || v === undefined ? null : written(v);
                },
                true,
              ]),
            ],
            names,
          ),
        );
      }
      body.append(
        page.controls(
          page.choice(
            "Show",
            known.map((each) => [each, each[0]]),
            known[0],
            show,
          ),
        ),
      );
      if (runs.length > 1)
        body.append(
          page.key(
            runs.map((run) => run.name),
            (at) => page.colour(page.content.runs.indexOf(runs[at])),
          ),
        );
      body.append(host);
      const without = page.lacking(
        page.content.runs.filter((run) => !run.layers.length),
        "no cost.json, which has its layers",
      );
      if (without) body.append(without);
      show(known[0]);
    },
  });

page.layered({
  id: "bits",
  title: "Bits, layer by layer",
  short: "Bits",
  about:
    "w: bits of a weight. s: bits of what a neuron sends in a step. T: time steps. Learned bits are those that training ended with.",
  none: "A frozen network has its bits in the integer graph.",
  kinds: [
    [
      "Weights (w)",
      "bits of a weight",
      (run) => run.layers.filter((row) => row.weights),
      (row) => row.w,
      (v) => `${v} bit${v === 1 ? "" : "s"}`,
    ],
    ["Spikes (s)", "bits of a spike", (run) => run.neurons, (row) => row.s, (v) => `${v} bit${v === 1 ? "" : "s"}`],
    ["Steps (T)", "time steps", (run) => run.neurons, (row) => row.t, (v) => `${v} step${v === 1 ? "" : "s"}`],
    [
      "Parameters",
      "weights",
      (run) => run.layers.filter((row) => row.weights),
      (row) => row.weights,
      (v) => words.si(v),
    ],
  ],
});

page.layered({
  id: "spikes",
  title: "Spikes and firing rates",
  short: "Spikes",
  about:
    "Counted after training on validation samples. Firing rate: the share of steps at which a neuron sends a spike. Synaptic operations: additions that spikes set off.",
  none: "No spikes were counted.",
  kinds: [
    [
      "Firing rate",
      "firing rate (%)",
      (run) => run.neurons,
      (row) => ((row.sparsity ?? null) === null ? null : 100 * (1 - row.sparsity)),
      (v) => words.percent(v, 1),
      100,
    ],
    ["Spikes", "spikes of a sample", (run) => run.neurons, (row) => row.spikes, (v) => words.si(v)],
    [
      "Synaptic operations",
      "synaptic operations of a sample",
      (run) => run.layers,
      (row) => row.sops,
      (v) => words.si(v),
    ],
    ["NS-ACE", "bit operations that spikes set off", (run) => run.layers, (row) => row.ns_ace, (v) => words.si(v)],
  ],
});
