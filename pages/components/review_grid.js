// The review grid: a page of pictures, accepted and rejected by single keys.

const SIZES = [64, 128, 192, 256]; // side of a picture on the screen [px]
const SIGNS = { accept: ["✓", "accepted"], reject: ["✕", "rejected"], unsure: ["?", "unsure"] };

export default function (component) {
  return mount(component, Grid);
}

class Grid extends Judging {
  detail = "reason";
  shown = 128;

  keys() {
    return { a: "accept", x: "reject", u: "unsure" };
  }

  digit(number) {
    const reason = this.data.reasons[number - 1];
    return reason && ["reject", reason[0]];
  }

  word(decision) {
    return SIGNS[decision][1];
  }

  sign(decision) {
    return SIGNS[decision].join(" ");
  }

  atEnd() {
    return "The end of the page. Press the right arrow for the next one.";
  }

  goesOn() {
    return this.find(".advance").checked;
  }

  columns() {
    return getComputedStyle(this.find(".grid")).gridTemplateColumns.split(" ").length;
  }

  place(index) {
    super.place(index);
    const current = this.cursor < this.tiles.length ? this.find(".grid").children[this.cursor] : this.find(".end");
    current.scrollIntoView({ block: "nearest" });
  }

  build(isOther) {
    this.find(".grid").replaceChildren(...this.tiles.map(tileNode));
    this.find(".grid").hidden = !this.tiles.length;
    this.find(".empty").hidden = this.tiles.length > 0;
    this.find(".empty").textContent = this.data.empty;
    const group = this.find(".reasons");
    const buttons = this.data.reasons.map(([, label, meaning], index) => keyButton(index + 1, label, meaning));
    group.replaceChildren(group.firstElementChild, ...buttons);
    const known = this.decisions();
    const wanted = this.tiles.findIndex((tile) => tile.id === this.data.target);
    const open = this.tiles.findIndex((tile) => tile.src && !known.has(tile.id));
    this.cursor = Math.max(0, wanted >= 0 ? wanted : open);
    this.since = performance.now();
    this.resize(0);
    this.takeFocus(isOther);
  }

  resize(by) {
    const native = this.data.resolution;
    const fitting = SIZES.filter((size) => size % native === 0 || native % size === 0);
    const at = Math.max(0, fitting.indexOf(this.shown));
    this.shown = fitting[Math.max(0, Math.min(fitting.length - 1, at + by))];
    this.root.style.setProperty("--shown", `${this.shown}px`);
    this.root.querySelectorAll(".tile img").forEach((image) => image.classList.toggle("pixels", this.shown > native));
    this.find(".size").textContent = times(this.shown, native);
  }

  paint() {
    const known = this.decisions();
    const words = Object.fromEntries(this.data.reasons.map(([code, label]) => [code, label]));
    const nodes = this.find(".grid").children;
    this.tiles.forEach((tile, index) => {
      const [decision, reason] = known.get(tile.id) ?? [];
      const [sign, word] = SIGNS[decision] ?? ["", tile.src ? "undecided" : "file missing"];
      const others = decision ? othersOf(this.data.others[tile.id]) : ""; // what others say is told once one's own word is given
      const node = nodes[index];
      node.className = `tile ${decision ?? ""}`;
      node.setAttribute("aria-selected", index === this.cursor);
      const parts = [`Image ${tile.number}`, tile.label, alike(tile), word, words[reason], others && `other readers: ${others}`];
      node.setAttribute("aria-label", parts.filter(Boolean).join(", "));
      node.title = [tile.label, alike(tile), others && `Other readers: ${others}`].filter(Boolean).join(". ");
      node.querySelector(".mark").textContent = [sign, words[reason]?.toLowerCase() ?? (decision ? word : "")].join(" ");
      node.querySelector(".others").textContent = decision ? countsOf(this.data.others[tile.id]) : "";
    });
    const current = nodes[this.cursor];
    if (this.cursor < this.tiles.length) this.find(".grid").setAttribute("aria-activedescendant", current.id);
    else this.find(".grid").removeAttribute("aria-activedescendant");
    this.find(".end").classList.toggle("current", this.tiles.length > 0 && this.cursor >= this.tiles.length);
    const { page, pages, total } = this.data;
    this.find(".where").textContent = `Page ${page + 1} of ${pages}`;
    this.find('[data-do="previous"]').disabled = page === 0;
    const last = page + 1 >= pages;
    this.find('[data-do="next"]').disabled = last && !this.data.filtered;
    this.find('[data-do="next"]').textContent = last && this.data.filtered ? "Select again ↻" : "Next page →";
    this.find(".count").textContent = `${known.size} of ${total} decided${known.size === total ? ": complete, see Result" : ""}`;
    this.paintMeter(known.size, total);
  }
}

function alike(tile) {
  return tile.alike > 1 ? `one of ${tile.alike} near-duplicates` : "";
}

function countsOf(counts = []) {
  const signs = Object.values(SIGNS);
  return counts.map((n, at) => (n ? `${n}${signs[at][0]}` : "")).filter(Boolean).join(" ");
}

function othersOf(counts) {
  if (!counts) return "";
  return Object.values(SIGNS).map(([, word], at) => (counts[at] ? `${counts[at]} ${word}` : "")).filter(Boolean).join(", ");
}

function tileNode(tile, index) {
  const node = document.createElement("div");
  node.id = `tile-${index}`;
  node.setAttribute("role", "option");
  const mat = document.createElement("div");
  mat.className = "mat";
  mat.append(tile.src ? picture(tile) : missing());
  const foot = document.createElement("div");
  foot.className = "foot";
  const copies = tile.alike > 1 ? `×${tile.alike}` : "";
  for (const [name, text] of [["number", tile.number], ["alike", copies], ["mark", ""], ["others", ""]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    foot.append(part);
  }
  node.append(mat, foot);
  return node;
}

function picture(tile) {
  const image = document.createElement("img");
  image.src = tile.src;
  image.alt = "";
  image.draggable = false;
  return image;
}

function missing() {
  const box = document.createElement("div");
  box.className = "gone";
  box.textContent = "File missing";
  return box;
}
