"use strict";
(async () => {
  const STEP = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("gene-data").textContent);
  const at = (id) => document.getElementById(id);

  // most of the numbers are compressed, for they are half of the page
  async function unpack() {
    const bytes = Uint8Array.from(atob(data.packed), (one) => one.charCodeAt(0));
    const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const { values, ...others } = await new Response(text).json();
    Object.assign(data, others);
    values.forEach((listed, place) => { if (listed) data.columns[place].values = listed; });
  }
  if (!("DecompressionStream" in window)) {
    at("too-old").hidden = false;
    return;
  }
  await unpack();

  const column = (name) => data.columns.find((one) => one.name === name);
  const genes = column("gene").values;
  const clusters = column("cluster").values;
  const directions = (column("direction") || { values: [] }).values;
  const lower = genes.map((gene) => gene.toLowerCase());
  const filled = data.columns.filter((one) => one.values.some((value) => value !== null && value !== ""));
  const body = at("gene-table").tBodies[0];
  const collator = new Intl.Collator("en", { numeric: true });

  // by cluster, then by what its mean trend explains; genes without a cluster last
  const rank = (cluster) => (cluster < 0 ? Infinity : cluster);
  const first = data.first;
  let visible = filled.filter((one) => !one.detail);
  let order = first, sorted = null, descending = false, found = first, shownRows = 0, opened = null;
  const selected = new Set();

  function make(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== "") element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function draw(tag, attributes = {}, text = "") {
    const element = document.createElementNS(SVG, tag);
    if (text !== "") element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  // ---- values as text

  // decimals that show three digits of the largest value of a column, unless values are of very different sizes
  function decimals(values) {
    const sizes = values.filter((value) => typeof value === "number" && value !== 0).map(Math.abs);
    if (sizes.length === 0) return 0;
    const [least, largest] = sizes.reduce(([low, high], size) => [Math.min(low, size), Math.max(high, size)], [Infinity, 0]);
    const places = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(largest))));
    return largest < 1e6 && largest / least < 1e6 ? places : null;
  }
  const isProbability = (one) => /^[pq]value/.test(one.name);
  for (const one of data.columns) if (one.kind === "number") one.places = isProbability(one) ? null : decimals(one.values);

  function number(one, gene) {
    const value = one.values[gene];
    if (value === null) return "";
    if (typeof value === "string") return value.replace("inf", "∞");
    if (one.places !== null) return value.toFixed(one.places);
    if (value < 1e-300 && isProbability(one)) return "< 1e-300";
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size < 1e-3 || size >= 1e5 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  }

  function shown(one, gene) {
    const value = one.values[gene];
    if (one.name === "cluster") return value < 0 ? "none" : String(value);
    if (one.kind === "number") return number(one, gene);
    if (one.kind === "truth") return value === null ? "" : value ? "yes" : "no";
    return value === null ? "" : String(value);
  }

  // ---- sorting and filtering

  // what is sorted by: null goes last, whichever way
  function key(one, gene) {
    const value = one.values[gene];
    if (value === null || value === "" || (one.name === "cluster" && value < 0)) return null;
    if (one.kind === "text") return value.toLowerCase();
    return value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value);
  }

  function sortBy(one, way = null) {
    const high = one.kind === "number" && /^(confidence|deviance|amplitude|edf|agreement)/.test(one.name);
    descending = way === null ? (sorted === one ? !descending : high) : way;
    sorted = one;
    const sign = descending ? -1 : 1;
    const keys = genes.map((_, gene) => key(one, gene));
    const compare = one.kind === "text" ? collator.compare : (a, b) => (a === b ? 0 : a < b ? -1 : 1);
    order = first.slice().sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null);
      return sign * compare(keys[a], keys[b]);
    });
    at("sort").value = one.name;
    mark();
    filter();
  }

  function mark() {
    for (const head of at("gene-table").tHead.rows[0].cells) head.removeAttribute("aria-sort");
    const head = sorted && at(`head-${data.columns.indexOf(sorted)}`);
    if (head) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  const termsOf = (text) => new Set(text.trim().toLowerCase().split(/[\s,;]+/).filter(Boolean));

  // one term is looked for inside names; of several, each is a whole name
  function matcher(text) {
    const query = text.trim().toLowerCase();
    if (!query) return () => true;
    const terms = termsOf(text);
    return (gene) => lower[gene].includes(query) || (terms.size > 1 && terms.has(lower[gene]));
  }

  function filter() {
    const text = at("search").value, matches = matcher(text);
    const cluster = at("cluster").value, direction = at("direction").value, only = at("only").checked && selected.size > 0;
    found = order.filter((gene) => matches(gene) && (cluster === "" || clusters[gene] === Number(cluster)) &&
      (direction === "" || directions[gene] === direction) && (!only || selected.has(gene)));
    shownRows = 0;
    opened = null;
    body.replaceChildren();
    more();
    const total = genes.length.toLocaleString("en");
    at("count").textContent = found.length === genes.length ? `${total} genes` : `${found.length.toLocaleString("en")} of ${total} genes`;
    if (found.length === 0) body.append(nothing());
    const terms = termsOf(text), known = new Set(lower);
    const absent = terms.size > 1 && [...terms].some((term) => known.has(term)) ? [...terms].filter((term) => !known.has(term)) : [];
    at("absent").hidden = absent.length === 0;
    at("absent").textContent = `Not among these genes: ${absent.join(", ")}`;
    for (const area of document.querySelectorAll(".over .spot")) area.classList.toggle("chosen", area.dataset.spot === cluster);
    highlight();
  }

  function nothing() {
    const line = make("tr", "", { class: "nothing" }), cell = make("td", "", { colspan: visible.length + 2 });
    const why = [
      at("search").value.trim() && `“${at("search").value.trim()}” is in its name`,
      at("cluster").value !== "" && (at("cluster").value === "-1" ? "it is in no cluster" : `it is in cluster ${at("cluster").value}`),
      at("direction").value && `its direction is “${at("direction").value}”`,
      at("only").checked && selected.size > 0 && "it is selected",
    ].filter(Boolean);
    const button = make("button", "Show all genes", { type: "button" });
    button.addEventListener("click", () => { clear(); at("search").focus(); });
    cell.append(make("p", why.length ? `There is no gene of which ${why.join(" and ")}.` : "There is no gene."), button);
    line.append(cell);
    return line;
  }

  function clear() {
    at("search").value = at("cluster").value = at("direction").value = "";
    at("only").checked = false;
    filter();
  }

  function more() {
    const rows = document.createDocumentFragment(), end = Math.min(found.length, shownRows + STEP);
    for (const gene of found.slice(shownRows, end)) rows.append(row(gene));
    body.append(rows);
    shownRows = end;
    const left = found.length - shownRows;
    at("more").hidden = left <= 0;
    at("more").textContent = `Show ${Math.min(left, STEP)} more of ${left.toLocaleString("en")}`;
  }

  // ---- rows

  const color = (gene) => (clusters[gene] < 0 ? data.unassigned : data.colors[clusters[gene]]);

  function row(gene) {
    const line = make("tr", "", { "data-gene": gene });
    const tick = make("input", "", { type: "checkbox", "aria-label": `Select ${genes[gene]}` });
    tick.checked = selected.has(gene);
    tick.addEventListener("change", () => select(gene, tick.checked));
    const pick = make("td", "", { class: "pick" });
    pick.append(tick);
    line.append(pick);
    line.classList.toggle("selected", tick.checked);
    for (const one of visible) {
      const text = shown(one, gene);
      if (one.name === "gene") {
        const head = make("th", "", { scope: "row", title: text });
        head.append(make("button", text, { type: "button", "aria-expanded": "false" }));
        line.append(head, trend(gene));
      } else if (one.name === "cluster") {
        const cell = make("td", "", { "data-label": one.word });
        const swatch = make("span", "", { class: "swatch" });
        swatch.style.setProperty("--c", color(gene));
        cell.append(swatch, text);
        line.append(cell);
      } else {
        line.append(make("td", text, { class: one.kind !== "text" ? "number" : text.length > 24 ? "long" : "", "data-label": one.word, "data-column": one.name }));
      }
    }
    line.addEventListener("click", (event) => { if (!event.target.closest("input") && !String(getSelection())) toggle(gene, line); });
    return line;
  }

  function trend(gene) {
    const cell = make("td", "", { class: "trend" }), [width, height] = data.size, peak = column("peak");
    const svg = draw("svg", { class: "line", viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `${data.line ? "Difference" : "Trend"} of ${genes[gene]}${peak ? `, highest at ${number(peak, gene)}` : ""}` });
    svg.style.setProperty("--c", color(gene));
    for (const x of data.boundaries) svg.append(draw("path", { d: `M${x} 0v${height}`, class: "boundary" }));
    if (data.zeros) svg.append(draw("path", { d: `M0 ${data.zeros[gene]}H${width}`, class: "boundary" }));
    svg.append(draw("path", { d: data.paths[gene], class: "trend" }));
    cell.append(svg);
    return cell;
  }

  function toggle(gene, line) {
    const was = opened;
    close();
    if (was === gene) return;
    opened = gene;
    line.querySelector("th button").setAttribute("aria-expanded", "true");
    line.classList.add("open");
    const below = make("tr", "", { class: "opened" }), cell = make("td", "", { colspan: visible.length + 2 });
    below.append(cell);
    line.after(below);
    const room = Math.min(cell.clientWidth || 700, at("gene-table").parentElement.clientWidth) - 24;
    const inside = make("div", "", { class: "large" });
    inside.append(chart(gene, Math.max(260, Math.min(room, 620))), values(gene));
    cell.append(inside);
    highlight();
  }

  function close() {
    body.querySelector("tr.opened")?.remove();
    const line = body.querySelector("tr.open");
    if (line) {
      line.classList.remove("open");
      line.querySelector("th button").setAttribute("aria-expanded", "false");
    }
    opened = null;
    highlight();
  }

  // all that the table holds of a gene, in words
  function values(gene) {
    const list = make("dl", "", { class: "values" });
    for (const one of filled) {
      const [least, most] = ["lower", "upper"].map((end) => column(`${one.name}_${end}`));
      let text = shown(one, gene);
      if (one.name === "gene" || text === "" || /_(lower|upper)$/.test(one.name)) continue;
      if (least && most && shown(least, gene)) text += ` (${shown(least, gene)} to ${shown(most, gene)})`;
      const pair = make("div", "");
      pair.append(make("dt", one.word, { "data-help": one.help, tabindex: "0" }), make("dd", text));
      list.append(pair);
    }
    return list;
  }

  // ---- a trend, large

  // each letter is the step from the level before
  function decoded(text) {
    let level = 0;
    return Array.from(text, (letter) => {
      const code = letter.charCodeAt(0) - 40;
      level = (level + (code % 2 ? -(code + 1) / 2 : code / 2) + 256) % 256;
      return level;
    });
  }

  function levels(gene) {
    const low = data.curves.low[gene], high = data.curves.high[gene], bytes = decoded(data.curves.coded[gene]);
    let from = 0;
    const take = (count) => bytes.slice(from, from += count);
    const valued = (part) => part.map((one) => (one === 255 ? null : low + (high - low) * one / 250));
    const beside = (part, middle, way) => part.map((one, place) => (middle[place] + way * one + 256) % 256);
    return data.curves.lineages.map((one) => {
      const count = one.time.length, middle = take(count);
      const below = beside(take(count), middle, -1), above = beside(take(count), middle, 1);
      return {
        ...one, middle: valued(middle), below: valued(below), above: valued(above),
        means: one.bins ? valued(take(one.bins.length)) : [],
      };
    });
  }

  function ticks(low, high, count) {
    const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const places = Math.max(0, -Math.floor(Math.log10(step)) + (step / power === 2.5 ? 1 : 0));
    const found = [];
    for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push([value, value.toFixed(places).replace(/^-0(\.0*)?$/, "0")]);
    return found;
  }

  // trends of conditions, with donors as thin lines, and below them their differences
  function compared(gene, width) {
    const { conditions, tints, time, common, samples, axis } = data.curves, n = time.length;
    const valued = ({ low, high, coded }) => {
      const bytes = decoded(coded[gene]);
      return (place) => bytes.slice(place * n, (place + 1) * n)
        .map((level) => (level === 255 ? null : low[gene] + (high[gene] - low[gene]) * level / 250));
    };
    const trends = valued(data.curves.trends), differences = valued(data.curves.differences);
    const layers = samples.map((of, index) => ({ tint: tints[of], middle: trends(3 * conditions.length + index), thin: true }));
    conditions.forEach((_, of) => layers.push({ tint: tints[of], middle: trends(3 * of), below: trends(3 * of + 1), above: trends(3 * of + 2) }));
    const below = conditions.slice(1).map((_, of) => ({ tint: tints[of + 1], middle: differences(3 * of), below: differences(3 * of + 1), above: differences(3 * of + 2) }));
    const figure = make("figure", ""), key = make("p", "", { class: "key" });
    conditions.forEach((name, of) => {
      const swatch = make("span", "", { class: "swatch" }), one = make("span", "");
      swatch.style.setProperty("--c", tints[of]);
      one.append(swatch, name);
      key.append(one);
    });
    const tall = width < 420 ? 210 : 260;
    figure.append(key, panel(layers, width, tall, axis, `Trends of ${genes[gene]} in ${conditions.join(" and ")} over pseudotime`, time, common, false),
      panel(below, width, 160, `minus ${conditions[0].slice(0, 14)}`, `Difference of ${genes[gene]} from ${conditions[0]} over pseudotime`, time, common, true),
      make("figcaption", `Lines: trends${samples.length ? ", thin those of donors" : ""}. Bands: 95 %, below of the whole difference at once.`));
    return figure;
  }

  function panel(layers, width, height, axis, label, time, common, zero) {
    const left = 48, right = 16, top = 10, bottom = zero ? 40 : 22;
    const everything = layers.flatMap((one) => [one.middle, one.below || [], one.above || []].flat()).filter((value) => value !== null);
    let low = Math.min(...everything, ...(zero ? [0] : [])), high = Math.max(...everything, ...(zero ? [0] : []));
    if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
    const pad = 0.04 * (high - low), floor = low - pad, ceiling = high + pad;
    const y = (value) => top + (height - top - bottom) * (1 - (value - floor) / (ceiling - floor));
    const x = (at) => left + (width - left - right) * (at - time[0]) / (time.at(-1) - time[0] || 1);
    const point = (values, index) => `${x(time[index]).toFixed(1)} ${y(values[index]).toFixed(1)}`;
    const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
    for (const [value, text] of ticks(floor, ceiling, zero ? 3 : 5))
      svg.append(draw("path", { class: "grid", d: `M${left} ${y(value)}H${width - right}` }), draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
    if (zero) svg.append(draw("path", { class: "axis", d: `M${left} ${y(0)}H${width - right}` }));
    for (const one of layers) {
      const path = (values) => values.map((value, index) => value === null || !common[index] ? "" : `${index && values[index - 1] !== null && common[index - 1] ? "L" : "M"}${point(values, index)}`).join("");
      const add = (d, kind) => { const made = draw("path", { class: kind, d }); made.style.setProperty("--c", one.tint); svg.append(made); };
      if (one.below) {
        let from = 0;
        for (let index = 0; index <= time.length; index += 1) {
          const holds = index < time.length && common[index] && one.below[index] !== null && one.above[index] !== null;
          if (holds) continue;
          const run = Array.from({ length: index - from }, (_, step) => from + step);
          if (run.length > 1) add(`M${run.map((at) => point(one.above, at)).join("L")}L${run.reverse().map((at) => point(one.below, at)).join("L")}Z`, "band");
          from = index + 1;
        }
      }
      add(path(one.middle), one.thin ? "thin" : "trend");
    }
    svg.append(draw("path", { class: "axis", d: `M${left} ${height - bottom}H${width - right}` }));
    for (const [value, text] of ticks(time[0], time.at(-1), 5)) svg.append(draw("text", { x: x(value), y: height - bottom + 16, "text-anchor": "middle" }, text));
    if (zero) svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "pseudotime"));
    svg.append(draw("text", { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, axis));
    return svg;
  }

  function chart(gene, width) {
    if (data.curves.conditions) return compared(gene, width);
    const parts = levels(gene), height = width < 420 ? 230 : 300, left = 48, right = 16, top = parts.length > 1 ? 26 : 10, bottom = 40, gap = 14;
    const everything = parts.flatMap((one) => [one.middle, one.below, one.above, one.means].flat()).filter((value) => value !== null);
    let low = Math.min(...everything), high = Math.max(...everything);
    if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
    const pad = 0.04 * (high - low);
    const floor = low >= 0 && low < 0.25 * (high - low) ? 0 : low - pad;
    const y = (value) => top + (height - top - bottom) * (1 - (value - floor) / (high + pad - floor));
    const room = (width - left - right - gap * (parts.length - 1)) / parts.length;
    const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "aria-label": `Trend of ${genes[gene]} over pseudotime with its 95 % interval${parts[0].bins ? " and mean expression of the cells" : ""}` });
    svg.style.setProperty("--c", color(gene));
    for (const [value, text] of ticks(floor, high + pad, 5)) {
      svg.append(draw("path", { class: "grid", d: `M${left} ${y(value)}H${width - right}` }),
        draw("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    parts.forEach((one, number) => {
      const from = left + number * (room + gap), [start, end] = [one.time[0], one.time.at(-1)];
      const x = (time) => from + room * (time - start) / (end - start || 1);
      const path = (ys) => ys.map((value, index) => value === null ? "" : `${index && ys[index - 1] !== null ? "L" : "M"}${x(one.time[index]).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      if (one.below.every((value) => value !== null) && one.above.every((value) => value !== null)) {
        const back = one.time.map((_, index) => index).reverse().map((index) => `L${x(one.time[index]).toFixed(1)} ${y(one.below[index]).toFixed(1)}`).join("");
        svg.append(draw("path", { class: "band", d: `${path(one.above)}${back}Z` }));
      }
      one.means.forEach((value, index) => {
        if (value !== null) svg.append(draw("circle", { class: "cells", cx: x(one.bins[index]), cy: y(value), r: 1.2 + 3.2 * Math.sqrt(one.cells[index]) }));
      });
      svg.append(draw("path", { class: "trend", d: path(one.middle) }), draw("path", { class: "axis", d: `M${from} ${height - bottom}h${room}` }));
      const times = ticks(start, end, room < 200 ? 2 : 5);
      for (const [value, text] of times) svg.append(draw("text", { x: x(value), y: height - bottom + 16, "text-anchor": "middle" }, text));
      if (parts.length > 1) svg.append(draw("text", { class: "name", x: from + room / 2, y: 16, "text-anchor": "middle" }, one.name));
    });
    svg.append(draw("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "pseudotime"),
      draw("text", { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, "expression"));
    const figure = make("figure", ""), said = parts[0].bins ? "Line: trend. Band: its 95 % interval. Circles: mean of the cells in bins of pseudotime, the larger the more cells." : "Line: trend. Band: its 95 % interval.";
    figure.append(svg, make("figcaption", said));
    return figure;
  }

  // ---- selection, and what it marks in the pictures

  function select(gene, on) {
    if (on) selected.add(gene); else selected.delete(gene);
    body.querySelector(`tr[data-gene="${gene}"]`)?.classList.toggle("selected", on);
    if (at("only").checked) filter();
    choose();
  }

  function choose() {
    const names = [...selected].map((gene) => genes[gene]);
    at("selection").hidden = names.length === 0;
    at("selected").textContent = `${names.length} selected: ${names.slice(0, 12).join(", ")}${names.length > 12 ? " …" : ""}`;
    if (names.length === 0 && at("only").checked) { at("only").checked = false; filter(); }
    highlight();
  }

  function highlight() {
    const marked = new Set(selected);
    if (opened !== null) marked.add(opened);
    for (const svg of document.querySelectorAll(".over")) {
      const marks = svg.querySelector(".marks"), places = data.spots[svg.dataset.picture];
      marks.replaceChildren();
      const add = (d, kind, gene, transform = null) => {
        for (const layer of ["under", "upper"]) {
          const path = draw("path", { d, class: `${kind} ${layer}`, "vector-effect": "non-scaling-stroke" });
          if (transform) path.setAttribute("transform", transform);
          path.append(draw("title", {}, genes[gene]));
          marks.append(path);
        }
      };
      for (const [gene, left, right, y] of places.rows || []) if (marked.has(gene)) add(`M${left} ${y}H${right}`, "row", gene);
      for (const [gene, x, y] of places.dots || []) if (marked.has(gene)) add(`M${x} ${y}h0`, "dot", gene);
      for (const [cluster, frame, ends, [low, high]] of places.curves || [])
        for (const gene of marked) if (clusters[gene] === cluster) curve(add, gene, frame, ends, low, high);
    }
  }

  // the small drawing of a trend, moved to where its cluster's panel has it
  function curve(add, gene, [, top, , bottom], ends, low, high) {
    const [width, height] = data.size, n = ends.length / 2, room = (width - data.gap * (n - 1)) / n;
    const place = (value) => bottom + (top - bottom) * (value - low) / (high - low || 1);
    const most = place(data.scaled[1][gene]), least = place(data.scaled[0][gene]);
    const d = (least - most) / (height - 2 * data.margin);
    const f = most - d * data.margin;
    data.paths[gene].split("M").slice(1).forEach((part, index) => {
      const a = (ends[2 * index + 1] - ends[2 * index]) / room;
      add(`M${part}`, "curve", gene, `matrix(${a} 0 0 ${d} ${ends[2 * index] - a * index * (room + data.gap)} ${f})`);
    });
  }

  function overlays() {
    for (const svg of document.querySelectorAll(".over")) {
      const reachable = svg.dataset.picture.startsWith("panels");
      if (!reachable) svg.setAttribute("aria-hidden", "true");
      for (const [cluster, corners] of data.spots[svg.dataset.picture].areas) {
        const count = clusters.filter((one) => one === cluster).length;
        const area = draw("polygon", { points: corners.join(" "), class: "spot", "data-spot": cluster, "vector-effect": "non-scaling-stroke" });
        const said = cluster < 0 ? "List the genes without a cluster" : `List the ${count} genes of cluster ${cluster}`;
        if (reachable) for (const [name, value] of [["tabindex", "0"], ["role", "button"], ["aria-label", said]]) area.setAttribute(name, value);
        area.append(draw("title", {}, said));
        area.addEventListener("click", () => goTo(cluster));
        area.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); goTo(cluster); }
        });
        svg.append(area);
      }
      svg.append(draw("g", { class: "marks" }));
    }
  }

  function goTo(cluster) {
    at("search").value = at("direction").value = "";
    at("only").checked = false;
    at("cluster").value = String(cluster);
    filter();
    at("genes").scrollIntoView();
    at("cluster").focus({ preventScroll: true });
  }

  // ---- the list that is shown, as text

  // a spreadsheet would take such a text for a formula
  const plain = (value) => (typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? ""));
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const written = {
    names: () => found.map((gene) => genes[gene].replace(/[\r\n]+/g, " ")).join("\n") + "\n",
    csv: () => {
      const lines = [data.columns.map((one) => quoted(plain(one.name))).join(",")];
      for (const gene of found) lines.push(data.columns.map((one) => quoted(one.kind === "text" ? plain(one.values[gene]) : String(one.values[gene] ?? ""))).join(","));
      return lines.join("\n") + "\n";
    },
    gmt: () => {
      const sets = new Map(), one = (text) => text.replace(/[\t\r\n]+/g, " ");
      for (const gene of found) sets.set(clusters[gene], [...(sets.get(clusters[gene]) || []), one(genes[gene])]);
      const names = [...sets.keys()].sort((a, b) => rank(a) - rank(b));
      return names.map((cluster) => [one(cluster < 0 ? data.unassignedSet : data.sets[cluster]).replace(/ /g, "_"), "lineage_clust", ...sets.get(cluster)].join("\t") + "\n").join("");
    },
  };
  const ENDINGS = { names: ["genes.txt", "text/plain"], csv: ["genes.csv", "text/csv"], gmt: ["genes.gmt", "text/plain"] };

  function save() {
    const format = at("format").value, [name, type] = ENDINGS[format];
    const link = make("a", "", { download: name });
    link.href = URL.createObjectURL(new Blob([written[format]()], { type }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function toClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", text, { class: "away", readonly: "" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  async function copy() {
    await toClipboard(written[at("format").value]());
    at("count").textContent = `${found.length.toLocaleString("en")} genes copied`;
  }

  // ---- help on hover and focus

  function help(target) {
    const box = at("help");
    document.querySelector("[aria-describedby=help]")?.removeAttribute("aria-describedby");
    box.hidden = !target || !target.dataset.help;
    if (box.hidden) return;
    box.textContent = target.dataset.help;
    target.setAttribute("aria-describedby", "help");
    const place = target.getBoundingClientRect(), wide = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(place.left, wide - box.offsetWidth - 8));
    const above = place.bottom + box.offsetHeight + 12 > window.innerHeight;
    box.style.left = `${left}px`;
    box.style.top = `${above ? place.top - box.offsetHeight - 6 : place.bottom + 6}px`;
  }

  // ---- headings, and the table of clusters

  function heading() {
    const heads = document.createElement("tr");
    heads.append(make("td", "", { class: "pick" }));
    for (const one of visible) {
      const head = make("th", "", { scope: "col", id: `head-${data.columns.indexOf(one)}` });
      if (one.kind !== "text" && one.name !== "cluster") head.className = "number";
      const button = make("button", one.word, { type: "button", "data-help": one.help });
      button.addEventListener("click", () => sortBy(one));
      head.append(button);
      heads.append(head);
      if (one.name === "gene") heads.append(make("th", data.line || "trend", { scope: "col" }));
    }
    at("gene-table").tHead.replaceChildren(heads);
    mark();
  }

  function sortableClusters() {
    const table = document.querySelector("#cluster-table table");
    if (!table) return;
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const cells = () => [...table.tBodies[0].rows].map((line) => [line, line.cells[place].dataset.value]);
      if (cells().some(([, value]) => value === undefined)) return;
      const button = make("button", head.textContent, { type: "button", "data-help": head.dataset.help || "" });
      head.removeAttribute("data-help");
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const lines = cells().sort(([, a], [, b]) => (a === "") - (b === "") || (down ? -1 : 1) * collator.compare(a, b) || 0);
        const numeric = lines.every(([, value]) => value === "" || !Number.isNaN(Number(value)));
        if (numeric) lines.sort(([, a], [, b]) => (a === "") - (b === "") || (down ? Number(b) - Number(a) : Number(a) - Number(b)));
        table.tBodies[0].append(...lines.map(([line]) => line));
      });
    });
  }

  heading();
  for (const cluster of [...new Set(clusters)].sort((a, b) => rank(a) - rank(b)))
    at("cluster").append(make("option", cluster < 0 ? "none" : String(cluster), { value: cluster }));
  for (const direction of [...new Set(directions)].filter(Boolean).sort(collator.compare))
    at("direction").append(make("option", direction, { value: direction }));
  at("direction-label").hidden = at("direction").options.length < 3;
  at("sort").append(make("option", data.firstWord || "cluster", { value: "" }));
  for (const one of filled) at("sort").append(make("option", one.word, { value: one.name }));
  at("sort").addEventListener("change", () => {
    const one = column(at("sort").value);
    if (one) { sorted = null; sortBy(one); return; }
    [sorted, order] = [null, first];
    mark();
    filter();
  });
  for (const button of document.querySelectorAll("[data-cluster]")) button.addEventListener("click", () => goTo(button.dataset.cluster));
  at("details").addEventListener("change", () => {
    visible = filled.filter((one) => at("details").checked || !one.detail);
    at("gene-table").parentElement.classList.toggle("all", at("details").checked);
    heading();
    filter();
  });
  at("details-label").hidden = filled.every((one) => !one.detail);
  for (const name of ["cluster", "direction", "only"]) at(name).addEventListener("change", filter);
  at("search").addEventListener("input", filter);
  at("more").addEventListener("click", more);
  at("save").addEventListener("click", save);
  at("copy").addEventListener("click", copy);
  at("unselect").addEventListener("click", () => {
    selected.clear();
    for (const tick of body.querySelectorAll(".pick input")) tick.checked = false;
    for (const line of body.querySelectorAll(".selected")) line.classList.remove("selected");
    choose();
  });
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await toClipboard(at(button.dataset.copies).innerText);
      button.textContent = "Copied";
    });
  }
  document.addEventListener("mouseover", (event) => help(event.target.closest?.("[data-help]")));
  document.addEventListener("focusin", (event) => help(event.target.closest?.("[data-help]")));
  document.addEventListener("scroll", () => { at("help").hidden = true; at("top").classList.toggle("there", scrollY > 600); }, { passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { if (!at("help").hidden) at("help").hidden = true; else close(); }
    if (event.key === "/" && !event.target.closest("input, select, textarea")) { event.preventDefault(); at("search").focus(); }
  });
  sortableClusters();
  overlays();
  at("gene-tools").hidden = at("how").hidden = false;
  filter();
})();
