// A strip of pictures that scrubs and plays in the browser, without the server: one row per generator, one column per frame or seed.
//
// Keys, while anything in it has the focus: arrows move (up and down by a line where the pictures wrap), Home and End, Space plays or stops.

const SIDES = [128, 192, 256, 384, 512, 768]; // what a picture on the stage shall measure at most [px]; whole multiples of its own size are shown

export default function (component) {
  const root = component.parentElement.querySelector(".film");
  root.film ??= new Film(root);
  root.film.receive(component.data);
  return () => root.film.stop();
}

class Film {
  constructor(root) {
    this.root = root;
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    this.find(".scrub").addEventListener("input", (event) => this.place(Number(event.target.value)));
    this.find(".smooth").addEventListener("change", () => this.resize(0));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  receive(data) {
    if (this.data?.view === data.view) return;
    this.stop();
    if (this.data?.start !== data.start) this.at = data.start;
    this.data = data;
    this.root.classList.toggle("browse", data.layout === "browse");
    this.length = data.captions.length;
    this.find(".scrub").max = this.length - 1;
    this.find(".stage").replaceChildren(...data.rows.map(figure));
    this.find(".strip").replaceChildren(...data.rows.map((row) => strip(row, data)));
    const room = this.root.clientWidth / data.rows.length - 32;
    this.side = SIDES.findLast((side) => side <= Math.min(data.layout === "browse" ? 256 : 384, room)) ?? SIDES[0];
    this.resize(0);
    this.place(Math.min(this.at ?? 0, this.length - 1));
  }

  place(index) {
    this.at = Math.max(0, Math.min(this.length - 1, index));
    const { rows, captions, layout } = this.data;
    const images = this.root.querySelectorAll("figure img");
    const links = this.root.querySelectorAll("figure a");
    rows.forEach((row, number) => {
      const frame = row.frames[this.at];
      images[number].src = frame.src;
      images[number].alt = `${row.label}, ${captions[this.at]}`;
      links[number].href = frame.src;
      links[number].download = frame.name;
    });
    this.find(".scrub").value = this.at;
    const text = layout === "browse" ? captions[this.at] : `${this.at + 1} of ${this.length}: ${captions[this.at]}`;
    this.find(".where").textContent = text;
    this.find(".scrub").setAttribute("aria-valuetext", text);
    for (const cell of this.root.querySelectorAll(".cell")) cell.classList.toggle("current", Number(cell.dataset.index) === this.at);
    this.reveal();
  }

  // Scroll the strip alone: scrollIntoView would also move the page while it plays.
  reveal() {
    const box = this.find(".strip");
    const cell = this.find(".cell.current");
    const [outer, inner] = [box.getBoundingClientRect(), cell.getBoundingClientRect()];
    const label = this.find(".row > b")?.getBoundingClientRect().width ?? 0;
    if (inner.left < outer.left + label) box.scrollLeft += inner.left - outer.left - label - 8;
    else if (inner.right > outer.right) box.scrollLeft += inner.right - outer.right + 8;
    if (inner.top < outer.top) box.scrollTop += inner.top - outer.top - 8;
    else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 8;
  }

  resize(by) {
    const index = Math.max(0, Math.min(SIDES.length - 1, SIDES.indexOf(this.side) + by));
    this.side = SIDES[index];
    const smooth = this.find(".smooth").checked;
    this.data.rows.forEach((row, number) => {
      const node = this.root.querySelectorAll("figure")[number];
      const factor = Math.max(1, Math.floor(this.side / row.resolution));
      const image = node.querySelector("img");
      image.width = image.height = factor * row.resolution;
      image.classList.toggle("pixels", !smooth);
      node.querySelector(".scale").textContent = `${row.resolution} × ${row.resolution} px, shown ${factor}×`;
    });
    for (const image of this.root.querySelectorAll(".cell img")) image.classList.toggle("pixels", !smooth);
  }

  // ---- playing ---------------------------------------------------------------------------------------------------------------------

  play() {
    if (this.playing) return this.stop();
    this.playing = true;
    this.step = this.at === this.length - 1 ? -1 : 1;
    if (!this.find(".return").checked && this.step < 0) this.place(0);
    this.paintPlay();
    this.tick();
  }

  tick() {
    this.timer = setTimeout(() => {
      const turns = this.find(".return").checked;
      if (this.at + this.step < 0 || this.at + this.step >= this.length) this.step = turns ? -this.step : 1;
      const beyond = this.at + this.step >= this.length;
      this.place(beyond ? 0 : this.at + this.step);
      this.tick();
    }, 1000 / Number(this.find(".speed").value));
  }

  stop() {
    clearTimeout(this.timer);
    this.playing = false;
    this.paintPlay();
  }

  paintPlay() {
    this.find(".play").textContent = this.playing ? "❚❚ Stop" : "▶ Play";
  }

  // ---- input -----------------------------------------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    const columns = this.columns();
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -this.length, End: this.length };
    if (event.key in moves) this.place(this.at + moves[event.key]);
    else if (event.key === " " && !event.target.closest("button, a, [type=checkbox]") && this.data.layout === "film") this.play();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Pictures in one line of the wall.
  columns() {
    const cells = [...this.root.querySelectorAll(".cell")];
    if (this.data.layout !== "browse") return 1;
    return cells.filter((cell) => cell.offsetTop === cells[0].offsetTop).length;
  }

  click(event) {
    const cell = event.target.closest(".cell");
    const action = event.target.closest("button")?.dataset.do;
    if (cell) {
      this.place(Number(cell.dataset.index));
      this.find(".scrub").focus({ preventScroll: true });
    } else if (action === "play") this.play();
    else if (action === "back") this.place(this.at - 1);
    else if (action === "on") this.place(this.at + 1);
    else if (action) this.resize(action === "larger" ? 1 : -1);
  }
}

function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function figure(row) {
  const node = element("figure", "");
  const caption = element("figcaption", "");
  const save = element("a", "", "Save (PNG)");
  save.setAttribute("aria-label", `Save the picture of ${row.label} (PNG)`);
  caption.append(element("b", "", row.label), element("span", "", row.note), element("span", "scale"), save);
  node.append(element("img", ""), caption);
  return node;
}

function strip(row, data) {
  const line = element("div", "row");
  if (data.rows.length > 1) line.append(element("b", "", row.label));
  row.frames.forEach((frame, index) => {
    const cell = element("div", "cell");
    cell.dataset.index = index;
    const image = element("img", "");
    image.src = frame.src;
    image.alt = "";
    cell.append(image);
    if (data.marks[index]) cell.append(element("span", "", data.marks[index]));
    line.append(cell);
  });
  return line;
}
