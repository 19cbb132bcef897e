// What all sections use: elements, colours, controls, and plots that are drawn anew when their width or the theme changes.
"use strict";

const page = (() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const sections = [];
  const redraws = new Set();
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  // Children are elements or texts; a text is never read as HTML.
  const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  const colour = (index) => `var(--r${index % 8})`;
  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Buttons, of which one is pressed; where there are many, a list to choose from.
  function choice(label, options, chosen, change) {
    if (options.length > 5 || options.some(([, text]) => text.length > 24)) {
      const list = el(
        "select",
        { onchange: () => change(options[list.selectedIndex][0]) },
        options.map(([value, text]) => el("option", { selected: value === chosen }, text)),
      );
      return el("label", { class: "control" }, el("span", {}, label), list);
    }
    const buttons = options.map(([value, text]) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(value === chosen),
          onclick: () => {
            buttons.forEach((one, at) => one.setAttribute("aria-pressed", String(options[at][0] === value)));
            change(value);
          },
        },
        text,
      ),
    );
    return el(
      "div",
      { class: "control", role: "group", "aria-label": label },
      el("span", {}, label),
      el("div", { class: "choice" }, buttons),
    );
  }

  // A choice among runs that have something; none is needed for one.
  function runChoice(runs, change) {
    return runs.length < 2
      ? null
      : choice(
          "Run",
          runs.map((run) => [run, run.name]),
          runs[0],
          change,
        );
  }

  const controls = (...of) => el("div", { class: "controls" }, of);

  function key(names, colourOf = colour) {
    return el(
      "ul",
      { class: "key" },
      names.map((name, index) =>
        el("li", {}, el("span", { class: "swatch", style: `background:${colourOf(index)}` }), name),
      ),
    );
  }

  // A place whose drawing depends on its width and on the theme.
  function plot(draw, attributes) {
    const host = el("div", { class: "plot", ...attributes });
    let width = 0;
    const again = () => {
      if (host.isConnected && width) draw(host, width);
    };
    new ResizeObserver((entries) => {
      const now = Math.floor(entries[0].contentRect.width);
      if (now && now !== width) {
        width = now;
        again();
      }
    }).observe(host);
    redraws.add(again);
    return Object.assign(host, { again });
  }

  function themed(theme) {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Show the page ${theme === "dark" ? "light" : "dark"}`);
    for (const again of redraws) again();
  }

  // One line for runs that lack what a section shows.
  function lacking(runs, why) {
    if (!runs.length) return null;
    return el("p", { class: "quiet small lacking" }, `${runs.map((run) => run.name).join(", ")}: ${why}`);
  }

  return {
    content,
    sections,
    el,
    svg,
    colour,
    variable,
    choice,
    runChoice,
    controls,
    key,
    plot,
    themed,
    lacking,
    section: (told) => sections.push(told),
  };
})();
