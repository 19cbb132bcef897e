// Puts the sections on the page, those with nothing to show as a line at its end, and follows the theme of the system.
"use strict";

(() => {
  const { content, sections, el } = page;
  const main = document.getElementById("main");
  const links = el("div", { class: "inner" });
  const empty = [];
  const named = content.runs.length === 1 ? `${content.runs[0].model}, ${page.widths(content.runs[0])} bits` : "";
  document.getElementById("lead").textContent = [content.dataset, named].filter(Boolean).join(" · ");
  for (const { id, title, short, about, make } of sections) {
    const heading = el("h2", { id: `${id}-title` }, title);
    const body = el(
      "section",
      { id, "aria-labelledby": `${id}-title` },
      heading,
      about ? el("p", { class: "about" }, about) : null,
    );
    const reason = make(body);
    if (typeof reason === "string") {
      empty.push(el("div", {}, el("dt", {}, title), el("dd", {}, reason[0].toUpperCase() + reason.slice(1))));
      continue;
    }
    main.append(body);
    links.append(el("a", { href: `#${id}` }, short ?? title));
  }
  if (empty.length) {
    const heading = el("h2", { id: "absent-title" }, "Not on this page");
    main.append(
      el("section", { id: "absent", "aria-labelledby": "absent-title" }, heading, el("dl", { class: "absent" }, empty)),
    );
  }
  document.getElementById("nav").append(links);

  const dark = matchMedia("(prefers-color-scheme: dark)");
  page.themed(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => page.themed(dark.matches ? "dark" : "light"));
  document
    .getElementById("theme")
    .addEventListener("click", () => page.themed(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
})();
