// The blind reading: one picture at a time, and how surely it is real or synthetic. Nothing here tells what a picture is.

const FACTORS = [1, 2, 3, 4, 6, 8]; // screen pixels per pixel of the picture
const LARGEST = 768; // side of a picture on the screen [px]
const MAT = 64; // grey on both sides of it, with its frame [px]

export default function (component) {
  return mount(component, Blind);
}

class Blind extends Judging {
  detail = "confidence";

  constructor(root) {
    super(root);
    this.find(".soft").addEventListener("change", () => this.paint());
  }

  keys() {
    return {};
  }

  digit(number) {
    return number >= 1 && number <= 5 && [number < 3 ? "real" : number > 3 ? "synthetic" : "unsure", number];
  }

  word(decision, confidence) {
    return `answered: ${this.data.scale[confidence - 1]?.toLowerCase() ?? decision}`;
  }

  sign(decision, confidence) {
    return this.data.scale[confidence - 1]?.toLowerCase() ?? decision;
  }

  atEnd() {
    return this.data.page + 1 < this.data.pages ? "The next images are being loaded." : "There is no other image.";
  }

  goesOn() {
    return true;
  }

  // The next pictures are here before they are wanted, so that no key has to wait at the end of a page. Until the server has come along,
  // this.turned is the page that is shown, and what would lead back to the one before is not done.
  receive(data, trigger) {
    const arrived = data.page === this.turned;
    const expected = this.turned === undefined || arrived;
    if (data.tiles && expected) this.ahead = data.ahead;
    super.receive(expected ? data : { ...data, tiles: null, page: this.turned, view: this.data.view }, trigger);
    if (!arrived) return;
    this.turned = undefined;
    this.goOn();
  }

  goOn() {
    if (this.cursor >= this.tiles.length && this.data.page + 1 < this.data.pages) this.turn(1);
  }

  place(index) {
    super.place(index);
    this.goOn();
  }

  turn(by) {
    if (this.turned !== undefined) return this.say("The other images are being loaded.");
    super.turn(by);
    if (by < 0 || !this.ahead?.length || !this.wish) return;
    this.turned = this.data.page + 1;
    this.data = { ...this.data, page: this.turned };
    this.tiles = this.ahead;
    this.ahead = null;
    this.place(0);
  }

  undo() {
    const last = this.history.at(-1);
    if (last && this.turned !== undefined && !this.tiles.some((tile) => tile.id === last.image)) {
      return this.say("The other images are being loaded.");
    }
    super.undo();
  }

  build(isOther) {
    const native = this.data.resolution;
    const room = Math.min(LARGEST, this.root.clientWidth - MAT);
    this.fitting ??= FACTORS.map((factor) => factor * native).filter((size) => size <= Math.max(room, native));
    this.shown ??= this.fitting.filter((size) => size <= innerHeight * 0.5).at(-1) ?? this.fitting[0];
    const group = this.find(".answers");
    group.replaceChildren(...this.data.scale.map((label, index) => keyButton(index + 1, label, label)));
    [...group.children].forEach((button, index) => button.classList.add(["real", "real", "unsure", "synthetic", "synthetic"][index]));
    const known = this.decisions();
    const wanted = this.tiles.findIndex((tile) => tile.id === this.data.target);
    // Where the reading is taken up again, what this browser has not sent yet counts as answered.
    const open = this.tiles.findIndex((tile, index) => index >= wanted && tile.src && !known.has(tile.id));
    if (this.turned === undefined) {
      const cursor = this.data.resume ? open : wanted;
      this.cursor = cursor >= 0 ? cursor : this.tiles.length;
      this.since = performance.now();
    } // else the reader is on this page already
    this.resize(0);
    this.takeFocus(isOther);
    this.goOn();
  }

  resize(by) {
    const at = Math.max(0, this.fitting.indexOf(this.shown));
    this.shown = this.fitting[Math.max(0, Math.min(this.fitting.length - 1, at + by))];
    this.root.style.setProperty("--shown", `${this.shown}px`);
    this.find(".size").textContent = times(this.shown, this.data.resolution);
  }

  paint() {
    const { page, pages, total } = this.data;
    const known = this.decisions();
    const tile = this.tiles[this.cursor];
    const answer = tile && known.get(tile.id);
    const image = this.find(".single img");
    this.find(".single").hidden = !tile?.src;
    if (tile?.src && image.src !== tile.src) image.src = tile.src;
    image.classList.toggle("pixels", !this.find(".soft").checked && this.shown > this.data.resolution);
    const complete = known.size >= total;
    this.find(".empty").hidden = Boolean(tile?.src);
    this.find(".empty").textContent = tile
      ? "The file of this image is missing, so it cannot be judged. Go on with the right arrow."
      : page + 1 < pages
        ? "The next images are being loaded."
        : complete
          ? "That was the last image: all are answered. You can still go back and change an answer. The result is shown once the batch is closed."
          : "That was the last image, and some are not answered yet. Go back with the left arrow.";
    const said = answer ? this.sign(...answer) : "not answered";
    this.find(".grid").setAttribute("aria-label", tile ? `Image ${tile.number} of ${total}, ${said}` : this.find(".empty").textContent);
    this.find(".what-number").textContent = tile ? `Image ${tile.number} of ${total}` : "";
    this.find(".what-answer").textContent = answer ? `Your answer: ${said}` : "";
    [...this.find(".answers").children].forEach((button, index) => button.setAttribute("aria-pressed", answer?.[1] === index + 1));
    this.find('[data-do="back"]').disabled = page === 0 && this.cursor === 0;
    this.find('[data-do="forward"]').disabled = page + 1 >= pages && this.cursor >= this.tiles.length;
    this.find(".count").textContent = `${known.size} of ${total} answered`;
    this.paintMeter(known.size, total);
  }
}
