// Numbers as the page writes them, and the ticks of an axis.
"use strict";

const words = (() => {
  const PREFIX = [
    [1e15, "P"],
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
    [1, ""],
  ];
  const plain = (value, most = 3) =>
    Number(value.toPrecision(most)).toLocaleString("en", { maximumSignificantDigits: most });

  // 1.92 M; numbers below 1 with three digits
  function si(value, unit = "") {
    if (value === null || value === undefined) return "–";
    if (value === 0) return unit ? `0 ${unit}` : "0";
    const [factor, prefix] = PREFIX.find(([each]) => Math.abs(value) >= each) ?? [1, ""];
    const after = `${prefix}${unit}`;
    return `${plain(value / factor)}${after ? ` ${after}` : ""}`;
  }
  const percent = (value, digits = 2) => (value === null || value === undefined ? "–" : `${value.toFixed(digits)} %`);
  const joule = (nj) =>
    nj === null || nj === undefined
      ? "–"
      : nj >= 1e6
        ? `${plain(nj / 1e6)} mJ`
        : nj >= 1e3
          ? `${plain(nj / 1e3)} µJ`
          : `${plain(nj)} nJ`;
  const whole = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en"));

  // About so many round numbers from least to most.
  function ticks(least, most, count) {
    const raw = (most - least) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999) ?? 10 * power;
    const found = [];
    for (let at = Math.ceil(least / step - 1e-9); at * step <= most + step * 1e-9; at += 1)
      found.push(Number((at * step).toPrecision(12)));
    return found;
  }
  // 1, 2 and 5 times powers of ten; where few of them fit, round numbers.
  function logTicks(least, most, count) {
    const found = [];
    for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1) {
      for (const each of [1, 2, 5]) {
        const value = each * 10 ** power;
        if (value >= least * 0.999 && value <= most * 1.001) found.push(value);
      }
    }
    if (found.length < 2) return ticks(least, most, count);
    const tens = found.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
    return found.length > count + 2 && tens.length > 1 ? tens : found;
  }
  return { si, percent, joule, whole, plain, ticks, logTicks };
})();
