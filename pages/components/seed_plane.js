// A point on the plane of seeds, moved by dragging the picture or the knob of the map, or by keys; the server generates.
//
// While somebody drags, one wish is on its way at a time, and the newest follows when its picture has come: a slow server is never flooded, and
// the last position always gets its picture. A wish that is not answered is sent again.

const SIDES = [128, 192, 256, 384, 512, 768]; // as in the filmstrip [px]
const MAP = 320; // width of the map and its margins [px]
const PATIENCE = 4000; // until a wish that was not answered is sent again [ms]
const REST = 350; // without a movement: then the nearest real image is worth looking up [ms]
const STEP = 0.05;

export default function (component) {
  const root = component.parentElement.querySelector(".plane");
  root.plane ??= new Plane(root);
  root.plane.receive(component.data, component.setStateValue);
  return () => root.plane.quiet();
}

class Plane {
  constructor(root) {
    this.root = root;
    this.number = Date.now(); // of the newest wish; grows
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    this.find(".smooth").addEventListener("change", () => this.resize(0));
    this.draggable(this.find(".picture"), (x, y, box) => this.move(this.from.x - x / box.width, this.from.y - y / box.height));
    this.draggable(this.find(".pad"), (x, y, box) => {
      const within = (value, low) => Math.max(low, Math.min(low + 1, value));
      this.move(within(this.from.x + x / box.width, this.cell.x), within(this.from.y + y / box.height, this.cell.y));
    });
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  receive(data, send) {
    this.send = send;
    const other = this.data?.view !== data.view;
    if (this.starring && data.starred === this.starring.on) this.starring = null;
    if (this.data?.compares !== data.compares) this.side = this.fitting(data.compares ? 2 : 1);
    this.data = data;
    const answered = this.waiting && data.reply >= this.waiting.number;
    if (answered) this.waiting = null;
    const own = !other && (this.waiting || this.wish || this.held); // the browser knows better where the point is
    if (!own) {
      this.point = { x: data.x, y: data.y };
      this.cell = cellOf(this.point, this.cell);
    }
    this.paint();
    if (answered) this.flush();
    // Of two messages that come while the server is busy it may see the later one alone: a star that was not taken is sent again.
    if (this.starring && !other && !this.waiting && this.starring.tries++ < 3) this.sendStar();
  }

  // The side at which so many pictures stand beside the map; where that is too small, beside each other above it.
  fitting(count) {
    const fit = (width, most) => SIDES.findLast((side) => side <= Math.min(most, width / count - 16)) ?? SIDES[0];
    const beside = fit(this.root.clientWidth - MAP, 384);
    return beside >= 192 ? beside : fit(this.root.clientWidth - 32, 256);
  }

  // ---- moving ----------------------------------------------------------------------------------------------------------------------

  move(x, y) {
    const within = (value) => Math.round(100 * Math.max(0, Math.min(this.data.most, value))) / 100;
    this.point = { x: within(x), y: within(y) };
    this.cell = cellOf(this.point, this.cell);
    this.wish = { ...this.point, rest: false };
    this.paintMap();
    this.flush();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.wish = { ...this.point, rest: true };
      this.flush();
    }, REST);
  }

  flush() {
    if (this.waiting || !this.wish) return;
    this.waiting = { ...this.wish, number: ++this.number };
    this.wish = null;
    this.send("point", { view: this.data.view, ...this.waiting });
    clearTimeout(this.patience);
    this.patience = setTimeout(() => {
      if (!this.waiting) return;
      this.wish ??= this.waiting;
      this.waiting = null;
      this.flush();
    }, PATIENCE);
  }

  quiet() {
    clearTimeout(this.patience);
    clearTimeout(this.resting);
  }

  draggable(node, follow) {
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.find(".pad").focus({ preventScroll: true });
      node.setPointerCapture(event.pointerId);
      node.classList.add("held");
      const box = node.getBoundingClientRect();
      this.held = { x: event.clientX, y: event.clientY, box };
      this.from = { ...this.point };
      if (node.classList.contains("pad")) {
        const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        this.from = { x: this.cell.x + x, y: this.cell.y + y };
        this.move(this.from.x, this.from.y);
      }
    });
    node.addEventListener("pointermove", (event) => {
      if (this.held) follow(event.clientX - this.held.x, event.clientY - this.held.y, this.held.box);
    });
    const drop = () => {
      this.held = null;
      node.classList.remove("held");
    };
    node.addEventListener("pointerup", drop);
    node.addEventListener("pointercancel", drop);
  }

  // ---- showing ---------------------------------------------------------------------------------------------------------------------

  paint() {
    const { data } = this;
    const image = this.find(".picture");
    if (image.src !== data.picture.src) image.src = data.picture.src;
    image.alt = `${data.label}, ${data.caption}`;
    const link = this.find(".made a");
    link.href = data.picture.src;
    link.download = data.picture.name;
    this.find(".label").textContent = data.label;
    this.find(".note").textContent = data.note;
    const real = this.find(".real");
    real.hidden = !data.compares;
    real.querySelector("img").style.visibility = data.real ? "visible" : "hidden";
    if (!data.real) {
      real.querySelector("img").alt = "";
      real.querySelector(".name").textContent = "";
      real.querySelector(".words").textContent = "Looked up when the point rests.";
    } else {
      real.querySelector("img").src = data.real.src;
      real.querySelector("img").alt = `Nearest real training image, ${data.real.name}. ${data.real.words}`;
      real.querySelector(".name").textContent = data.real.name;
      real.querySelector(".words").textContent = data.real.words;
    }
    this.resize(0);
    this.paintMap();
    this.paintStar();
  }

  paintMap() {
    const { data, point, cell } = this;
    const knob = this.find(".knob");
    knob.style.left = `${100 * (point.x - cell.x)}%`;
    knob.style.top = `${100 * (point.y - cell.y)}%`;
    this.root.querySelectorAll(".corner").forEach((node, number) => {
      const [x, y] = [cell.x + (number % 2), cell.y + Math.floor(number / 2)];
      const seed = x + data.stride * y;
      node.querySelector("span").textContent = `Seed ${seed}`;
      const image = node.querySelector("img");
      const src = data.corners[String(seed)];
      image.style.visibility = src ? "visible" : "hidden";
      if (src && image.src !== src) image.src = src;
    });
    const text = `x ${point.x.toFixed(2)}, y ${point.y.toFixed(2)}: ${this.place()}`;
    if (this.find(".where").textContent !== text) this.find(".where").textContent = text;
  }

  place() {
    const { x, y } = this.point;
    if (Number.isInteger(x) && Number.isInteger(y)) return `seed ${x + this.data.stride * y}`;
    const nearest = Math.round(x) + this.data.stride * Math.round(y);
    return `between seeds, nearest ${nearest}`;
  }

  resize(by) {
    const index = Math.max(0, Math.min(SIDES.length - 1, SIDES.indexOf(this.side) + by));
    this.side = SIDES[index];
    const own = this.data.resolution;
    const factor = Math.max(1, Math.floor(this.side / own));
    for (const image of this.root.querySelectorAll(".couple img")) {
      image.width = image.height = factor * own;
      image.classList.toggle("pixels", !this.find(".smooth").checked);
    }
    for (const caption of this.root.querySelectorAll("figcaption")) caption.style.maxWidth = `${Math.max(200, factor * own)}px`;
    this.find(".scale").textContent = `${own} × ${own} px, shown ${factor}×`;
  }

  // ---- stars -----------------------------------------------------------------------------------------------------------------------

  star() {
    if (!this.whole()) return this.say("This picture lies between seeds. Snap to a seed first; only whole seeds can be reviewed.");
    const on = !(this.starring?.on ?? this.data.starred);
    this.starring = { on, tries: 0, point: { ...this.point } };
    this.sendStar();
    this.say(on ? "Starred." : "No longer starred.");
    this.paintStar();
  }

  sendStar() {
    const { on, point } = this.starring;
    this.send("star", { view: this.data.view, number: ++this.number, on, ...point });
  }

  whole() {
    return Number.isInteger(this.point.x) && Number.isInteger(this.point.y);
  }

  paintStar() {
    const button = this.find(".star");
    const starred = this.starring?.on ?? this.data.starred;
    button.textContent = starred ? "★ Starred" : "☆ Star";
    button.setAttribute("aria-pressed", starred);
    button.setAttribute("aria-disabled", !this.whole());
  }

  say(text) {
    this.find(".said").textContent = text;
  }

  // ---- input -----------------------------------------------------------------------------------------------------------------------

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.data) return;
    const by = event.shiftKey ? 1 : STEP;
    const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
    if (event.key in moves) this.shift(...moves[event.key]);
    else if (event.key === "Enter" && !event.target.closest("button, a")) this.snap();
    else if (event.key === "s" || event.key === "S") this.star();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  shift(x, y) {
    this.say("");
    this.starring = null;
    this.move(this.point.x + x, this.point.y + y);
    this.paintStar();
  }

  snap() {
    this.shift(Math.round(this.point.x) - this.point.x, Math.round(this.point.y) - this.point.y);
  }

  click(event) {
    const action = event.target.closest("button")?.dataset.do;
    const moves = { left: [-STEP, 0], right: [STEP, 0], up: [0, -STEP], down: [0, STEP] };
    if (action in moves) this.shift(...moves[action]);
    else if (action === "snap") this.snap();
    else if (action === "star") this.star();
    else if (action) this.resize(action === "larger" ? 1 : -1);
  }
}

// The unit square of the map that a point lies in; on an edge, the square that is shown already.
function cellOf(point, shown) {
  const one = (value, now) => (now !== undefined && now <= value && value <= now + 1 ? now : Math.floor(value));
  return { x: one(point.x, shown?.x), y: one(point.y, shown?.y) };
}
