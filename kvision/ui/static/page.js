// What every page does: light or dark as last chosen, and a word when the server is gone. Runs before the page is painted.
"use strict";

const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;

// Says what is wrong at the top of the page; nothing: all is well again.
function trouble(text) {
  const shown = document.getElementById("trouble");
  shown.textContent = text;
  shown.hidden = !text;
}
const GONE = "The server does not answer, and this page stands still; start `kvision ui` again.";

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    document.dispatchEvent(new Event("theme"));
  });
  document.addEventListener("htmx:error", () => trouble(GONE));
  document.addEventListener("htmx:after:swap", () => trouble(""));
});
