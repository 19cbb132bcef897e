// Accuracy against one cost; runs that differ in the seed alone are one point with its spread.
"use strict";

page.section({
  id: "pareto",
  title: "Accuracy against cost",
  short: "Accuracy / cost",
  about:
    "Runs that differ in the seed alone are one point: the mean, with a line from the least to the most of them. The steps join points that no cheaper one beats.",
  make(body) {
    const groups = page.content.groups;
    if (groups.length < 2)
      return "One kind of network makes no comparison; give several runs, as bitspike report RUN RUN -o report.html.";
    const all = {
      size_bytes: ["Size", "size (bytes)", (v) => words.si(v, "B")],
      s_ace: ["S-ACE", "S-ACE (bit operations of a sample)", words.si],
      ns_ace: ["NS-ACE", "NS-ACE (bit operations of a sample)", words.si],
      energy_nj: ["Energy", "energy of a sample (estimate, Lemaire et al.)", words.joule],
    };
    const known = Object.keys(all).filter((cost) => groups.some((group) => group[cost] !== null));
    let cost = known[0],
      log = true;
    const readout = page.el(
      "p",
      { class: "readout", "aria-live": "polite" },
      "Point at a mark, or move to it with Tab, to read it.",
    );
    const say = (group) => {
      readout.textContent = `${group.name}: ${words.percent(group.value)}${group.spread === null ? "" : ` ± ${group.spread.toFixed(2)} (${group.seeds.length} seeds, ${group.least.toFixed(2)} to ${group.most.toFixed(2)})`}, ${all[cost][0]} ${all[cost][2](group[cost])}`;
    };
    const colourOf = (group) => page.colour(page.content.runs.findIndex((run) => run.name === group.runs[0]));
    const host = page.plot((place, width) => place.replaceChildren(drawn(width)));

    function drawn(width) {
      const shown = groups.filter((group) => group[cost] !== null);
      const height = Math.min(420, Math.max(260, width * 0.5)),
        left = 52,
        right = 16,
        top = 24,
        low = height - 46;
      const xs = shown.map((group) => group[cost]);
      const lie = log && Math.min(...xs) > 0;
      const scaleX = lie ? Math.log10 : (v) => v;
      let [x0, x1] = [Math.min(...xs.map(scaleX)), Math.max(...xs.map(scaleX))];
      const marginX = (x1 - x0 || 1) * 0.12;
      [x0, x1] = [lie ? x0 - marginX : Math.max(0, x0 - marginX), x1 + marginX];
      let [y0, y1] = [Math.min(...shown.map((g) => g.least)), Math.max(...shown.map((g) => g.most))];
      const marginY = Math.max((y1 - y0) * 0.18, 0.4);
      [y0, y1] = [Math.max(0, y0 - marginY), Math.min(100, y1 + marginY)];
      const x = (v) => left + ((scaleX(v) - x0) / (x1 - x0)) * (width - left - right);
      const y = (v) => low - ((v - y0) / (y1 - y0)) * (low - top);
      const xt = lie ? words.logTicks(10 ** x0, 10 ** x1, width / 110) : words.ticks(x0, x1, width / 110);
      const yt = words.ticks(y0, y1, height / 60);
      const made = page.svg(
        "svg",
        { width, height, role: "group", "aria-label": `${page.measureName()} against ${all[cost][1]}` },
        yt
          .map((v) => [
            page.svg("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }),
            page.svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, String(v)),
          ])
          .flat(),
        xt
          .map((v) => [
            page.svg("line", { class: "grid", x1: x(v), x2: x(v), y1: top, y2: low }),
            page.svg("text", { x: x(v), y: low + 18, "text-anchor": "middle" }, all[cost][2](v)),
          ])
          .flat(),
        page.svg("line", { class: "axis", x1: left, x2: width - right, y1: low, y2: low }),
        page.svg(
          "text",
          { x: width - right, y: height - 6, "text-anchor": "end" },
          `${all[cost][1]}${lie ? ", logarithmic" : ""}`,
        ),
        page.svg("text", { x: 0, y: 10 }, `${page.measureName()} (%)`),
      );
      made.append(front(shown, x, y));
      for (const group of shown) made.append(mark(group, x(group[cost]), y, width));
      return made;
    }
    function front(shown, x, y) {
      let best = -1,
        path = "";
      for (const group of [...shown].sort((a, b) => a[cost] - b[cost] || b.value - a.value)) {
        if (group.value <= best) continue;
        path += path ? ` H ${x(group[cost])} V ${y(group.value)}` : `M ${x(group[cost])} ${y(group.value)}`;
        best = group.value;
      }
      return page.svg("path", { d: path, fill: "none", stroke: "var(--quiet)", "stroke-dasharray": "3 3" });
    }
    function mark(group, at, y, width) {
      const tint = colourOf(group),
        end = at > width * 0.72;
      return page.svg(
        "g",
        {
          class: "point",
          tabindex: "0",
          role: "img",
          "aria-label": `${group.name}, ${words.percent(group.value)}`,
          onfocus: () => say(group),
          onmouseenter: () => say(group),
        },
        page.svg("line", { x1: at, x2: at, y1: y(group.least), y2: y(group.most), stroke: tint, "stroke-width": 2 }),
        group.seeds.length > 1 &&
          [group.least, group.most].map((v) =>
            page.svg("line", { x1: at - 5, x2: at + 5, y1: y(v), y2: y(v), stroke: tint, "stroke-width": 2 }),
          ),
        page.svg("circle", { class: "ring", cx: at, cy: y(group.value), r: 9, fill: "transparent" }),
        page.svg("circle", {
          cx: at,
          cy: y(group.value),
          r: 5.5,
          fill: tint,
          stroke: "var(--card)",
          "stroke-width": 1.5,
        }),
        page.svg(
          "text",
          { class: "strong", x: end ? at - 11 : at + 11, y: y(group.value) - 8, "text-anchor": end ? "end" : "start" },
          group.name.length > 26 ? `${group.name.slice(0, 25)}…` : group.name,
        ),
      );
    }
    body.append(
      page.controls(
        page.choice(
          "Cost",
          known.map((each) => [each, all[each][0]]),
          cost,
          (each) => {
            cost = each;
            host.again();
          },
        ),
        page.choice(
          "Axis",
          [
            [true, "Logarithmic"],
            [false, "Linear"],
          ],
          log,
          (each) => {
            log = each;
            host.again();
          },
        ),
      ),
      host,
      readout,
      page.behind(
        "Means of the seeds; spread is the standard deviation",
        [
          ["runs", (g) => g.name],
          ["seeds", (g) => g.seeds.join(", ")],
          [page.measureName(), (g) => words.percent(g.value), true],
          ["spread", (g) => (g.spread === null ? "–" : g.spread.toFixed(2)), true],
          ...known.map((each) => [all[each][0], (g) => all[each][2](g[each]), true]),
        ],
        groups,
      ),
    );
  },
});
