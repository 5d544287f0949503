"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const touch = matchMedia("(pointer: coarse)");
const PRINTED = 680; // pixels, the width of a printed page

function template(isDark) {
  const axis = {
    gridcolor: isDark ? "#2a3138" : "#eceff2",
    linecolor: isDark ? "#4a545e" : "#c3cad1",
    zeroline: false, automargin: true, ticks: "", title: {font: {size: 12}},
  };
  return {layout: {
    font: {color: isDark ? "#c3cad1" : "#444d56", size: 12, family: "system-ui, sans-serif"},
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: {l: 56, r: 16, t: 16, b: 44}, showlegend: false, hovermode: "closest",
    hoverlabel: {
      align: "left", bgcolor: isDark ? "#2a3138" : "#ffffff", bordercolor: "#8b949e",
      font: {color: isDark ? "#e4e7ea" : "#1c2126"},
    },
    xaxis: axis, yaxis: axis,
  }};
}

function draw(plot) {
  if (plot.dataset.drawn) return;
  plot.dataset.drawn = "yes";
  const {data, layout} = figures[plot.id];
  const full = {...layout, template: template(dark.matches), dragmode: touch.matches ? false : "zoom"};
  Plotly.newPlot(plot, data, full, {responsive: true, displayModeBar: false});
}

function paint(isDark, width) {
  for (const plot of plots) {
    draw(plot);
    Plotly.relayout(plot, {template: template(isDark), width, autosize: width === undefined});
  }
}

for (const plot of plots) setTimeout(draw, 0, plot); // one by one: the page stays usable
dark.addEventListener("change", () => paint(dark.matches));
addEventListener("beforeprint", () => paint(false, PRINTED));
addEventListener("afterprint", () => paint(dark.matches));
