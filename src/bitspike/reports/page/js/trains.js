// The spikes of one sample over time: a row for each neuron, a column for each step.
"use strict";

page.section({
  id: "trains",
  title: "Spike trains",
  make(body) {
    const { runs } = page.content;
    const shown = runs.filter((run) => run.samples?.trains);
    if (!shown.length)
      return !runs.length
        ? "A frozen network sent no spikes here."
        : runs.every((run) => run.samples)
          ? "All layers run one step, so that there is no train to see."
          : runs[0].missing.samples;
    let run = shown[0];
    const host = page.el("div");
    const SIGNS = ".123456789",
      BELOW = "abcdefghi";
    const level = (sign) => (SIGNS.includes(sign) ? SIGNS.indexOf(sign) : -1 - BELOW.indexOf(sign));

    function raster(layer) {
      const steps = layer.rows[0]?.length ?? 0,
        most = Math.max(1, ...layer.rows.map((row) => Math.max(...[...row].map((sign) => Math.abs(level(sign))))));
      return page.plot((place, width) => {
        const step = Math.max(2, Math.min(22, Math.floor(width / Math.max(1, steps)))),
          height = steps > 60 ? 4 : 7,
          ratio = window.devicePixelRatio || 1;
        const canvas = page.el("canvas", {
          width: step * steps * ratio,
          height: height * layer.rows.length * ratio,
          style: `width:${step * steps}px;height:${height * layer.rows.length}px`,
          role: "img",
          "aria-label": `Spikes of ${layer.rows.length} neurons of ${layer.name} over ${steps} steps`,
        });
        const pen = canvas.getContext("2d"),
          above = page.variable("--r0"),
          below = page.variable("--r1");
        pen.scale(ratio, ratio);
        layer.rows.forEach((row, at) =>
          [...row].forEach((sign, t) => {
            const value = level(sign);
            if (!value) return;
            pen.globalAlpha = 0.35 + (0.65 * Math.abs(value)) / most;
            pen.fillStyle = value > 0 ? above : below;
            pen.fillRect(t * step, at * height, step - (step > 3 ? 1 : 0), height - 1);
          }),
        );
        place.replaceChildren(
          page.el(
            "div",
            {
              class: "scroll",
              tabindex: step * steps > width ? "0" : null,
              role: "region",
              "aria-label": `Spikes of ${layer.name}`,
            },
            canvas,
          ),
          page.el("p", { class: "steps" }, `steps 1 to ${steps}`),
        );
      });
    }
    function show() {
      const { layers, frames, sample } = run.samples.trains;
      const cut = layers.some((layer) => layer.rows[0]?.length < layer.T);
      host.replaceChildren(
        page.el(
          "p",
          { class: "about" },
          `Test sample ${sample}. A row is a neuron that fired, a column a step${cut ? ` (the first ${Math.max(...layers.map((layer) => layer.rows[0]?.length ?? 0))})` : ""}; the stronger the colour, the higher the level. Neurons shown are spread evenly over those that fired.`,
        ),
        frames.length
          ? page.el(
              "div",
              { class: "frames" },
              frames.map((uri, at) =>
                page.el(
                  "figure",
                  {},
                  page.el("img", {
                    class: "pixels",
                    src: uri,
                    alt: `what the network reads${frames.length > 1 ? ` in step ${at + 1}` : ""}`,
                  }),
                  page.el("figcaption", {}, frames.length > 1 ? `step ${at + 1}` : "the sample"),
                ),
              ),
            )
          : "",
        page.el(
          "div",
          { class: Math.max(...layers.map((layer) => layer.rows[0]?.length ?? 0)) <= 12 ? "multiples" : null },
          layers.map((layer) =>
            page.el(
              "div",
              { class: "train" },
              page.el(
                "h3",
                {},
                layer.name,
                page.el(
                  "span",
                  { class: "count" },
                  `${words.whole(layer.fired)} of ${words.whole(layer.neurons)} fired, ${layer.rows.length} shown`,
                ),
              ),
              layer.rows.length ? raster(layer) : page.el("p", { class: "quiet small" }, "Silent."),
            ),
          ),
        ),
        page.behind(
          "Spikes in each step",
          [
            ["layer", (layer) => layer.name],
            ["neurons", (layer) => words.whole(layer.neurons), true],
            ["fired", (layer) => words.whole(layer.fired), true],
            ["spikes, step by step", (layer) => layer.spikes.join(" ")],
          ],
          layers,
        ),
      );
    }
    const pick = page.runChoice(shown, (each) => {
      run = each;
      show();
    });
    if (pick) body.append(page.controls(pick));
    body.append(host);
    const without = runs.filter((each) => !each.samples?.trains);
    if (without.length)
      body.append(page.lacking(without, without[0].samples ? "one step, and so no train" : without[0].missing.samples));
    show();
  },
});
