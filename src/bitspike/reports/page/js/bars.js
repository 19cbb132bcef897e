// Bars that lie: a row for each layer, in it a bar for each run, all from zero and with their number beside them.
"use strict";

page.bars = (label, names, series, written, most) => {
  const FIRST = 16;
  const top = most ?? Math.max(...series.flatMap((one) => names.map((name) => one.values.get(name) ?? 0)), 1e-12);
  const host = page.el("div", { class: series.length === 1 ? "bars wide" : "bars", role: "list", "aria-label": label });
  const row = (name) =>
    page.el(
      "div",
      { style: "display:contents", role: "listitem" },
      page.el("div", { class: "name" }, name),
      page.el(
        "div",
        { class: "set" },
        series
          .filter((one) => one.values.has(name))
          .map((one) => {
            const value = one.values.get(name);
            const said = value === null || value === undefined ? "–" : written(value);
            return page.el(
              "div",
              { class: "bar", title: `${one.name}: ${said}` },
              page.el(
                "div",
                { class: "room" },
                page.el("span", {
                  class: "fill",
                  style: `width:${(100 * (value ?? 0)) / top}%;background:${one.colour}`,
                }),
                page.el("span", { class: "value" }, said),
              ),
            );
          }),
      ),
    );
  host.append(...names.slice(0, FIRST).map(row));
  if (names.length <= FIRST) return host;
  const more = page.el(
    "button",
    {
      type: "button",
      class: "more",
      onclick: () => {
        host.append(...names.slice(FIRST).map(row));
        more.remove();
      },
    },
    `Show all ${names.length} layers`,
  );
  return page.el("div", {}, host, more);
};

// The values of rows by their name, of each run in its colour.
page.seriesOf = (runs, rowsOf, valueOf) =>
  runs.map((run) => ({
    name: run.name,
    colour: page.colour(page.content.runs.indexOf(run)),
    values: new Map(rowsOf(run).map((row) => [row.name, valueOf(row)])),
  }));
page.namesOf = (series) => {
  const seen = new Set();
  for (const one of series) for (const name of one.values.keys()) seen.add(name);
  return [...seen];
};
