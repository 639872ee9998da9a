// Draws the figures in the colours of the current scheme, and shows one problem at a time.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function draw() {
    const style = getComputedStyle(document.documentElement);
    const coloured = (value) => {
      if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
      if (Array.isArray(value)) return value.map(coloured);
      if (value && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, coloured(inner)]));
      }
      return value;
    };
    for (const [id, figure] of Object.entries(figures)) {
      const { data, layout } = coloured(figure);
      Plotly.react(document.getElementById(`chart-${id}`), data, layout, { responsive: true, displayModeBar: false });
    }
  }
  draw();
  dark.addEventListener("change", draw);

  const select = document.getElementById("problem");
  if (!select) return;
  const problems = [...document.querySelectorAll(".problem")];
  const show = () => problems.forEach((problem, number) => { problem.hidden = number !== select.selectedIndex; });
  const move = (by) => {
    select.selectedIndex = (select.selectedIndex + by + problems.length) % problems.length;
    show();
  };
  select.addEventListener("change", show);
  document.getElementById("previous").addEventListener("click", () => move(-1));
  document.getElementById("next").addEventListener("click", () => move(1));
  document.querySelector(".chooser").hidden = false;
  show();
})();
