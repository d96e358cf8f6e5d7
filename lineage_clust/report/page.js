"use strict";
(() => {
  const STEP = 100;
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("gene-data").textContent);
  const at = (id) => document.getElementById(id);
  const column = (name) => data.columns.find((one) => one.name === name);
  const genes = column("gene").values;
  const clusters = column("cluster").values;
  const lower = genes.map((gene) => gene.toLowerCase());
  const explained = (column("deviance_explained") || { values: [] }).values;
  const filled = data.columns.filter((one) => one.values.some((value) => value !== null && value !== ""));

  // by cluster, then by what the trend explains; genes without a cluster last
  const rank = (cluster) => (cluster < 0 ? Infinity : cluster);
  const first = genes.map((_, gene) => gene).sort((a, b) =>
    (rank(clusters[a]) === rank(clusters[b]) ? 0 : rank(clusters[a]) - rank(clusters[b])) ||
    (explained[b] ?? 0) - (explained[a] ?? 0) || a - b);
  let visible = filled.filter((one) => !one.detail);
  let order = first, sorted = null, descending = false, found = first, limit = STEP;

  function make(tag, text, attributes = {}) {
    const element = document.createElement(tag);
    if (text !== "") element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

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

  // what is sorted by: null goes last, whichever way
  function key(one, gene) {
    const value = one.values[gene];
    if (value === null || value === "" || (one.name === "cluster" && value < 0)) return null;
    if (one.kind === "text") return value.toLowerCase();
    return value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value);
  }

  function sortBy(one) {
    descending = sorted === one ? !descending : one.kind === "number" && /^(confidence|deviance|amplitude|edf)/.test(one.name);
    sorted = one;
    const sign = descending ? -1 : 1;
    const keys = genes.map((_, gene) => key(one, gene));
    const compare = one.kind === "text" ? new Intl.Collator("en", { numeric: true }).compare : (a, b) => (a === b ? 0 : a < b ? -1 : 1);
    order = first.slice().sort((a, b) => {
      if (keys[a] === null || keys[b] === null) return (keys[a] === null) - (keys[b] === null);
      return sign * compare(keys[a], keys[b]);
    });
    mark();
    filter();
  }

  function mark() {
    for (const head of at("gene-table").tHead.rows[0].cells) head.removeAttribute("aria-sort");
    const head = sorted && at(`head-${data.columns.indexOf(sorted)}`);
    if (head) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  }

  // one term is looked for inside names; of several, each is a whole name
  function matcher(text) {
    const query = text.trim().toLowerCase();
    if (!query) return () => true;
    const terms = new Set(query.split(/[\s,;]+/).filter(Boolean));
    return (gene) => lower[gene].includes(query) || (terms.size > 1 && terms.has(lower[gene]));
  }

  function filter() {
    const matches = matcher(at("search").value), chosen = at("cluster").value;
    found = order.filter((gene) => matches(gene) && (chosen === "" || clusters[gene] === Number(chosen)));
    limit = STEP;
    at("gene-table").tBodies[0].replaceChildren();
    more();
    const total = genes.length.toLocaleString("en");
    at("count").textContent = found.length === genes.length ? `${total} genes` : `${found.length.toLocaleString("en")} of ${total} genes`;
  }

  function more() {
    const body = at("gene-table").tBodies[0], rows = document.createDocumentFragment();
    for (const gene of found.slice(body.rows.length, limit)) rows.append(row(gene));
    body.append(rows);
    const left = found.length - body.rows.length;
    at("more").hidden = left <= 0;
    at("more").textContent = `Show ${Math.min(left, STEP)} more of ${left.toLocaleString("en")}`;
  }

  function row(gene) {
    const line = document.createElement("tr");
    for (const one of visible) {
      const text = shown(one, gene);
      if (one.name === "gene") {
        line.append(make("th", text, { scope: "row", title: text }), trend(gene));
      } else if (one.name === "cluster") {
        const cell = make("td", "");
        const swatch = make("span", "", { class: "swatch" });
        swatch.style.setProperty("--c", color(gene));
        cell.append(swatch, text);
        line.append(cell);
      } else {
        line.append(make("td", text, { class: one.kind !== "text" ? "number" : text.length > 24 ? "long" : "" }));
      }
    }
    return line;
  }

  const color = (gene) => (clusters[gene] < 0 ? data.unassigned : data.colors[clusters[gene]]);

  function trend(gene) {
    const cell = make("td", ""), svg = document.createElementNS(SVG, "svg"), [width, height] = data.size;
    const peak = column("peak");
    svg.setAttribute("class", "line");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `Trend of ${genes[gene]}${peak ? `, highest at ${number(peak, gene)}` : ""}`);
    svg.style.setProperty("--c", color(gene));
    for (const [d, name] of [...data.boundaries.map((x) => [`M${x} 0v${height}`, "boundary"]), [data.paths[gene], "trend"]]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", d);
      path.setAttribute("class", name);
      svg.append(path);
    }
    cell.append(svg);
    return cell;
  }

  function csv() {
    const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    // spreadsheets compute text that begins so: an apostrophe marks it as text; numbers stay numbers
    const text = (value) => (/^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value);
    const lines = [data.columns.map((one) => quoted(text(one.name))).join(",")];
    for (const gene of found) {
      lines.push(data.columns.map((one) => {
        const value = String(one.values[gene] ?? "");
        return quoted(one.kind === "text" ? text(value) : value);
      }).join(","));
    }
    return lines.join("\n") + "\n";
  }

  function save() {
    const link = make("a", "", { download: "genes.csv" });
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function copy() {
    await navigator.clipboard.writeText(found.map((gene) => genes[gene]).join("\n"));
    at("count").textContent = `${found.length.toLocaleString("en")} names copied`;
  }

  function heading() {
    const heads = document.createElement("tr");
    for (const one of visible) {
      const head = make("th", "", { scope: "col", id: `head-${data.columns.indexOf(one)}` });
      if (one.kind !== "text" && one.name !== "cluster") head.className = "number";
      const button = make("button", one.name, { type: "button" });
      button.addEventListener("click", () => sortBy(one));
      head.append(button);
      heads.append(head);
      if (one.name === "gene") heads.append(make("th", "trend", { scope: "col" }));
    }
    at("gene-table").tHead.replaceChildren(heads);
    mark();
  }

  heading();
  for (const cluster of [...new Set(clusters)].sort((a, b) => rank(a) - rank(b)))
    at("cluster").append(make("option", cluster < 0 ? "none" : String(cluster), { value: cluster }));
  for (const button of document.querySelectorAll("[data-cluster]"))
    button.addEventListener("click", () => {
      at("search").value = "";
      at("cluster").value = button.dataset.cluster;
      filter();
      at("genes").scrollIntoView();
      at("cluster").focus({ preventScroll: true });
    });
  at("details").addEventListener("change", () => {
    visible = filled.filter((one) => at("details").checked || !one.detail);
    heading();
    filter();
  });
  at("details-label").hidden = filled.every((one) => !one.detail);
  at("search").addEventListener("input", filter);
  at("cluster").addEventListener("change", filter);
  at("more").addEventListener("click", () => { limit += STEP; more(); });
  at("save").addEventListener("click", save);
  at("copy").addEventListener("click", copy);
  at("copy").hidden = !(navigator.clipboard && window.isSecureContext);
  at("gene-tools").hidden = false;
  filter();
})();
