// A picture goes to a bundle, and its answer comes back as HTML that the server has escaped.
"use strict";

const form = document.getElementById("try");
if (form) {
  const choice = document.getElementById("file"), sample = document.getElementById("sample");
  const drop = document.getElementById("drop"), input = document.getElementById("picture"), answer = document.getElementById("answer");
  let picture = null, asked = 0;

  const option = () => choice.selectedOptions[0].dataset;

  async function ask(given) {
    picture = given;
    const number = ++asked;
    answer.setAttribute("aria-busy", "true");
    let text = GONE, good = false;
    try {
      const query = new URLSearchParams({bundle: option().bundle, format: option().format});
      const response = await fetch(`/answer?${query}`, {method: "POST", body: picture});
      text = await response.text();
      good = response.ok;
    } catch { /* the server is gone, or took the file for too large and hung up */ }
    if (number !== asked) return; // another picture was chosen meanwhile
    answer.removeAttribute("aria-busy");
    if (good) answer.innerHTML = text;
    else answer.replaceChildren(Object.assign(document.createElement("p"), {className: "bad", textContent: text}));
  }

  const show = () => { sample.hidden = !option().sample; };
  choice.addEventListener("change", () => { show(); if (picture) ask(picture); });
  sample.addEventListener("click", async () => ask(await (await fetch(option().sample)).blob()));
  input.addEventListener("change", () => { if (input.files.length) ask(input.files[0]); });
  form.addEventListener("submit", event => event.preventDefault());
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, event => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) ask(event.dataTransfer.files[0]);
    });
  }
  document.addEventListener("paste", event => { if (event.clipboardData.files.length) ask(event.clipboardData.files[0]); });
  show();
}
