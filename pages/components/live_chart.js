// Line charts that are updated in place. Plotly.react changes the drawing and leaves its DOM node alone, so zoom and focus survive a refresh.
// Streamlit calls the default export again whenever `data` changes; what must outlive a call is kept on the root element.

const KEPT = "gan_aug.smoothing";
const USUAL = 0.6;

let library = null;

// To start the library takes the browser's one thread a second; the table of runs, which is wanted first, shall not wait for it.
function quiet() {
  const idle = window.requestIdleCallback ?? ((call) => call()); // Safari has none
  return new Promise((resolve) => setTimeout(() => idle(resolve, { timeout: 2000 }), 400));
}

function loadPlotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!library) {
    library = quiet().then(() => new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => {
        library = null; // so that the next refresh tries again
        reject(new Error("The chart library could not be loaded."));
      };
      document.head.append(script);
    }));
  }
  return library;
}

// Exponential average with the start corrected (as in Adam), so that the first points are not pulled to zero. Gaps stay gaps.
function smooth(values, weight) {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

function traces(panel, weight) {
  return panel.lines.flatMap((line) => [
    { x: line.x, y: line.y, mode: "lines", line: { color: line.colour, width: 1 }, opacity: weight > 0 ? 0.3 : 0,
      hoverinfo: "skip", showlegend: false },
    { x: line.x, y: smooth(line.y, weight), name: line.name, mode: line.x.length > 1 ? "lines" : "markers",
      line: { color: line.colour, width: 2, dash: line.dash }, marker: { color: line.colour, size: 7 },
      hovertemplate: "%{y:.4g}", showlegend: panel.lines.length > 1 },
  ]);
}

function layout(panel, revision, family) {
  const axis = { zeroline: false, gridcolor: "rgba(128,128,128,0.22)", linecolor: "rgba(128,128,128,0.5)", automargin: true };
  return {
    uirevision: revision,
    height: 220,
    margin: { l: 44, r: 10, t: 6, b: 36 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family, size: 11 },
    hovermode: "x unified",
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemclick: "toggle" },
    xaxis: { ...axis, rangemode: "tozero", title: { text: panel.x_title, standoff: 6, font: { size: 11 } } },
    yaxis: { ...axis, ...(panel.range ? { range: panel.range } : {}), ...(panel.log ? { type: "log" } : {}) },
  };
}

function plotOf(root, panel) {
  let figure = root.figures.get(panel.id);
  if (!figure) {
    figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const name = document.createElement("strong");
    const note = document.createElement("span");
    const plot = document.createElement("div");
    plot.className = "live-plot";
    caption.append(name, note);
    figure.append(caption, plot);
    figure.setAttribute("role", "group");
    root.querySelector(".live-grid").append(figure);
    root.figures.set(panel.id, figure);
  }
  figure.querySelector("strong").textContent = panel.title;
  figure.querySelector("span").textContent = panel.note;
  figure.setAttribute("aria-label", `${panel.title}. ${panel.note} ${panel.spoken}`);
  return figure.querySelector(".live-plot");
}

function draw(root) {
  const { panels, revision, library_url: url } = root.latest;
  const weight = Number(root.querySelector("input").value);
  const shown = new Set(panels.map((panel) => panel.id));
  for (const [id, figure] of root.figures) {
    if (!shown.has(id)) {
      window.Plotly?.purge(figure.querySelector(".live-plot"));
      figure.remove();
      root.figures.delete(id);
    }
  }
  const message = root.querySelector(".live-message");
  if (!window.Plotly) message.textContent = "Loading the charts ...";
  loadPlotly(url).then(
    (Plotly) => {
      message.textContent = "";
      const family = getComputedStyle(root).fontFamily; // Plotly does not know "inherit"
      for (const panel of panels) {
        Plotly.react(plotOf(root, panel), traces(panel, weight), layout(panel, revision, family), { displayModeBar: false, responsive: true });
      }
    },
    (error) => {
      message.textContent = `${error.message} Check that enableStaticServing is on in .streamlit/config.toml, then start the app again.`;
    },
  );
}

// The smoothing that was chosen last. A browser may forbid storage; then it starts at the usual one each time.
function chosen() {
  try {
    const kept = Number(localStorage.getItem(KEPT) ?? USUAL);
    return Number.isFinite(kept) ? kept : USUAL;
  } catch {
    return USUAL;
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEPT, value);
  } catch {
    // only forgotten
  }
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".live-charts");
  root.latest = data;
  if (!root.figures) {
    root.figures = new Map();
    const slider = root.querySelector("input");
    const output = root.querySelector("output");
    slider.value = chosen();
    output.textContent = Number(slider.value).toFixed(2);
    slider.oninput = () => {
      output.textContent = Number(slider.value).toFixed(2);
      keep(slider.value);
      draw(root);
    };
  }
  draw(root);
}
