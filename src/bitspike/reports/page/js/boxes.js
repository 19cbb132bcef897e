// Images with the boxes that are wanted, and those that each run finds.
"use strict";

page.section({
  id: "boxes",
  title: "Boxes",
  make(body) {
    const { runs, measure } = page.content;
    const shown = runs.filter((run) => run.samples?.boxes);
    if (!shown.length)
      return measure === "test_map50"
        ? (runs[0].missing.samples ?? "No boxes were kept.")
        : runs.length
          ? "The networks tell classes apart, and find no boxes."
          : "A frozen file keeps no images.";
    const { classes } = shown[0].samples;
    const tint = (label) => `var(--r${label % 8})`;
    let lowest = shown[0].samples.boxes.lowest;
    const host = page.el("div");
    function drawn(image, picture, boxes, caption) {
      const [height, width] = image.size,
        size = Math.max(9, width / 26);
      const made = page.svg(
        "svg",
        { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${caption}: ${counted(boxes)}` },
        page.svg("image", { href: picture, width, height }),
      );
      boxes.forEach((box) => {
        const [left, top, right, bottom] = box.xyxy;
        const shape = {
          x: left,
          y: top,
          width: Math.max(0, right - left),
          height: Math.max(0, bottom - top),
          fill: "none",
        };
        made.append(
          page.svg("rect", { ...shape, stroke: "#ffffff", "stroke-width": size / 3.2, opacity: 0.75 }),
          page.svg("rect", { ...shape, stroke: tint(box.label), "stroke-width": size / 5.5 }),
        );
      });
      if (boxes.length <= 14)
        boxes.forEach(
          (box) =>
            box.score !== null &&
            made.append(
              page.svg(
                "text",
                {
                  x: box.xyxy[0] + size * 0.25,
                  y: box.xyxy[1] + size * 0.95,
                  style: `font-size:${size * 0.85}px;fill:#ffffff;stroke:#000000;stroke-width:${size / 5}px;paint-order:stroke`,
                },
                box.score.toFixed(2),
              ),
            ),
        );
      return page.el("figure", {}, made, page.el("figcaption", {}, `${caption}: ${counted(boxes)}`));
    }
    function counted(boxes) {
      const each = classes
        .map((name, label) => [name, boxes.filter((box) => box.label === label).length])
        .filter(([, count]) => count);
      return each.length ? each.map(([name, count]) => `${count} ${name}`).join(", ") : "none";
    }
    function show() {
      host.replaceChildren(
        ...shown[0].samples.boxes.images.map((image) =>
          page.el(
            "div",
            {},
            page.el("h3", {}, `Test image ${image.index}`),
            page.el(
              "div",
              { class: "pictures" },
              drawn(image, image.picture, image.wanted, "wanted"),
              shown.map((run) => {
                const own = run.samples.boxes.images.find((other) => other.index === image.index);
                return own
                  ? drawn(
                      own,
                      image.picture,
                      own.found.filter((box) => box.score >= lowest),
                      run.name,
                    )
                  : null;
              }),
            ),
          ),
        ),
      );
    }
    const steps = [0.3, 0.5, 0.7, 0.9];
    body.append(
      page.el(
        "p",
        { class: "about" },
        `The first test images as networks read them. A number on a box is how sure the network is.`,
      ),
      page.controls(
        page.choice(
          "At least",
          steps.map((each) => [each, `${100 * each} % sure`]),
          lowest,
          (each) => {
            lowest = each;
            show();
          },
        ),
      ),
      page.key(classes, tint),
      host,
      page.behind(
        "Boxes: left, top, right, bottom in pixels",
        [
          ["run", (row) => row.run],
          ["image", (row) => row.index, true],
          ["class", (row) => classes[row.label]],
          ["sure", (row) => (row.score === null ? null : row.score.toFixed(2)), true],
          ["box", (row) => row.xyxy.join(", ")],
        ],
        () =>
          shown.flatMap((run, at) =>
            run.samples.boxes.images.flatMap((image) => [
              ...(at ? [] : image.wanted.map((box) => ({ ...box, run: "wanted", index: image.index }))),
              ...image.found.map((box) => ({ ...box, run: run.name, index: image.index })),
            ]),
          ),
      ),
    );
    show();
  },
});
