// A strip of pictures that scrubs and plays in the browser, without the server: one row per generator, one column per frame or seed.
//
// Keys, while anything in it has the focus: arrows move (up and down by a line where the pictures wrap), Home and End, Space plays or stops,
// S stars. Of the stars the browser sends all that the view has at each change, so that the last message is enough; until the server has
// answered it, what the browser knows counts.

const PATIENCE = 5000; // for so long the server may take to answer before its word counts again [ms]
const SIDES = [128, 192, 256, 384, 512, 768]; // what a picture on the stage shall measure at most [px]; whole multiples of its own size are shown

let left = null; // where the last film stood: another mode takes a film off the page, and it is to come back as it was

export default function (component) {
  const root = component.parentElement.querySelector(".film");
  root.film ??= new Film(root);
  root.film.receive(component.data, component.setStateValue);
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

  receive(data, send) {
    this.send = send;
    const fresh = this.data?.view !== data.view;
    if (fresh) this.stop();
    if (!this.data && left?.view === data.view) this.at = left.at;
    else if (fresh && this.data?.start !== data.start) this.at = data.start;
    this.data = data;
    if (fresh) this.build();
    this.underlay();
    this.settle();
    this.resize(0);
    this.place(Math.min(this.at ?? 0, this.length - 1));
  }

  build() {
    const { data } = this;
    for (const layout of ["browse", "still"]) this.root.classList.toggle(layout, data.layout === layout);
    this.root.classList.toggle("alone", data.rows.length === 1);
    this.length = data.captions.length;
    this.find(".scrub").max = this.length - 1;
    this.find(".stage").replaceChildren(...data.rows.map(couple));
    this.find(".strip").replaceChildren(...data.rows.map((row) => strip(row, data)));
    this.side = this.fitting(data.layout === "browse" ? 256 : 384, data.rows.length);
    this.paired = false;
    this.pending = null;
    this.stars = new Set(data.starred);
  }

  // The largest side, up to one, at which so many pictures stand side by side.
  fitting(most, count) {
    return SIDES.findLast((side) => side <= Math.min(most, this.root.clientWidth / count - 32)) ?? SIDES[0];
  }

  // ---- nearest real images ---------------------------------------------------------------------------------------------------------

  // They come after the pictures, or go again, while everything else stays.
  underlay() {
    const alone = this.data.rows.length === 1 && this.data.layout === "film";
    if (alone && this.data.rows[0].reals && !this.paired) this.side = this.fitting(this.side, 2);
    this.paired ||= Boolean(this.data.rows[0].reals);
    this.data.rows.forEach((row, number) => {
      const box = this.root.querySelectorAll(".couple")[number];
      box.querySelector(".real")?.remove();
      if (row.reals) box.append(real());
      const line = this.root.querySelectorAll(".row")[number];
      line.querySelectorAll(".cell").forEach((cell, index) => {
        for (const node of cell.querySelectorAll(".under")) node.remove();
        if (!row.reals) return;
        const image = element("img", "under");
        image.src = row.reals[index].src;
        image.alt = "";
        cell.querySelector(".badge").before(image, element("span", "under", row.reals[index].distance));
      });
    });
  }

  // ---- stars -----------------------------------------------------------------------------------------------------------------------

  star() {
    if (!this.data.can_star[this.at]) return this.say("This picture lies between seeds. Only pictures of whole seeds can be reviewed.");
    if (!this.stars.delete(this.at)) this.stars.add(this.at);
    this.say(this.stars.has(this.at) ? `Starred: ${this.data.captions[this.at]}` : `No longer starred: ${this.data.captions[this.at]}`);
    this.pending = [...this.stars].sort((a, b) => a - b);
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      this.pending = null;
      this.settle();
    }, PATIENCE);
    this.send("starred", { view: this.data.view, columns: this.pending });
    this.paintStars();
  }

  // Take over what the server knows, unless it has not heard the newest yet.
  settle() {
    if (String(this.pending) === String(this.data.starred)) this.pending = null;
    if (!this.pending) this.stars = new Set(this.data.starred);
    this.paintStars();
  }

  paintStars() {
    for (const cell of this.root.querySelectorAll(".cell")) {
      cell.querySelector(".badge").textContent = this.stars.has(Number(cell.dataset.index)) ? "★" : "";
    }
    const button = this.find(".star");
    const starred = this.stars.has(this.at);
    button.textContent = starred ? "★ Starred" : "☆ Star";
    button.setAttribute("aria-pressed", starred);
    button.setAttribute("aria-disabled", !this.data.can_star[this.at]);
    button.title = this.data.can_star[this.at] ? "Keep for a review batch (S)" : "Only pictures of whole seeds can be reviewed.";
  }

  say(text) {
    this.find(".said").textContent = text;
  }

  place(index) {
    this.at = Math.max(0, Math.min(this.length - 1, index));
    left = { view: this.data.view, at: this.at };
    const { rows, captions, layout } = this.data;
    const images = this.root.querySelectorAll(".made img");
    const links = this.root.querySelectorAll(".made a");
    rows.forEach((row, number) => {
      const frame = row.frames[this.at];
      images[number].src = frame.src;
      images[number].alt = `${row.label}, ${captions[this.at]}`;
      links[number].href = frame.src;
      links[number].download = frame.name;
      if (row.reals) this.placeReal(row.reals[this.at], number);
    });
    this.find(".scrub").value = this.at;
    const text = layout === "browse" ? captions[this.at] : `${this.at + 1} of ${this.length}: ${captions[this.at]}`;
    this.find(".where").textContent = text;
    this.find(".scrub").setAttribute("aria-valuetext", text);
    for (const cell of this.root.querySelectorAll(".cell")) cell.classList.toggle("current", Number(cell.dataset.index) === this.at);
    this.say("");
    this.paintStars();
    this.reveal();
  }

  placeReal(found, number) {
    const box = this.root.querySelectorAll(".couple")[number].querySelector(".real");
    box.querySelector("img").src = found.src;
    box.querySelector("img").alt = `Nearest real training image, ${found.name}. ${found.words}`;
    box.querySelector(".words").textContent = found.words;
    box.querySelector(".name").textContent = found.name;
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
      const node = this.root.querySelectorAll(".couple")[number];
      const factor = Math.max(1, Math.floor(this.side / row.resolution));
      for (const image of node.querySelectorAll("img")) {
        image.width = image.height = factor * row.resolution;
        image.classList.toggle("pixels", !smooth);
      }
      const least = this.data.rows.length > 2 ? 136 : 200; // words may be wider than a small picture, where there is room
      for (const caption of node.querySelectorAll("figcaption")) caption.style.maxWidth = `${Math.max(least, factor * row.resolution)}px`;
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
    else if (event.key === "s" || event.key === "S") this.star();
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
    else if (action === "star") this.star();
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

// A picture on the stage, and room for its nearest real image.
function couple(row) {
  const box = element("div", "couple");
  const node = element("figure", "made");
  const caption = element("figcaption", "");
  const save = element("a", "", "Save (PNG)");
  save.setAttribute("aria-label", `Save the picture of ${row.label} (PNG)`);
  caption.append(element("b", "", row.label), element("span", "", row.note), element("span", "scale"), save);
  node.append(element("img", ""), caption);
  box.append(node);
  return box;
}

function real() {
  const node = element("figure", "real");
  const caption = element("figcaption", "");
  caption.append(element("b", "", "Nearest real training image"), element("span", "name"), element("span", "words"));
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
    cell.append(element("span", "badge"));
    line.append(cell);
  });
  return line;
}
