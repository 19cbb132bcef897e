// Which class was taken for which, and what some of these samples look like.
"use strict";

page.section({
  id: "confusion",
  title: "Confusions",
  about:
    "A row is the class of a sample, a column the class it was taken for. The stronger the colour, the larger its share of the row. Choose a cell (arrows move among them) to see samples of it.",
  make(body) {
    const { runs, measure } = page.content;
    const shown = runs.filter((run) => run.samples?.confusion);
    if (measure === "test_map50") return "Networks that find boxes have no table of confusions; see Boxes.";
    if (!shown.length)
      return !runs.length
        ? "A frozen network was not asked for classes here."
        : (runs[0].missing.confusion ?? runs[0].missing.samples ?? "The data have more classes than a table shows.");
    let run = shown[0];
    const host = page.el("div");
    function show() {
      const { classes, confusion, wrong } = run.samples;
      const right = confusion.reduce((sum, row, at) => sum + row[at], 0),
        total = confusion.flat().reduce((a, b) => a + b, 0);
      const gallery = page.el("div"),
        many = classes.length > 20;
      const pick = (label, said, from) => {
        for (const one of host.querySelectorAll(".matrix button"))
          one.setAttribute("aria-pressed", String(one === from));
        gallery.replaceChildren(...pictured(label, said));
      };
      function pictured(label, said) {
        const some = wrong.filter((one) => label === undefined || (one.label === label && one.said === said));
        const title =
          label === undefined
            ? `${words.whole(total - right)} of ${words.whole(total)} ${run.counted === "steps" ? "steps" : "samples"} were taken for another class`
            : label === said
              ? `${classes[label]}: ${words.whole(confusion[label][said])} right`
              : `${classes[label]} taken for ${classes[said]}: ${words.whole(confusion[label][said])}`;
        const none = !wrong.length
          ? total === right
            ? ""
            : "Samples of this kind have no picture."
          : label === said && label !== undefined
            ? ""
            : "None of the kept pictures is of this cell.";
        return [
          page.el("h3", { "aria-live": "polite" }, title),
          some.length
            ? page.el(
                "div",
                { class: "gallery" },
                some.map((one) =>
                  page.el(
                    "figure",
                    {},
                    page.el("img", { class: "pixels", src: one.picture, alt: `test sample ${one.index}` }),
                    page.el(
                      "figcaption",
                      {},
                      `${classes[one.label]} → ${classes[one.said]}`,
                      page.el("br"),
                      page.el("span", { class: "quiet" }, `sample ${one.index}`),
                    ),
                  ),
                ),
              )
            : page.el("p", { class: "quiet small" }, none),
        ];
      }
      const cell = (label, said) => {
        const count = confusion[label][said],
          sum = confusion[label].reduce((a, b) => a + b, 0) || 1,
          share = count / sum;
        const tint = count ? `rgba(var(--heat), ${0.08 + 0.42 * share})` : "transparent";
        return page.el(
          "td",
          { style: `background:${tint}` },
          page.el(
            "button",
            {
              type: "button",
              "aria-pressed": "false",
              tabindex: label || said ? "-1" : "0",
              title: `${classes[label]} taken for ${classes[said]}: ${count}`,
              "aria-label": `${classes[label]} taken for ${classes[said]}: ${count}`,
              onclick: (event) => pick(label, said, event.currentTarget),
            },
            count ? words.si(count) : "",
          ),
        );
      };
      const matrix = page.el(
        "table",
        { class: many ? "matrix many" : "matrix" },
        page.el("caption", {}, "Rows: class. Columns: taken for."),
        page.el(
          "thead",
          {},
          page.el(
            "tr",
            {},
            page.el("td", {}),
            classes.map((name) => page.el("th", { scope: "col", title: name }, many ? "" : name)),
          ),
        ),
        page.el(
          "tbody",
          {},
          classes.map((name, label) =>
            page.el(
              "tr",
              {},
              page.el("th", { scope: "row", title: name }, name),
              classes.map((_, said) => cell(label, said)),
            ),
          ),
        ),
      );
      matrix.addEventListener("keydown", moved);
      gallery.append(...pictured());
      host.replaceChildren(
        page.el(
          "div",
          { class: "beside" },
          page.el(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of confusions" },
            matrix,
          ),
          gallery,
        ),
      );
    }
    // The table is one stop of Tab; arrows go from cell to cell.
    function moved(event) {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      const cell = event.target.closest("td");
      if (!step || !cell) return;
      event.preventDefault();
      const next = cell
        .closest("tbody")
        .rows[cell.parentElement.rowIndex - 1 + step[0]]?.cells[cell.cellIndex + step[1]]?.querySelector("button");
      if (!next) return;
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
    const pickRun = page.runChoice(shown, (each) => {
      run = each;
      show();
    });
    if (pickRun) body.append(page.controls(pickRun));
    body.append(host);
    const without = runs.filter((each) => !each.samples?.confusion);
    if (without.length)
      body.append(
        page.lacking(
          without,
          without[0].missing.confusion ?? without[0].missing.samples ?? "more classes than a table shows",
        ),
      );
    show();
  },
});
