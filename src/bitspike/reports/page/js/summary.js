// What was trained, and what came of it: a row for each run.
"use strict";

page.measureName = () => (page.content.measure === "test_map50" ? "test mAP50" : "test accuracy");
page.widths = (run) =>
  run.bits_learned
    ? `${[run.mean_w, run.mean_s, run.mean_t].map((mean) => words.plain(mean, 2)).join("/")} (learned)`
    : run.bits;

page.section({
  id: "summary",
  title: "Summary",
  about:
    "S-ACE and NS-ACE: bit operations of one sample, all and those that spikes set off. Energy: of one sample, an estimate by the model of Lemaire et al.",
  make(body) {
    const { runs, measure } = page.content;
    if (!runs.length) return "Only frozen networks were given; a run would have accuracy and costs.";
    const columns = [
      ["run", (run) => run.name],
      ["network", (run) => run.model],
      ["bits w/s/T", page.widths],
      [page.measureName(), (run) => words.percent(run[measure]), true],
      ...(measure === "test_map50" ? [["mAP50-95", (run) => words.percent(run.test_map5095), true]] : []),
      ["size", (run) => words.si(run.size_bytes, "B"), true],
      ["S-ACE", (run) => words.si(run.s_ace), true],
      ["NS-ACE", (run) => words.si(run.ns_ace), true],
      ["energy", (run) => words.joule(run.energy_nj), true],
      ["seed", (run) => run.seed, true],
      ["epochs", (run) => run.epochs, true],
      [
        "trained in",
        (run) =>
          run.seconds === null || run.seconds === undefined
            ? "–"
            : run.seconds < 120
              ? `${words.plain(run.seconds)} s`
              : `${words.whole(run.seconds / 60)} min`,
        true,
      ],
    ];
    const dot = (run, index) => page.el("span", { class: "dot", style: `background:${page.colour(index)}` });
    body.append(
      page.el("div", { class: "summary" }, page.tableOf(`Runs on ${page.content.dataset}`, columns, runs, dot)),
    );
  },
});
