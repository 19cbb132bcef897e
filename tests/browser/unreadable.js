// Texts with too little contrast to what is behind them (WCAG 2.2, AA: 4.5 to 1, of large ones 3 to 1).
(() => {
  const parsed = (text) => {
    const found = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    return { rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1 };
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((one) => {
      const c = one / 255;
      return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (above, below) => above.rgb.map((one, at) => one * above.alpha + below[at] * (1 - above.alpha));
  function behind(element) {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const found = parsed(getComputedStyle(one).backgroundColor);
      if (found.alpha) layers.push(found);
      if (found.alpha === 1) break;
    }
    return layers.reverse().reduce((below, above) => over(above, below), [255, 255, 255]);
  }
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (
      !text.textContent.trim() ||
      ["SCRIPT", "NOSCRIPT", "STYLE", "OPTION"].includes(element.tagName) ||
      !element.checkVisibility() ||
      element.closest(".pictures svg")
    )
      continue;
    const style = getComputedStyle(element),
      size = parseFloat(style.fontSize);
    if (!size) continue;
    const ground = behind(element),
      colour = over(parsed(element instanceof SVGElement ? style.fill : style.color), ground);
    const [a, b] = [light(colour), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
      found.add(`${text.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [...found];
})();
