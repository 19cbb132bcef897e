// Where weights and membranes lie: a small plot for each layer.
"use strict";

page.section({
  id: "histograms",
  title: "Weights and membranes",
  short: "Histograms",
  make(body) {
    const runs = page.content.runs.filter((run) => run.samples);
    if (!runs.length)
      return (
        page.content.runs[0]?.missing.samples ??
        "A frozen network keeps the range of its weights alone; it is in the integer graph."
      );
    const kinds = [
      ["membranes", "Membranes"],
      ["weights", "Weights"],
    ].filter(([kind]) => runs.some((run) => Object.keys(run.samples[kind]).length));
    if (!kinds.length) return "The networks have neither weights nor membranes of their own.";
    let run = runs[0],
      [kind] = kinds[0];
    const about = {
      membranes:
        "Potentials before a neuron fires, in units of its threshold, over all steps of some test samples. Where there is a line a neuron fires right of it, and, where it sends negative spikes, left of a second one. The highest and lowest 0.2\u00a0% are left out.",
      weights: "Of quantized weights how many have each integer; of others where the floats lie.",
    };
    const note = page.el("p", { class: "about" }),
      host = page.el("div");
    const title = (layer, told) =>
      page.el(
        "h3",
        {},
        layer,
        page.el("span", { class: "count" }, `${words.whole(told.counts.reduce((a, b) => a + b, 0))} values`),
      );
    function show() {
      note.textContent = about[kind];
      const of = Object.entries(run.samples[kind]);
      host.replaceChildren(
        of.length
          ? page.el(
              "div",
              { class: "multiples" },
              of.map(([layer, told]) =>
                page.el(
                  "div",
                  {},
                  title(layer, told),
                  page.plot((place, width) => place.replaceChildren(drawn(layer, told, width))),
                ),
              ),
            )
          : page.el(
              "p",
              { class: "quiet" },
              kind === "membranes"
                ? "The neurons of this network charge no membrane that could be seen."
                : "No layer has weights.",
            ),
        page.behind(
          kind,
          [
            ["layer", ([layer]) => layer],
            ["from", ([, told]) => words.plain((told.codes ?? [told.lo])[0]), true],
            ["to", ([, told]) => words.plain((told.codes ?? [told.hi]).at(-1)), true],
            ["counts, in order", ([, told]) => told.counts.join(" ")],
          ],
          of,
        ),
      );
    }
    function drawn(layer, told, width) {
      const height = 104,
        low = height - 20,
        most = Math.max(...told.counts, 1),
        bars = told.counts.length;
      const room = width / bars,
        gap = told.codes ? Math.min(room * 0.25, 6) : 0.6;
      const x = (v) => ((v - told.lo) / (told.hi - told.lo)) * width;
      const tint = page.colour(page.content.runs.indexOf(run));
      const made = page.svg(
        "svg",
        {
          width,
          height,
          role: "img",
          "aria-label": `${kind} of ${layer}, from ${words.plain((told.codes ?? [told.lo])[0])} to ${words.plain((told.codes ?? [told.hi]).at(-1))}`,
        },
        told.counts.map((count, at) =>
          page.svg("rect", {
            x: at * room + gap / 2,
            width: Math.max(0.5, room - gap),
            y: low - (count / most) * (low - 8),
            height: (count / most) * (low - 8),
            fill: tint,
          }),
        ),
        page.svg("line", { class: "axis", x1: 0, x2: width, y1: low, y2: low }),
      );
      if (told.codes) {
        const every = Math.ceil(bars / (width / 28));
        told.codes.forEach(
          (code, at) =>
            at % every === 0 &&
            made.append(
              page.svg("text", { x: (at + 0.5) * room, y: height - 5, "text-anchor": "middle" }, String(code)),
            ),
        );
      } else {
        for (const v of words.ticks(told.lo, told.hi, width / 60))
          made.append(
            page.svg(
              "text",
              { x: x(v), y: height - 5, "text-anchor": v === told.lo ? "start" : v === told.hi ? "end" : "middle" },
              String(v),
            ),
          );
        for (const v of told.fires ?? [])
          if (v >= told.lo && v <= told.hi)
            made.append(
              page.svg("line", {
                x1: x(v),
                x2: x(v),
                y1: 2,
                y2: low,
                stroke: "var(--text)",
                "stroke-dasharray": "3 2",
              }),
            );
      }
      return made;
    }
    body.append(
      page.controls(
        page.choice("Show", kinds, kind, (each) => {
          kind = each;
          show();
        }),
        page.runChoice(runs, (each) => {
          run = each;
          show();
        }),
      ),
      note,
      host,
    );
    const without = page.content.runs.filter((each) => !each.samples);
    if (without.length) body.append(page.lacking(without, without[0].missing.samples));
    show();
  },
});
