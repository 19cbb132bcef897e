// The integer graph of frozen networks: ops from top to bottom, and on each edge what flows there.
"use strict";

page.section({
  id: "graph",
  title: "Integer graph",
  short: "Graph",
  about:
    "What a frozen network computes, op by op. Beside each edge stand its proven range, the bits that hold it, and its shape. No value can lie outside of its range, whatever the input.",
  make(body) {
    const { graphs } = page.content;
    if (!graphs.length)
      return "No frozen file was given; bitspike freeze RUN -o net.bitspike makes one, and bitspike report RUN net.bitspike -o report.html draws it.";
    let graph = graphs[0];
    const host = page.el("div");
    const range = (told) =>
      `${Number(told.lo).toLocaleString("en")} … ${Number(told.hi).toLocaleString("en")}`.replaceAll("-", "−");
    const bits = (told) => `${told.bits} bit${told.bits === 1 ? "" : "s"}`;
    const WIDE = 250,
      HIGH = 40,
      STEP = 84,
      LANE = 18;

    function drawn() {
      // An edge that is read further down runs in a lane left of the ops: the first that is free over its length.
      const far = graph.nodes.flatMap((node, to) =>
        node.reads.filter((from) => from !== to - 1).map((from) => ({ from, to })),
      );
      const ends = [];
      for (const edge of far) {
        edge.lane = ends.findIndex((end) => end <= edge.from);
        if (edge.lane < 0) edge.lane = ends.length;
        ends[edge.lane] = edge.to;
      }
      const left = 10 + ends.length * LANE + (ends.length ? 8 : 0),
        width = left + WIDE + 70,
        height = graph.nodes.length * STEP - 10;
      const made = page.svg(
        "svg",
        {
          width,
          height,
          style: "max-width:none",
          role: "img",
          "aria-label": `${graph.name}: ${graph.nodes.length} ops; the table below has all of them`,
        },
        page.svg(
          "defs",
          {},
          page.svg(
            "marker",
            { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
            page.svg("path", { d: "M0 0 8 4 0 8z", fill: "var(--quiet)" }),
          ),
        ),
      );
      const top = (at) => at * STEP,
        middle = left + 46;
      for (const { from, to, lane } of far) {
        const x = left - 14 - lane * LANE,
          y0 = top(from) + HIGH / 2 + 8,
          y1 = top(to) + HIGH / 2;
        made.append(
          page.svg("path", {
            class: "wire",
            d: `M${left} ${y0} H${x + 6} Q${x} ${y0} ${x} ${y0 + 6} V${y1 - 6} Q${x} ${y1} ${x + 6} ${y1} H${left - 1}`,
            "marker-end": "url(#arrow)",
          }),
        );
      }
      graph.nodes.forEach((node, at) => {
        const y = top(at);
        if (graph.nodes[at + 1]?.reads.includes(at))
          made.append(
            page.svg("path", {
              class: "wire",
              d: `M${middle} ${y + HIGH} V${y + STEP - 1}`,
              "marker-end": "url(#arrow)",
            }),
          );
        made.append(
          page.svg("rect", {
            class: node.weights ? "node heavy" : "node",
            x: left,
            y,
            width: WIDE,
            height: HIGH,
            rx: 5,
          }),
          page.svg(
            "text",
            { class: "strong", x: left + 10, y: y + (node.weights || node.membrane ? 17 : 25) },
            cut(`${node.op.replaceAll("_", " ")}  ${node.name}`),
          ),
          page.svg(
            "text",
            { x: left + 10, y: y + 33, style: "font-size:11px" },
            node.weights
              ? `${words.si(node.weights.count)} weights, ${range(node.weights)}`
              : node.membrane
                ? `membrane ${bits(node.membrane)}`
                : "",
          ),
          page.svg("text", { class: "strong", x: middle + 10, y: y + HIGH + 17 }, `${range(node.range)}`),
          page.svg(
            "text",
            { x: middle + 10, y: y + HIGH + 32 },
            `${bits(node.range)} · ${node.shape}${node.T > 1 ? ` · ${node.T} steps` : ""}`,
          ),
        );
      });
      return made;
    }
    const cut = (text) => (text.length > 36 ? `${text.slice(0, 35)}…` : text);
    function show() {
      host.replaceChildren(
        page.el(
          "div",
          {
            class: "scroll tall",
            tabindex: "0",
            role: "region",
            "aria-label": `Graph of ${graph.name}`,
            style: "padding:1rem",
          },
          drawn(),
        ),
        page.behind(
          graph.name,
          [
            ["op", (node) => node.op],
            ["name", (node) => node.name],
            ["reads", (node) => node.reads.map((from) => graph.nodes[from].name).join(", ")],
            ["shape", (node) => node.shape],
            ["steps", (node) => node.T, true],
            ["least", (node) => node.range.lo, true],
            ["most", (node) => node.range.hi, true],
            ["bits", (node) => node.range.bits, true],
            ["bits of the membrane", (node) => node.membrane?.bits, true],
          ],
          graph.nodes,
        ),
      );
    }
    if (graphs.length > 1)
      body.append(
        page.controls(
          page.choice(
            "Network",
            graphs.map((one) => [one, one.name]),
            graph,
            (one) => {
              graph = one;
              show();
            },
          ),
        ),
      );
    body.append(host);
    show();
  },
});
