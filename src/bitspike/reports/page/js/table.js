// Tables: the numbers behind each plot, and the summary.
"use strict";

// Columns are [title, what of a row, whether it is a number].
page.tableOf = (caption, columns, rows, first) =>
  page.el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    page.el(
      "table",
      {},
      page.el("caption", {}, caption),
      page.el(
        "thead",
        {},
        page.el(
          "tr",
          {},
          columns.map(([title, , number]) => page.el("th", { scope: "col", class: number && "n" }, title)),
        ),
      ),
      page.el(
        "tbody",
        {},
        rows.map((row, index) =>
          page.el(
            "tr",
            {},
            columns.map(([, of, number], at) => {
              const cell = of(row);
              const mark = at === 0 && first ? first(row, index) : null;
              return page.el(
                at === 0 ? "th" : "td",
                { scope: at === 0 ? "row" : null, class: number && "n" },
                mark,
                cell === null || cell === undefined ? "–" : String(cell),
              );
            }),
          ),
        ),
      ),
    ),
  );

// The same behind a line that opens it; its rows are made then.
page.behind = (caption, columns, rows) => {
  const host = page.el(
    "details",
    {
      ontoggle: () => {
        if (host.open && host.childElementCount === 1)
          host.append(page.tableOf(caption, columns, typeof rows === "function" ? rows() : rows));
      },
    },
    page.el("summary", {}, "Table"),
  );
  return host;
};
